# make demo: the main job. make test: everything that is checked. Both set up .venv first.
.PHONY: demo test test-fast drills lint docs coverage setup clean
PYTHON ?= python3
BIN := .venv/bin

demo: setup
	$(BIN)/snakemake --profile local --configfile config/demo.yaml

test: setup
	$(BIN)/python -m pytest tests

test-fast: setup
	$(BIN)/python -m pytest tests -m "not slow and not drill" -n 2 --dist loadfile

drills: setup
	$(BIN)/python -m pytest tests/cluster/test_drills.py -m "slow or drill"

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

# What follows from the parts' Settings.
docs: setup
	$(BIN)/python -m oligopoly.config.document
	$(BIN)/python -m oligopoly.config.schema

coverage: .venv/installed-dev
	$(BIN)/python -m pytest tests -m "not slow and not drill" --cov --cov-report=term

setup: .venv/installed

# The stamp is written last, so an interrupted installation is repeated.
.venv/installed: envs/requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'oligopoly needs Python 3.11 or later, this is ' + sys.version.split()[0] + ': make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.venv/installed-dev: .venv/installed envs/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	touch $@

clean:
	rm -rf .venv results .snakemake
