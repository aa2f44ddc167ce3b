# `make run` and `make test` are the two commands that matter. `make` alone lists them all.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
WORKERS ?= 2

export UV_PYTHON_DOWNLOADS = never
# Compiled modules more than halve the time to start.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

SYNC = .venv/bin/uv sync --quiet --frozen --inexact --compile-bytecode

.DEFAULT_GOAL := help
.PHONY: help run env test check docs bench kill licences sbom lock clean

help: ## this list
	@echo 'Bailiwick: a business backend that works on day one.'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Settings come from the environment: make run PORT=9000, or DATABASE_URL=postgresql://… make run'

run: .venv/.installed ## serve on http://127.0.0.1:8000 with a small demo; data stays in var/
	@exec .venv/bin/bailiwick run

env: .venv/.installed-dev ## make .venv with everything that development needs

test: check ## check, then run all tests on SQLite and on a real PostgreSQL
	@.venv/bin/python -m pytest -n $(WORKERS)

check: .venv/.installed-dev ## lint, format, types and the rules of the design
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --quiet --check || { echo 'Formatting differs: .venv/bin/ruff format'; exit 1; }
	@.venv/bin/mypy src tests $(wildcard bench scripts)
	@.venv/bin/bailiwick check

docs: .venv/.installed-dev ## build the documentation as a site: var/site/index.html
	@.venv/bin/zensical build --strict --clean

bench: .venv/.installed-dev ## measure against the floor: a table, a picture and JSON, in ten minutes
	@.venv/bin/python -m bench

kill: .venv/.installed-dev ## kill processes and databases under load, BAILIWICK_KILLS=300 times, and judge
	@BAILIWICK_KILLS=$${BAILIWICK_KILLS:-300} .venv/bin/python -m pytest tests/kill -q -s

licences: .venv/.installed-dev ## whether every licence of what an installation has is agreed to
	@.venv/bin/python -m scripts.components licences

sbom: .venv/.installed-dev ## list all components, with hashes, in var/sbom.json (CycloneDX)
	@.venv/bin/python -m scripts.components sbom

lock: .venv/.installed-dev ## bring uv.lock, and the pinned uv, to the newest allowed versions
	@.venv/bin/uv lock --upgrade
	@{ head -n 1 .ci/uv.txt; echo uv | .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--no-annotate -; } > .ci/uv.txt.new && mv .ci/uv.txt.new .ci/uv.txt

clean: ## delete what can be made again: .venv, caches, builds; the data in var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .cache build dist var/site
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/uv: .ci/uv.txt
	@.ci/environment $(PYTHON)
	@touch $@

.venv/.installed: .venv/bin/uv pyproject.toml uv.lock
	@echo 'Installing Bailiwick from uv.lock (a minute, the first time) …'
	@$(SYNC) --no-dev
	@touch $@

.venv/.installed-dev: .venv/bin/uv pyproject.toml uv.lock
	@echo 'Installing Bailiwick and its tools from uv.lock (a minute, the first time) …'
	@$(SYNC)
	@touch $@ .venv/.installed
