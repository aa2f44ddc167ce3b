"""What Bailiwick consists of besides its own code, by uv.lock and for every platform.

`components sbom` lists it in var/sbom.json (CycloneDX). `components licences` fails for a licence that
nobody has agreed to: those that are agreed to stand in pyproject.toml, `[tool.pip-licenses]`.
"""

import json
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

from scripts.vendor_assets import PACKAGES, Package

ROOT = Path(__file__).parents[1]
SBOM = ROOT / "var/sbom.json"
BIN = Path(sys.executable).parent
# What an installation may have. What only development needs is not handed on to anybody.
EXPORT = (str(BIN / "uv"), "export", "--quiet", "--frozen", "--no-dev", "--all-extras")


def sbom(path: Path = SBOM) -> Path:
    """Write the list of components, with their hashes and who needs whom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = ("--format", "cyclonedx1.5", "--preview-features", "sbom-export", "--output-file", str(path))
    subprocess.run([*EXPORT, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    listed = json.loads(path.read_text())
    listed["components"] += [browser_asset(package) for package in PACKAGES]
    path.write_text(json.dumps(listed, indent=2))
    return path


def browser_asset(package: Package) -> dict[str, object]:
    """A package whose files the product ships to browsers."""
    return {
        "type": "library",
        "bom-ref": f"npm-{package.name}@{package.version}",
        "name": package.name,
        "version": package.version,
        "purl": f"pkg:npm/{package.name}@{package.version}",
        "licenses": [{"license": {"id": package.licence}}],
        "hashes": [{"alg": "SHA-512", "content": b64decode(package.integrity).hex()}],
        "pedigree": {"notes": "What would have made a browser ask foreign hosts was taken out."},
    }


def components() -> list[str]:
    """The names of all packages that an installation may have."""
    words = ("--no-hashes", "--no-annotate", "--no-header", "--no-emit-project")
    lines = subprocess.run([*EXPORT, *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.findall(r"^([\w.-]+)==", lines, re.MULTILINE)


def licences(packages: list[str]) -> "subprocess.CompletedProcess[str]":
    """Those of the packages that are installed here. The exit code tells whether all are agreed to."""
    command = [str(BIN / "pip-licenses"), "--format", "json", "--packages", *packages]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def main(what: str) -> int:
    if what == "sbom":
        print(sbom().relative_to(ROOT))
        return 0
    done = licences(components())
    if done.returncode:
        print(done.stderr.strip())
        print("If it will do, add it to allow-only of [tool.pip-licenses] in pyproject.toml.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
