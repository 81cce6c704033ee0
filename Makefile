# Two commands: `make run` starts a peer, `make test` proves that it works. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := build
READY := $(BUILD)/ready

.DEFAULT_GOAL := help
.PHONY: help setup run test lint unit interop browser screenshots bench campaign-canonical campaign-fuzz lock words clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

setup: $(READY) ## make the environment in .venv, nothing else

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Lichen needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	mkdir -p $(BUILD) && touch $@

run: setup ## start a peer and open its web app (its data: LICHEN_HOME, else your data folder)
	$(BIN)/lichen start --open

test: lint unit interop browser ## everything: rules, unit tests, JavaScript peers, a real browser
	@echo "All tests passed."

lint: setup ## style, types and the borders between rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy bench/*.py
	$(BIN)/lint-imports --no-cache

unit: setup ## tests that need no other program
	$(BIN)/pytest --ignore tests/interop --ignore tests/browser

interop: setup js ## tests against real JavaScript peers
	$(BIN)/pytest tests/interop

browser: setup js chromium ## tests of the web app in a real browser
	$(BIN)/pytest tests/browser

screenshots: setup chromium ## pictures of every page, into build/screenshots
	$(BIN)/python tests/browser/screenshots.py

.PHONY: chromium
chromium: setup ## find Chromium, or install Debian's
	$(BIN)/python tests/browser/chromium.py

.PHONY: js
js: setup ## install the JavaScript peers that the tests talk to, into build/js
	$(BIN)/python tests/js/install.py

RIVALS := $(BUILD)/rivals

.PHONY: bench-lab
bench-lab: setup $(RIVALS)/ready ## measure the lab, beside networkx, NDlib, SimPy and Mesa on equal models
	$(BIN)/python bench/lab.py

$(RIVALS)/ready: bench/rivals.lock
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

INSTALLED := $(BUILD)/installed

$(INSTALLED)/ready: requirements.lock pyproject.toml $(shell find src/lichen -type f -not -name '*.pyc')
	$(PYTHON) -m venv $(INSTALLED)
	$(INSTALLED)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	rm -f $(BUILD)/lichen-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(BUILD) .
	$(INSTALLED)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(BUILD)/lichen-*.whl
	touch $@

bench: setup js $(INSTALLED)/ready ## measure, rivals in the same run; prints every figure
	$(BIN)/python bench/run.py

.PHONY: bench-web
bench-web: setup js $(INSTALLED)/ready ## measure the web app: pages, live updates in two browsers, start and idle
	$(BIN)/python bench/web.py

.PHONY: bench-search
bench-search: setup js ## measure full-text search, ssb-search2 in the same run
	$(BIN)/python bench/search.py

campaign-canonical: setup js ## one million values and messages compared with V8
	LICHEN_CANONICAL_COUNT=1000000 LICHEN_QUICK_COUNT=3000000 $(BIN)/pytest --timeout 0 tests/feed/test_quick.py tests/interop/test_canonical.py tests/interop/test_verdicts.py

.PHONY: campaign-lab
campaign-lab: setup ## thousands of lives under faults, and every planted bug until it is found
	LICHEN_LAB_SEEDS=1000 $(BIN)/pytest -m "" --timeout 0 -s tests/lab/faults

.PHONY: campaign-crash
campaign-crash: setup ## 10,000 power cuts and 2,000 kills of the real peer; SEED=... for the same again
	$(BIN)/python tests/crash/power/power.py --cuts 10000 $(if $(SEED),--seed $(SEED))
	$(BIN)/python tests/crash/kills/kills.py --kills 2000 $(if $(SEED),--seed $(SEED))
	$(BIN)/pytest -m campaign tests/crash/power

campaign-fuzz: setup ## the fuzz targets for long: every parser, any bytes
	LICHEN_FUZZ_EXAMPLES=200000 $(BIN)/pytest --timeout 0 tests/fuzz

.PHONY: campaign-wired
campaign-wired: setup ## 50 peers with real crypto on every link leave the trace of the sealed run
	LICHEN_WIRED_PEERS=50 $(BIN)/pytest --timeout 0 tests/lab/conformance/test_wired.py

lock: setup ## renew the lock files from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	printf 'hatchling\neditables\n' > $(BUILD)/backend.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml $(BUILD)/backend.in --extra dev -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header bench/rivals.in -o bench/rivals.lock

words: setup ## find new texts in the source and put them into the catalogues
	$(BIN)/python tests/words/collect.py

clean: ## remove what setup and tests made; never a peer's data
	rm -rf $(VENV) $(BUILD) .mypy_cache .ruff_cache .pytest_cache .hypothesis
