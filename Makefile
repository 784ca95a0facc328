# One command for each thing one does here; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install demo test check format lock schema bench faults attack test-sites clean
PYTHON ?= python3
export PYTHON
# Compiled modules are kept: a test run starts hundreds of Python processes.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
# Tests mostly wait for a cluster, so more of them run at once than there are cores.
WORKERS ?= 4
# A test on a busy machine may meet a moment that its wait did not allow for: it is run once more, and the summary lists
# it as RERUN, which is a bug to mend.
RERUNS ?= 1

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

install: ## make .venv from the lock
	@scripts/install

demo: ## a scientist's day on a real Slurm cluster on this machine, then a gateway to play with
	@$(PYTHON) -m slurm_site check
	@scripts/install
	@$(BIN)/python -m demo

check: install ## lint, format, types, import contracts, migrations, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .venv/lint-imports.txt 2>&1 || { cat .venv/lint-imports.txt; exit 1; }
	@$(BIN)/gql-gateway schema | diff -u schema.graphql - || { echo 'schema.graphql is behind: run `make schema`'; exit 1; }
	@$(BIN)/python scripts/supply_chain.py
	@echo 'check: lint, format, types, import contracts and schema are good'

test: ## everything: what `make check` does, and all tests on a real Slurm site
	@$(PYTHON) -m slurm_site check
	@scripts/install
	@scripts/system-packages
	@$(PYTHON) -m slurm_site build
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest -q -rR -n $(WORKERS) --dist loadfile --reruns $(RERUNS) $(PYTEST)

faults: install ## the long fault bench: kill the gateway 100 times with 10 jobs each, then every slow fault (ROUNDS=100)
	@$(PYTHON) -m slurm_site build
	@$(BIN)/python -m tests.faults --rounds $(or $(ROUNDS),100)
	@$(BIN)/pytest -q tests/faults --long

attack: install ## every attack in its long form: prints tried and escaped (SECONDS_EACH=60)
	@$(PYTHON) -m slurm_site build
	@$(BIN)/python -m tests.attack --seconds $(or $(SECONDS_EACH),60)

test-sites: install ## the end-to-end tests on other kinds of sites: Slurm 22.05 and 26.05, no slurmdbd, few sessions, …
	@$(BIN)/python -m tests.sites

bench: install ## every comparison in benchmarks/, printed as ratios of one run
	@$(PYTHON) -m slurm_site build
	@for script in launch push transfer graphql fanout; do $(BIN)/python -m benchmarks.$$script || exit 1; done

format: install ## put the code into the house's form
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

lock: install ## raise requirements.lock to what is a week old and allowed by pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra server --group dev --python-version 3.11 --generate-hashes --upgrade \
		--no-annotate --no-header --no-emit-index-url --output-file requirements.lock --quiet

schema: install ## write schema.graphql and docs/api.md
	@$(BIN)/gql-gateway schema > schema.graphql.new && mv schema.graphql.new schema.graphql
	@$(BIN)/python scripts/api_page.py

clean: ## remove what `make` made in this checkout
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist build
