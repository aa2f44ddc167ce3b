"""A typed TypeScript client: types by openapi-typescript, requests by openapi-fetch."""

from pathlib import Path
from typing import Any

import orjson

from bailiwick.tooling.clients.making import MADE_BY, make, program, run, template

GENERATOR = "openapi-typescript@7.13.0"
COMPILER = "typescript@5.9.3"
"""What the generator prints types with."""
RUNTIME = "openapi-fetch@0.17.0"
GET_NODE = "Install Node.js 18 or newer, with npm (on Debian: apt-get install nodejs npm)."
OPTIONS = ("--root-types", "--root-types-no-schema-prefix", "--default-non-nullable", "false")
"""Plain names for all types; and what has a default need not be sent."""


def generate(content: dict[str, Any], target: Path, *, force: bool) -> str:
    """Make the client in the folder `target`. Returns what to do next. Raises CannotGenerate."""
    npx = program("npx", GET_NODE)
    program("node", GET_NODE)

    def fill(folder: Path) -> None:
        described = folder.parent / "openapi.json"
        described.write_bytes(orjson.dumps(content))
        words = [npx, "--yes", "--package", GENERATOR, "--package", COMPILER, "openapi-typescript"]
        run([*words, str(described), "--output", str(folder / "schema.d.ts"), *OPTIONS])
        (folder / "index.ts").write_text(template("index.ts"), encoding="utf-8")
        readme = MADE_BY + template("typescript.md", runtime=RUNTIME)
        (folder / "README.md").write_text(readme, encoding="utf-8")

    make(target, fill, force=force)
    return f"The client is in {target}. It needs one package: npm install {RUNTIME}"
