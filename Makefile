# The commands of the project. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help run demo test test-all pgbouncer fuzz lint format bench screenshots clean

PYTHON_BIN := .venv/bin/python
PACKAGES := crm_project leads operators distribution
RUNTIME := sh crm_project/setup/install.sh requirements.txt
DEVELOPMENT := $(RUNTIME) requirements-dev.txt
PYTEST := $(PYTHON_BIN) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: ## Install, migrate and serve on http://127.0.0.1:8000 (HOST, PORT, DATABASE_URL from the environment)
	@$(RUNTIME)
	@exec $(PYTHON_BIN) manage.py serve

demo: ## Fill demo.db with a week of an invented company, once, and serve it with life in it (another with DATABASE_URL)
	@$(RUNTIME)
	@export DATABASE_URL="$${DATABASE_URL:-sqlite:///demo.db}"; \
	$(PYTHON_BIN) manage.py demo --once && exec $(PYTHON_BIN) manage.py serve --live-demo

test: ## Run the tests on SQLite and on a PostgreSQL of their own (ARGUMENTS="-k name" for some of them)
	@$(DEVELOPMENT)
	@sh crm_project/setup/browser.sh
	@failed=0; \
	for database in sqlite postgresql; do \
		$(PYTEST) --database $$database $(ARGUMENTS) || failed=1; \
	done; \
	exit $$failed

test-all: override ARGUMENTS += --pgbouncer
test-all: pgbouncer test ## Run these tests and those through PgBouncer

pgbouncer:
	@sh crm_project/setup/pgbouncer.sh

fuzz: ## Call the whole API at random on both databases (ARGUMENTS="--seconds 60 --database sqlite" for less)
	@$(DEVELOPMENT)
	@exec $(PYTHON_BIN) -m crm_project.testing.fuzzing $(ARGUMENTS)

lint: ## Check style, types, the floors, templates, migrations and settings
	@$(DEVELOPMENT)
	@sh crm_project/setup/lint.sh

format: ## Write code and templates in the project's style
	@$(DEVELOPMENT)
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .
	@find $(PACKAGES) templates -name '*.html' -exec .venv/bin/djade --target-version 6.1 {} +

bench: ## Measure contacts a second through HTTP on both databases
	@$(DEVELOPMENT)
	@exec $(PYTHON_BIN) -m benchmarks

screenshots: ## Take pictures of the back office into screenshots/ (ARGUMENTS=--documents for those in docs/images too)
	@$(DEVELOPMENT)
	@sh crm_project/setup/browser.sh
	@exec $(PYTHON_BIN) -m crm_project.testing.screenshots $(ARGUMENTS)

clean: ## Remove the virtual environment and the caches; databases stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(PACKAGES) benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
