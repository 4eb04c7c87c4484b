# Everything runs in .venv, made from python3 and requirements.lock. Neither uv nor a compiler is
# needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REFEREE := .venv-referee
DOCS := .venv-docs
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster test screenshots referee check format reference docs bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	    sys.exit(0 if (3, 11) <= v <= (3, 13) else f"python3 is {v[0]}.{v[1]}; 3.11 to 3.13 is needed (make PYTHON=python3.12)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Read simulated providers, offline, then as a service (ARGS=--once ends before)
	@$(BIN)/pricing-sync demo $(ARGS)

demo-cluster: $(READY) ## Lose workers and PostgreSQL under load, offline, and account for it
	@PYTHONPATH=src:tests $(BIN)/python -m cluster_demo

test: $(READY) ## Run the tests (ARGS= is passed to pytest)
	$(BIN)/python -m pytest -n auto $(ARGS)

screenshots: $(READY) ## Write a picture of every page into screenshots/ (needs Chromium; ARGS=review for some)
	PYTHONPATH=tests $(BIN)/python -m web.pages.screenshots screenshots $(ARGS)

referee: $(READY) $(REFEREE)/.ready ## Compare with genai-prices and litellm: their cards here, our exports there
	PYTHONPATH=src:tests $(REFEREE)/bin/python -m referee $(ARGS)
	PYTHONPATH=src:tests $(REFEREE)/bin/python -m referee.export_cases litellm $(ARGS)
	PYTHONPATH=src:tests $(REFEREE)/bin/python -m referee.export_cases genai-prices $(ARGS)

$(REFEREE)/.ready: referee.lock
	$(PYTHON) -m venv $(REFEREE)
	$(REFEREE)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement referee.lock
	@touch $@

check: $(READY) ## Lint, check types, hold the import contracts and what is made from the code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pricing_sync.web.document --check
	PYTHONPATH=tools $(BIN)/python -m reference_pages --check

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: $(READY) ## Write the OpenAPI document and docs/reference/ again, from the code
	$(BIN)/python -m pricing_sync.web.document > docs/openapi.json
	PYTHONPATH=tools $(BIN)/python -m reference_pages

docs: $(DOCS)/.ready ## Build the site over docs/ into site/; a broken link or a page without a place fails
	$(DOCS)/bin/zensical build --clean --strict
	$(DOCS)/bin/python tools/check_site.py

$(DOCS)/.ready: docs.lock
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement docs.lock
	@touch $@

bench: $(READY) ## Measure, and print a table
	PYTHONPATH=tests $(BIN)/python bench/bench.py $(ARGS)

lock: ## Lock the dependencies again, with hashes (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra serve --extra sentry --extra bulk --extra notify --extra postgres --extra redis --group dev --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra serve --extra sentry --extra notify --extra postgres --extra redis --group build \
	    --constraint requirements.lock --output-file deploy/image.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --group referee --output-file referee.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --group docs --output-file docs.lock

clean: ## Remove what was made
	rm -rf $(VENV) $(REFEREE) $(DOCS) site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
