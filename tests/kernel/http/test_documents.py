"""The pages for developers: complete in the package, cached well, and closed to foreign hosts."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from starlette.routing import Router
from starlette.testclient import TestClient

from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.http import documents
from bailiwick.kernel.http.documents import ASSETS, document_routes, fingerprint

DOCUMENT = b'{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {}}'
PAGES = ("/api/docs", "/api/redoc")
LOADING_ATTRIBUTES = {"src", "srcset", "poster", "data", "background", "action", "formaction"}

# Hosts that the vendored scripts would ask by themselves, if the copies in the package were not changed.
ASKED_BY_THEMSELVES = (
    b"validator.swagger.io",
    b"otel.cloud.redocly.com",
    b"cdn.redocly.com",
    b"cdn.redoc.ly",
    b"fonts.googleapis.com",
    b"fonts.gstatic.com",
    b"cdn.jsdelivr.net",
    b"unpkg.com",
    b"cdnjs.cloudflare.com",
)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Router(document_routes(lambda: DOCUMENT)), follow_redirects=False)


class Loads(HTMLParser):
    """Collects what a browser fetches for a page, and what it runs or styles inline."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADING_ATTRIBUTES or name == "spec-url" or (tag == "link" and name == "href"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


def loads(page: str) -> Loads:
    found = Loads()
    found.feed(page)
    return found


def foreign(addresses: list[str]) -> list[str]:
    """Those that lead to another host. `data:` leads nowhere."""
    return [address for address in addresses if urlsplit(address).netloc or address.startswith("http")]


def style_loads(sheet: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import)\s*['"]?([^'")\s;]+)""", sheet)


def test_the_root_leads_to_the_documentation(client: TestClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/api/docs")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_only_files_of_this_server_which_all_exist(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    found = loads(answer.text)
    assert found.addresses
    assert foreign(found.addresses) == []
    assert {client.get(address).status_code for address in found.addresses} == {200}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_and_its_policy_allows_no_foreign_or_inline_script(
    client: TestClient, path: str
) -> None:
    answer = client.get(path)
    assert loads(answer.text).inline == []
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"].startswith("'self'")
    assert not {"http", "unsafe", "*"} & set(
        re.findall(r"http|unsafe|\*", answer.headers["Content-Security-Policy"])
    )


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith((".css", ".svg"))])
def test_no_style_sheet_or_picture_loads_anything_foreign(client: TestClient, name: str) -> None:
    content = client.get(f"/api/assets/{fingerprint()}/{name}").text
    assert foreign(style_loads(content)) == []
    assert "sourceMappingURL" not in content


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith(".js")])
def test_no_script_knows_a_host_that_it_would_ask_by_itself(client: TestClient, name: str) -> None:
    content = client.get(f"/api/assets/{fingerprint()}/{name}").content
    assert [host for host in ASKED_BY_THEMSELVES if host in content] == []
    assert not re.search(rb"//[#@] sourceMappingURL=", content)


def test_the_search_for_foreign_addresses_finds_them() -> None:
    page = (
        '<link href="//cdn.example/a.css"><script src="https://cdn.example/a.js"></script><img src="/a.png">'
    )
    assert foreign(loads(page).addresses) == ["//cdn.example/a.css", "https://cdn.example/a.js"]
    sheet = "@import 'https://fonts.example/x'; a { background: url( \"//cdn.example/b.png\" ) url(data:,) }"
    assert foreign(style_loads(sheet)) == ["https://fonts.example/x", "//cdn.example/b.png"]
    assert loads("<p onclick=x()><script>x()</script>").inline == ["p onclick", "script"]


def test_files_are_kept_for_ever_under_an_address_that_changes_with_their_content(client: TestClient) -> None:
    answer = client.get(f"/api/assets/{fingerprint()}/docs.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert f"/api/assets/{fingerprint()}/docs.js" in client.get("/api/docs").text


def test_a_page_of_another_version_still_gets_its_files_but_does_not_keep_them(client: TestClient) -> None:
    answer = client.get("/api/assets/0123456789abcdef/docs.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["/api/docs", "/api/redoc", "/api/openapi.json", "/api/assets/x/vendor/swagger-ui.css"]
)
def test_who_already_has_the_content_is_told_so_without_it(client: TestClient, path: str) -> None:
    tag = client.get(path).headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_document_is_served_as_it_is_given(client: TestClient) -> None:
    answer = client.get("/api/openapi.json")
    assert answer.content == DOCUMENT
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        "application/json",
        "no-cache",
    )


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fdocuments.py", "%2Fetc%2Fpasswd", "vendor"])
def test_only_the_listed_files_are_served(client: TestClient, name: str) -> None:
    with pytest.raises(NotFound):
        client.get(f"/api/assets/{fingerprint()}/{name}")


def test_every_file_in_the_package_is_served_or_says_whose_it_is() -> None:
    root = files(documents.__package__).joinpath("assets")
    own = {entry.name for entry in root.iterdir() if entry.is_file()}
    vendored = {f"vendor/{entry.name}" for entry in root.joinpath("vendor").iterdir()}
    unserved = (own | vendored) - ASSETS.keys()
    assert {name for name in unserved if not name.endswith((".txt", "NOTICE"))} == set()
    notice = root.joinpath("vendor/NOTICE").read_text()
    assert all(name.removeprefix("vendor/") in notice for name in vendored if not name.endswith("NOTICE"))
