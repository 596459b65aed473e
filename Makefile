# Needs git, make and Python 3.11 or later; every target sets up what it uses, once.
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1
# Hundreds of interpreters start, and each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# Looked for only when a virtual environment is made.
PYTHON ?= $(shell .ci/find-python)
WORKERS ?= logical
PYTEST_ARGS ?=
BENCH_ARGS ?=
TORTURE_ARGS ?=

venv := .venv
wheel_venv := .venv-wheel
lowest_venv := .venv-lowest
pip := bin/python -m pip -qq
tree := pyproject.toml README.md LICENSE api cli compensations domain execution projections storage

.PHONY: help setup demo test lowest lint types layers docs serve check bench torture coverage wheel clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

demo: $(venv)/.storno ## A month of payments: run, killed, resumed, balanced
	@$(venv)/bin/storno demo

test: $(venv)/.test ## Run the test suite (PYTEST_ARGS="tests/storage -k append")
	@$(venv)/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 $(PYTEST_ARGS)

lowest: $(venv)/.lowest ## Run the tests with the oldest versions that pyproject.toml allows
	@$(venv)/bin/uv venv --quiet --clear --seed --python $(venv)/bin/python $(lowest_venv)
	@$(venv)/bin/uv pip install --quiet --python $(lowest_venv)/bin/python \
	    --resolution lowest-direct --editable '.[all]' --group test
	@$(lowest_venv)/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 $(PYTEST_ARGS)

lint: $(venv)/.lint ## Check style and format
	@.ci/lint

types: wheel ## Check types against the installed wheel
	@.ci/types

layers: wheel ## Check that imports point one way
	@.ci/layers

docs: $(venv)/.docs ## Build the documentation into site/
	@.ci/docs
	@$(venv)/bin/mkdocs build --strict

serve: $(venv)/.docs ## Serve the documentation while writing it
	@$(venv)/bin/mkdocs serve

check: ## Everything that CI checks
	@.ci/run

bench: $(venv)/.test $(venv)/.bench ## Measure speed (BENCH_ARGS)
	@$(venv)/bin/python -m bench $(BENCH_ARGS)

torture: $(venv)/.test ## Kill runs at random moments and check what is left (TORTURE_ARGS)
	@$(venv)/bin/python -m tests.torture $(TORTURE_ARGS)

coverage: $(venv)/.test $(venv)/.coverage ## Run the tests and report the lines and branches not taken
	@$(venv)/bin/coverage erase
	-@$(venv)/bin/coverage run -m pytest -n $(WORKERS) --maxprocesses 4 $(PYTEST_ARGS)
	@$(venv)/bin/coverage combine --quiet
	@$(venv)/bin/coverage report

setup: $(venv)/.setup $(wheel_venv)/.types ## Install all that the checks need

clean: ## Remove everything that make made
	rm -rf $(venv) $(wheel_venv) $(lowest_venv) build dist site *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

# The files below are stamps: one for each thing installed, made anew when pyproject.toml changes.

$(venv)/.pip $(wheel_venv)/.pip: .ci/find-python
	@python="$(PYTHON)" && test -n "$$python" \
	    && echo "Setting up $(@D) with $$python (only the first time)" \
	    && "$$python" -m venv --clear $(@D)
	@$(@D)/$(pip) install --upgrade 'pip>=25.1'
	@touch $@

$(venv)/.storno: $(venv)/.pip pyproject.toml
	@echo "Installing storno into $(@D)"
	@$(@D)/$(pip) install --editable .
	@touch $@

$(venv)/.test: $(venv)/.storno
	@echo "Installing what the tests need into $(@D)"
	@$(@D)/$(pip) install --editable '.[all]' --group test
	@touch $@

# What the checks need of it, at once: each pip looks for everything again.
$(venv)/.setup: $(venv)/.pip pyproject.toml
	@echo "Installing what the checks need into $(@D)"
	@$(@D)/$(pip) install --editable '.[all]' --group test --group lint --group docs
	@touch $(addprefix $(@D)/,.storno .test .lint .docs) $@

# lint, docs, bench, coverage, lowest: the dependency group of that name
$(venv)/.%: $(venv)/.storno
	@echo "Installing the $* group into $(@D)"
	@$(@D)/$(pip) install --group $*
	@touch $@

# From a copy: two that build in one folder, as both virtual environments are filled at once, would
# overwrite what the other has to read.
$(wheel_venv)/.types: $(wheel_venv)/.pip pyproject.toml
	@echo "Installing what the type and layer checks need into $(@D)"
	@rm -rf $(@D)/tree && mkdir $(@D)/tree && cp -r $(tree) $(@D)/tree
	@$(@D)/$(pip) install --no-compile './$(@D)/tree[all]' --group types # most of it is only read
	@touch $@

# Always: a wheel is quick to build, and a stale one would be checked in place of the tree.
wheel: $(wheel_venv)/.types
	@rm -rf build
	@$(wheel_venv)/$(pip) wheel --no-deps --no-build-isolation --wheel-dir build/wheel .
	@$(wheel_venv)/$(pip) install --no-deps --force-reinstall build/wheel/storno-*.whl
