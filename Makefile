# make lessons | make test | make check | make lab
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TESTED := $(VENV)/installed-test
COMPARED := $(VENV)/installed-compare

.PHONY: lessons test check lab render clean

lessons: $(INSTALLED)
	$(BIN)/plremix lessons

test: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

check: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m "not slow and not long"

lab: $(INSTALLED)
	$(BIN)/plremix lab

render: $(COMPARED)
	$(BIN)/plremix lessons --render

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar off -e .
	touch $@

$(TESTED): $(INSTALLED)
	$(BIN)/python -m pip install --progress-bar off -e ".[test]"
	touch $@

$(COMPARED): $(INSTALLED)
	$(BIN)/python -m pip install --progress-bar off -e ".[compare]"
	touch $@

clean:
	rm -rf $(VENV) runs
