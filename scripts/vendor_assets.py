"""Re-create the browser assets that the product ships, from pinned npm packages.

`vendor_assets.py` writes them; `vendor_assets.py --check` only says whether the files in the tree
are what the packages give. Needs `npm`; the registry is whatever npm is configured for.
"""

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

VENDORED = Path(__file__).parents[1] / "src/bailiwick/kernel/http/assets/vendor"

# The name of the tool in place of its logo, which would come from the tool's makers at each visit.
NAMED = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='44' height='14'%3E"
    "%3Ctext y='11' font-family='sans-serif' font-size='12'%3ERedoc%3C/text%3E%3C/svg%3E"
)


@dataclass(frozen=True)
class Package:
    """One npm package: what it must be, which of its files we ship, and what we change in them."""

    name: str
    version: str
    integrity: str  # sha512, base64, as npm publishes it
    licence: str
    files: dict[str, str]  # path in the package → our name
    # Text → its replacement. Whatever would make a browser ask a foreign host goes; each must occur.
    changes: dict[str, str] = field(default_factory=dict)


PACKAGES = (
    Package(
        name="swagger-ui-dist",
        version="5.35.0",
        integrity="U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        licence="Apache-2.0",
        files={
            "swagger-ui-bundle.js": "swagger-ui-bundle.js",
            "swagger-ui.css": "swagger-ui.css",
            "LICENSE": "swagger-ui.LICENSE.txt",
            "NOTICE": "swagger-ui.NOTICE.txt",
            "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
        },
        changes={
            "https://validator.swagger.io/validator": "",
            "/*# sourceMappingURL=swagger-ui.css.map*/": "",
        },
    ),
    Package(
        name="redoc",
        version="3.0.1",
        integrity="KDfoKaYW19LCl4YStgBnwlaNjYEFfs5zCNt1s1WZ2YM5u8d26Yuzd2l43fZO851ZsgIMe/D640fDJkD8eaRQKQ==",
        licence="MIT",
        files={"bundles/redoc.standalone.js": "redoc.standalone.js", "LICENSE": "redoc.LICENSE.txt"},
        changes={
            "https://otel.cloud.redocly.com/v1/traces": "data:,",
            "https://cdn.redocly.com/icons/fa/7.0.0": "data:,",
            "https://cdn.redocly.com/icons/code/5.24.0": "data:,",
            "https://cdn.redoc.ly/redoc/logo-mini-full.svg": NAMED,
            "https://cdn.redoc.ly/redoc/logo-mini.svg": NAMED,
        },
    ),
)


def download(package: Package, folder: Path) -> Path:
    """Fetch the package's archive with npm. Exits where its content is not the pinned one."""
    wanted = f"{package.name}@{package.version}"
    command = ["npm", "pack", wanted, "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    archive = folder / f"{package.name}-{package.version}.tgz"
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        sys.exit(f"{wanted}: sha512 is {found}, expected {package.integrity}")
    return archive


def unpack(package: Package, archive: Path) -> dict[str, bytes]:
    """Our name → content, for the files we ship. Exits where a change no longer applies."""
    shipped: dict[str, bytes] = {}
    with tarfile.open(archive) as members:
        for path, name in package.files.items():
            member = members.extractfile(f"package/{path}")
            if member is None:
                sys.exit(f"{package.name}: {path} is not a file")
            shipped[name] = member.read()
    for old, new in package.changes.items():
        holders = [name for name, content in shipped.items() if old.encode() in content]
        if not holders:
            sys.exit(f"{package.name}: {old} does not occur any more, review the changes")
        for name in holders:
            shipped[name] = shipped[name].replace(old.encode(), new.encode())
    return shipped


def notice() -> bytes:
    lines = ["This folder holds files of other projects. They are made by scripts/vendor_assets.py.\n"]
    for package in PACKAGES:
        lines.append(f"{package.name} {package.version} ({package.licence})")
        lines += [f"    {name}" for name in package.files.values()]
        lines.append("  changed: addresses of foreign hosts that a browser would ask, and source map links,")
        lines.append("  are replaced so that the pages load nothing from elsewhere.\n")
    return "\n".join(lines).encode()


def wanted_files() -> dict[str, bytes]:
    files = {"NOTICE": notice()}
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            files |= unpack(package, download(package, Path(folder)))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the tree differs")
    check = parser.parse_args().check
    files = wanted_files()
    VENDORED.mkdir(parents=True, exist_ok=True)
    present = {path.name: path.read_bytes() for path in VENDORED.iterdir()}
    different = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
    if check:
        sys.exit(f"differs: {', '.join(different)}" if different else 0)
    for name in different:
        if name in files:
            (VENDORED / name).write_bytes(files[name])
        else:
            (VENDORED / name).unlink()
    print(f"{len(files)} files in {VENDORED.name}/, {len(different)} of them new or changed")


if __name__ == "__main__":
    main()
