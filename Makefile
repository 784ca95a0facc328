# One command for each thing one does here; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install demo test check format lock schema docs bench faults attack test-sites clean
PYTHON ?= python3
export PYTHON
# Compiled modules are kept: a test run starts hundreds of Python processes.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin

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
	@echo 'check: lint, format, types, import contracts and schema are good'

test: ## everything: what `make check` does, and all tests on a real Slurm site
	@$(PYTHON) -m slurm_site check
	@scripts/install
	@scripts/system-packages
	@$(PYTHON) -m slurm_site build
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest $(PYTEST)

format: install ## put the code into the house's form
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

lock: install ## raise requirements.lock to what is a week old and allowed by pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra server --group dev --python-version 3.11 --generate-hashes --upgrade \
		--no-annotate --no-header --no-emit-index-url --output-file requirements.lock --quiet

schema: install ## write schema.graphql
	@$(BIN)/gql-gateway schema > schema.graphql.new && mv schema.graphql.new schema.graphql

clean: ## remove what `make` made in this checkout
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist build
