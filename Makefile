# Two commands set everything up: `make demo` runs the main job on this machine, `make test` checks the project.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Modules are compiled when they are first imported: compiling all that the libraries bring takes a minute.
INSTALL := $(PIP) install --no-compile --constraint constraints.txt --editable
BUDGET ?= 48
RUN ?= runs/demo
WORKERS ?= 2

.PHONY: demo test lint types tests clean

demo: $(VENV)/.demo
	$(BIN)/tradewind search --space gpt2 --set n_layer=2..8 --set d_model=128..512 --set d_inner=256..2048 \
		--device cpu --objectives decoder_params,latency_ms,peak_memory_mb --budget $(BUDGET) --seed 0 --out $(RUN)
	$(BIN)/tradewind report $(RUN)

test: lint types tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

# Tests that time or fill the machine share one worker (--dist loadgroup), the rest spread over the cores.
tests: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

$(VENV)/.base: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Tradewind needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.base
	$(INSTALL) '.[torch,plot]'
	touch $@

$(VENV)/.dev: $(VENV)/.base
	$(INSTALL) '.[dev]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
