"""The pages a developer opens first: Swagger UI, Redoc and the OpenAPI document, all from this package."""

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bailiwick.kernel.domain import NotFound
from bailiwick.kernel.http import catalogue

PRODUCT = "Bailiwick"

# What a page may load. Scripts and styles only from our own files: nothing inline, nothing foreign.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Redoc makes empty style elements and fills them by script; this is the hash of nothing.
EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
REDOC_POLICY = PAGE_POLICY.replace("style-src 'self'", f"style-src 'self' {EMPTY_STYLE}")

ONE_YEAR = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

ASSETS = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
    "map.css": "text/css",
    "map.js": "text/javascript",
    "vendor/redoc.standalone.js": "text/javascript",
    "vendor/swagger-ui-bundle.js": "text/javascript",
    "vendor/swagger-ui.css": "text/css",
}

DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product} API</title>
<link rel="icon" href="{assets}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/vendor/swagger-ui.css">
<link rel="stylesheet" href="{assets}/docs.css">
</head>
<body>
<header>
<strong>{product} API</strong>
<p>To sign in, execute <code>POST /api/v1/auth/login</code> with the demo user that was printed at the first
start, copy <code>access_token</code> from the answer, press <b>Authorize</b> and paste it.</p>
<a href="/api/redoc">Reference</a>
<a href="/api/docs/problems">Problems</a>
<a href="/api/openapi.json">OpenAPI</a>
</header>
<main id="docs"></main>
<script src="{assets}/vendor/swagger-ui-bundle.js"></script>
<script src="{assets}/docs.js"></script>
</body>
</html>
"""

REDOC_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product} API reference</title>
<link rel="icon" href="{assets}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/docs.css">
</head>
<body>
<redoc spec-url="/api/openapi.json" disable-telemetry="true"></redoc>
<script type="module" src="{assets}/vendor/redoc.standalone.js"></script>
</body>
</html>
"""

# Dressed in the classes of Swagger UI, so that it looks like the page beside it.
PROBLEMS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product} API problems</title>
<link rel="icon" href="{assets}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/vendor/swagger-ui.css">
<link rel="stylesheet" href="{assets}/docs.css">
</head>
<body>
<header>
<strong>{product} API problems</strong>
<p>What <code>type</code> and <code>code</code> of an error mean.</p>
<a href="/api/docs">Try it</a>
<a href="/api/redoc">Reference</a>
</header>
<main class="swagger-ui"><div class="wrapper renderedMarkdown">
{problems}
</div></main>
</body>
</html>
"""


def document_routes(document: Callable[[], bytes]) -> list[Route]:
    """Routes of the API's documents. `document` gives the OpenAPI document as JSON; it keeps its result.

    The endpoints are plain functions, so Starlette runs them in a thread: the first document takes
    a second to make and must not stop everybody else's requests.
    """

    def openapi(request: Request) -> Response:
        content = document()
        return _cacheable(request, content, "application/json", ASK_AGAIN)

    return [
        Route("/", _home, name="home"),
        Route("/api/docs", _docs, name="docs"),
        Route("/api/docs/problems", _problems, name="problems"),
        Route("/api/redoc", _redoc, name="redoc"),
        Route("/api/openapi.json", openapi, name="openapi"),
        asset_route(),
    ]


def asset_route() -> Route:
    """What every page of ours loads."""
    return Route("/api/assets/{fingerprint}/{name:path}", _asset, name="asset")


def _home(request: Request) -> Response:
    return RedirectResponse("/api/docs", status_code=307)


def _docs(request: Request) -> Response:
    return page(request, DOCS_PAGE, PAGE_POLICY)


def _redoc(request: Request) -> Response:
    return page(request, REDOC_PAGE, REDOC_POLICY)


def _problems(request: Request) -> Response:
    return page(request, PROBLEMS_PAGE, PAGE_POLICY, problems=_catalogue())


@cache
def _catalogue() -> str:
    """Made once, at the first request: what can be raised does not change while a process runs."""
    return catalogue.as_html(catalogue.entries(catalogue.loaded_contexts()))


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        raise NotFound("there is no such file")
    # While versions change, a page of the old one may ask for its files here: serve, but do not pin ours.
    ours = request.path_params["fingerprint"] == fingerprint()
    return _cacheable(request, _content(name), ASSETS[name], ONE_YEAR if ours else ASK_AGAIN)


def page(request: Request, template: str, policy: str, **parts: str) -> Response:
    """The page that a template makes, which may load what `policy` allows and nothing else."""
    text = template.format(product=PRODUCT, assets=f"/api/assets/{fingerprint()}", **parts)
    response = _cacheable(request, text.encode(), "text/html", ASK_AGAIN)
    response.headers["Content-Security-Policy"] = policy
    return response


def _cacheable(request: Request, content: bytes, media_type: str, cache_control: str) -> Response:
    """The content, or 304 where the client says that it has it."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": cache_control}
    known = request.headers.get("If-None-Match", "")
    if known.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@cache
def fingerprint() -> str:
    """Changes whenever any asset does. It is part of their addresses, so they can be cached for ever."""
    together = hashlib.sha256()
    for name in sorted(ASSETS):
        together.update(_content(name))
    return together.hexdigest()[:16]


def _content(name: str) -> bytes:
    return files(__package__).joinpath("assets", name).read_bytes()
