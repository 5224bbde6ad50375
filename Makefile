# make test    sets up .venv and passes the tests
# make demo    sets up .venv, trains the digits on every backend, ends in a table and demo.png
# make lint    style, types, and who may import whom
# make clean   removes .venv and what the others wrote
#
# WORKERS=1    runs the tests in one process; PYTEST="-k name -x" goes to pytest
# PYTHON=... names the interpreter (3.11 or newer) that .venv is made with.

VENV := .venv
BIN := $(VENV)/bin
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$each" -c '$(USABLE)' >/dev/null 2>&1 && { echo "$$each"; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
EDITABLE := $(PIP) --no-build-isolation --editable .

# A stamp is written when a set-up has finished, so that the next run need not look again.
BASE := $(VENV)/.base-is-there
BACKENDS := $(VENV)/.backends-are-there
TEST := $(VENV)/.test-is-there
LINT := $(VENV)/.lint-is-there
PLOT := $(VENV)/.plot-is-there

# Each of them loads every backend's library, some 1 GB.
WORKERS ?= $(shell "$(PYTHON)" -c 'import os; print(min(4, os.cpu_count() or 1))')

.PHONY: test demo lint style types imports clean

test: $(BACKENDS) $(TEST)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(PYTEST)

demo: $(BACKENDS) $(PLOT)
	$(BIN)/multikeras bench --plot demo.png --json demo.json

lint: style types imports

style: $(LINT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BACKENDS) $(TEST) $(LINT)
	$(BIN)/mypy

imports: $(BACKENDS) $(LINT)
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info demo.png demo.json .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# A new top-level package is known to an editable install only after installing again.
$(BASE): pyproject.toml $(wildcard backends/*/__init__.py)
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found. Name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	"$(PYTHON)" -c '$(USABLE)' || { echo "$(PYTHON) is older than Python 3.11, or has no venv module."; exit 1; }
	@echo "Setting up $(VENV) (downloads only the first time)"
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(PIP) 'setuptools>=77' wheel
	$(EDITABLE)
	touch $@

# A backend that cannot be installed on this machine is named, and the others go on without it; the
# stamp is then left out, so that the next run tries again. CuPy is asked for where there is an
# NVIDIA driver, for the CUDA version that the driver names.
$(BACKENDS): $(BASE) constraints.txt
	@failed=; extras="jax torch"; \
	cuda=$$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\).*/\1/p'); \
	if [ "$${cuda:-0}" -ge 13 ]; then extras="$$extras cupy-cuda13x"; \
	elif [ "$${cuda:-0}" -ge 12 ]; then extras="$$extras cupy-cuda12x"; fi; \
	for extra in $$extras; do \
		echo "$(EDITABLE)[$$extra]"; \
		$(EDITABLE)"[$$extra]" || { failed=1; echo "$$extra cannot be installed here: going on without it."; }; \
	done; \
	test -n "$$failed" || touch $@

$(TEST): $(BASE) constraints.txt
	$(EDITABLE)'[test]'
	touch $@

$(LINT): $(BASE) constraints.txt
	$(EDITABLE)'[lint]'
	touch $@

$(PLOT): $(BASE) constraints.txt
	$(EDITABLE)'[plot,data]'
	touch $@
