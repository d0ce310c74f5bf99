# Each target sets up what it needs by itself: a Python >= 3.11 and the package index are all that a machine needs.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without their bytecode hundreds of processes would each compile the collection anew.
unexport PYTHONDONTWRITEBYTECODE

# Arguments for pytest: make test TESTS=tests/unit PYTEST_ARGS="-k age -x"
TESTS :=
PYTEST_ARGS :=
# One worker more than two cores, as some tests wait. Who has nothing left takes over from the others: by default one worker
# is given the first eighth for good, in which are the tests that take long.
SPREAD := -n 3 --dist worksteal
# Part of the reference database that make bench works on: 1 is 1.4 GB.
SCALE := 1

# The longest first, so that none of them is left to run alone.
LINTERS := lint-sanity lint-ansible lint-docs lint-mypy lint-galaxy lint-changelog lint-yaml lint-ruff
# What runs beside the linters: make lint ALSO="lint-next demo"
ALSO :=

.PHONY: help setup tools lint $(LINTERS) lint-next test test-long test-next test-image demo bench docs build clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-10s %s\n", $$1, $$2 }'

setup: .venv/.stamp ## make .venv, in which everything finds the collection as mobul.backup

.venv/.stamp: requirements.txt requirements-test.txt requirements-dev.txt requirements-collections.txt tools/setup.sh
	@tools/setup.sh .venv 3.11 -r requirements-dev.txt
	@touch $@

tools: .cache/tools/.stamp ## unpack age, restic, Ceph and others from Debian's packages, where that can be done

.cache/tools/.stamp: tools/debian.sh
	@tools/debian.sh
	@touch $@

# Each of them wants an environment; those that want different ones need not wait for each other.
lint: ## check style, types, documentation and Ansible's rules
	@$(MAKE) -j2 -k --output-sync=target $(ALSO) $(LINTERS)

lint-ruff: setup
	ruff check .
	ruff format --check .

lint-mypy: setup
	mypy plugins/module_utils/_core plugins/module_utils/_ansible

lint-yaml: setup
	yamllint --strict .

lint-ansible: setup
	ansible-lint --offline --nocolor

lint-sanity: setup
	python tools/sanity.py --color no

lint-docs: setup
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --disallow-unknown-collection-refs .

# ansible-lint has been run by a target of its own, with the strictest profile.
lint-galaxy: setup
	$(BIN)/python tools/role_readmes.py --check
	rm -rf .cache/galaxy
	$(BIN)/python tools/build.py .cache/galaxy >.cache/galaxy.log
	cd .cache/galaxy && GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false python -m galaxy_importer.main *.tar.gz

lint-changelog: setup
	antsibull-changelog lint

lint-next: .cache/venv-next/.stamp ## run ansible-test's sanity tests of ansible-core 2.21
	.cache/venv-next/bin/python tools/sanity.py --color no

test: setup tools ## run all tests (TESTS=path PYTEST_ARGS="...")
	pytest $(SPREAD) $(PYTEST_ARGS) $(TESTS)

test-long: ## run all tests, with ten times the examples and all steps of the walks of which other runs take some
	$(MAKE) test PYTEST_ARGS="--hypothesis-profile=long $(PYTEST_ARGS)"

test-next: .cache/venv-next/.stamp tools ## run what meets Ansible on ansible-core 2.21, if a Python >= 3.12 is found
	PATH="$(CURDIR)/.cache/venv-next/bin:$$PATH" \
		.cache/venv-next/bin/pytest $(SPREAD) -m next --hypothesis-profile=quick $(PYTEST_ARGS) $(TESTS)

test-image: ## do the image's steps in a bare root of Debian, and a weekly backup there (as root; some minutes, 1 GB)
	tools/bare_environment.sh .cache/bare

.cache/venv-next/.stamp: requirements.txt requirements-test.txt requirements-collections.txt tools/setup.sh
	@tools/setup.sh .cache/venv-next 3.12 -r requirements-test.txt 'ansible-core~=2.21.0'
	@touch $@

demo: setup tools ## back up a real database into three locations, and say how to restore it
	$(BIN)/python tools/demo.py

bench: setup tools ## measure against pg_dump alone, shell commands and other software (SCALE=0.1)
	$(BIN)/python tools/bench.py --scale $(SCALE)
	$(BIN)/python tools/bench_catalogue.py
	$(BIN)/python tools/bench_progress.py

docs: setup ## build the collection's reference as HTML in .cache/docs/html
	@$(BIN)/python tools/docs.py

build: setup ## build the archive that ansible-galaxy installs
	$(BIN)/python tools/build.py .

clean: ## remove the demo's work, caches and environments
	rm -rf .venv .cache .demo .bench .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache mobul-backup-*.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
