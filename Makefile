# make demo: the main job. make test: everything that is checked. Both set up .venv first.
.PHONY: demo test test-fast drills lint docs coverage setup pacemaker oracle clean
PYTHON ?= python3
BIN := .venv/bin
# One more than cores: jobs on the tests' SLURM mostly wait. What takes longest begins first.
# Each has its threads wait without spinning, and one of BLAS: three that want both cores would stand in each other's way.
WORKERS := tests/cluster tests/workflow tests/contracts tests/unit -n 3 --dist loadgroup --no-loadscope-reorder
TOGETHER := OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1

demo: setup
	$(BIN)/snakemake --profile local --configfile config/demo.yaml

test: setup
	$(TOGETHER) $(BIN)/python -m pytest $(WORKERS)

test-fast: setup
	$(TOGETHER) $(BIN)/python -m pytest $(WORKERS) -m "not slow and not drill"

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

# The real pacemaker, for trainer: {kind: pacemaker}; with CUDA=1 for nodes with an NVIDIA GPU. No commercial use.
pacemaker: .venv-pacemaker/installed$(if $(CUDA),-cuda)

# All of it is pinned: with --no-deps, since tensorpotential asks for CUDA.
.venv-pacemaker/installed: envs/pacemaker.txt
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and 'pacemaker needs Python 3.11 to 3.13, this is ' + sys.version.split()[0] + ': make pacemaker PYTHON=python3.11')"
	$(PYTHON) -c "import platform, sys; sys.exit((platform.system(), platform.machine()) != ('Linux', 'x86_64') and 'PyPI has pacemaker for Linux on x86_64 only, this is ' + platform.platform() + ': see envs/pacemaker.yaml for conda')"
	rm -f $@ $@-cuda
	$(PYTHON) -m venv .venv-pacemaker
	.venv-pacemaker/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/pacemaker.txt
	touch $@

.venv-pacemaker/installed-cuda: .venv-pacemaker/installed envs/pacemaker-cuda.txt
	.venv-pacemaker/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/pacemaker-cuda.txt
	touch $@

# pacemaker's evaluator beside ours, for the tests that compare the two. No commercial use.
oracle: .venv/installed-oracle

.venv/installed-oracle: .venv/installed envs/oracle.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/oracle.txt
	touch $@

clean:
	rm -rf .venv .venv-pacemaker results .snakemake
