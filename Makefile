# Each target does its own set-up: Python 3.11+ and make are all it needs.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python

.PHONY: demo serve test check bench faults format
.DELETE_ON_ERROR:

$(VENV)/.installed: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing; install it with: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Installing what the project needs into $(VENV) (about a minute, once)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed
	@$(PY) -m demo

serve: $(VENV)/.installed
	@$(PY) -m demo.serve

test: $(VENV)/.installed
	@$(PY) -m tests.run

check: $(VENV)/.installed
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports --no-cache
	$(PY) -m mypy
	@# The models alone are compared: no database is asked, and none is started for it.
	DATABASE_URL=postgres://nobody@127.0.0.1:9/none $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: $(VENV)/.installed
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(VENV)/.installed
	$(PY) -m benchmarks

faults: $(VENV)/.installed
	@$(PY) -m tests.storm
