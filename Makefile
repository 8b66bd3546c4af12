# make lessons | make test | make check | make nightly | make selftest | make gpu-check | make lab
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TESTED := $(VENV)/installed-test
COMPARED := $(VENV)/installed-compare
DATA ?= data/cache
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
RECORD ?= runs/selftest.json

.PHONY: lessons test check nightly claims selftest gpu-check lab render clean bench

lessons: $(INSTALLED)
	$(BIN)/plremix lessons

# tiers: check (fast tests, without the attempts to damage a training), test (all but the long ones), nightly
test: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PYTEST)

check: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PYTEST) -m "not slow and not long" --ignore tests/reliability --dist worksteal

# everything: also all notebooks, alone and in a browser, sweeps with killed kernels, all kills, every control of every claim
nightly: $(TESTED)
	$(PYTEST) -m "long or not long"
	$(BIN)/python tests/control_runs.py

# data/claims.csv: equation, function, tests, notebook, claim, controls
claims: $(TESTED)
	$(BIN)/python tests/claims_table.py

# all attempts to lose or damage a training; RECORD=data/results/reliability.json keeps the table in the repository
selftest: $(TESTED)
	$(BIN)/python -m pytest tests/reliability -m "long or not long" --record $(RECORD)

# how fast this machine trains, beside a plain trainer; OPTIONS="--help" lists what can be chosen
bench: $(TESTED)
	PYTHONPATH=tests $(BIN)/python -m bench $(OPTIONS)

# at most nine minutes on a GPU, without a network: installs nothing, PYTHON must have what pyproject.toml names.
# DATA is a folder with cifar10.npz or with unpack.py and its packed sheets; writes to $$OUT or data/results/gpu
gpu-check:
	PYTHONPATH=tests $(PYTHON) -m bench.gpu_check --data $(DATA) $(OPTIONS)

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
