# The same targets that CI runs. `make demo` is all that a visitor needs.
PY ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# faiss-cpu and faiss-gpu install the same module: `cpu` or `gpu`, never both.
EXTRAS ?= cpu,text,audio,ui,train,dev
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
SOURCES := mmbert indexer ui training tests benchmarks

.PHONY: help setup demo test test-wheel check bench build lock clean
help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP)  ## make .venv with everything but GPU search and the tools for libraries past one machine
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m pip check
	touch $@

demo: setup  ## build the library that comes with mmbert and open its page
	$(BIN)/mmbert demo

test: setup  ## all tests; no network, no GPU, no data beyond the repository
	$(BIN)/python -m pytest -n 2 -q

test-wheel: build  ## the wheel, made from the sdist, installed in an empty folder
	$(BIN)/python -m pytest -q tests/house/test_wheel.py

check: setup  ## lint, format, types, spelling
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/codespell $(SOURCES) *.md

bench: setup  ## the speed figures of EXPERIMENTS.md; MMBERT_DATA names the shared data
	$(BIN)/python benchmarks/octuple.py
	$(BIN)/python benchmarks/determinism.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/build.py

build: setup  ## sdist, and the wheel from it, into dist/
	rm -rf dist && $(BIN)/python -m build --outdir dist

lock:  ## write constraints.txt from .venv
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' | sed 's/+cpu$$//' > constraints.txt

clean:  ## remove what can be made again
	rm -rf dist build runs .pytest_cache .mypy_cache .ruff_cache
