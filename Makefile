# Every target does its own set-up: a fresh machine needs Python 3.11-3.13 and make.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,\
	$(shell $(p) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RESULTS := runs/benchmarks
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types benchmark clean
.DELETE_ON_ERROR:

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /: /'

setup: $(STAMP)  ## .venv with everything in it

# --upgrade-deps would need the network even where pip is new enough.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || test -x $(BIN)/python || \
		{ echo "no Python 3.11, 3.12 or 3.13 found; set PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e ".[train,dev]"
	@touch $@

demo: $(STAMP)  ## the tour: train, export, verify, translate
	$(BIN)/nlp-speech demo

# A test keeps about one core busy; each process takes up to 8 GB.
test: $(STAMP)  ## the tests, two at a time; PYTEST_ARGS adds arguments
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: $(STAMP)  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## pyright
	$(BIN)/pyright

format: $(STAMP)  ## let ruff put things right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(STAMP)  ## the measurements; quiet machine, please; BENCHMARK_ARGS=--short
	for script in tests/benchmarks/bench_*.py; do \
		$(BIN)/python $$script --json $(RESULTS)/$$(basename $$script .py).json \
			$(BENCHMARK_ARGS) || exit; done
	@echo "the numbers are in $(RESULTS)"

clean:  ## remove .venv and caches; runs and data stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
