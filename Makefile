# What one types: `make demo` and `make test` do all the set-up by themselves. `make help` lists the rest.

SHELL := /bin/sh
UV := uv==0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The first interpreter on this machine that is new enough and can make environments.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo test soak fuzz bench lint format docs-tables lock hooks clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(READY) ## de-identify real files and a small synthetic series, and say where the result lies
	@$(BIN)/python tools/demo.py

test: $(READY) ## install what the tests need and run them, with branch coverage
	@tools/debian-packages.sh
	$(BIN)/python -m pytest -n 3 --dist worksteal -q --cov --cov-report=term --cov-report=xml

soak: $(READY) ## the long versions: 200 kills over 10,000 instances, a kill at every call, a million rows
	@tools/debian-packages.sh
	STOWGATE_SOAK=1 $(BIN)/python -m pytest -n 2 -q

fuzz: $(READY) ## 200,000 mutations of real files instead of 20,000
	STOWGATE_FUZZ=200000 $(BIN)/python -m pytest -q -s tests/deident/test_fuzz.py

bench: $(READY) ## speed and memory, as ratios within one run
	$(BIN)/python benchmarks/measure.py

lint: $(READY) ## style, types, import floors, and whether rendered files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/render_docs.py --check

format: $(READY) ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs-tables: $(READY) ## render the reference pages and the schema from the code
	$(BIN)/python tools/render_docs.py

lock: $(READY) ## resolve the dependencies anew; no address goes into the file
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--upgrade --python-version 3.11 pyproject.toml --all-extras --group dev -o requirements.lock

hooks: $(READY) ## run the checks of CONTRIBUTING before each commit
	$(BIN)/pre-commit install

clean: ## remove what make made
	rm -rf $(VENV) build dist demo-out

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt-get install python3-venv)." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
