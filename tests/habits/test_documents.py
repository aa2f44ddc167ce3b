"""The documents at the root lead somewhere, and name commands that exist."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import headings, links
from tests.style.source import ROOT

DOCUMENTS = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
ON_EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


@ON_EACH
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        address = urlsplit(link)
        target = document.parent / address.path
        assert address.scheme or target.exists(), link
        assert not address.fragment or address.scheme or address.fragment in headings(target), link


@ON_EACH
def test_every_command_exists(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m ((?:scripts|bailiwick)[\w.]+)", text):
        path = module.replace(".", "/") + ".py"
        assert (ROOT / path).exists() or (ROOT / "src" / path).exists(), module
    for path in re.findall(r"`((?:src|tests)/[a-z_/.]+)`", text):
        assert (ROOT / path).exists(), path
