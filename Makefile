# Needs Python 3.11 or newer and make, nothing else. What is installed goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help serve test lint linters docs pictures bench soak gateway-demo gateway-check clean
.DELETE_ON_ERROR:

help:
	@echo "make serve   install, migrate and serve in the foreground (Ctrl-C stops)"
	@echo "make test    install what the tests need and run them"
	@echo "make lint    style, types, layers, migrations, templates, workflows, dependencies"
	@echo "make docs    build the documentation into site/"
	@echo "make pictures  photograph the admin for the documentation (needs Chromium)"
	@echo "make bench   measure beside the real Gateways (ARGS=\"--rounds 1 --requests 500\": a minute)"
	@echo "make soak    an hour of mixed load (DURATION=180: three minutes)"
	@echo "make gateway-demo   a real Gateway that hosts this server, in the foreground (needs npm)"
	@echo "make gateway-check  the recorded conversations, through a real Gateway's port"
	@echo "make clean   remove .venv and what was built; data/ stays"

# exec: signals reach the server itself, and make ends with its exit status.
serve: $(VENV)/serve.stamp
	@exec $(BIN)/python -m project.serve

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/test.stamp linters

# Apart, for tox, which brings an environment of its own: make linters BIN=...
linters:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run --skip-checks
	$(BIN)/djlint --lint --quiet openclaw_webhooks/templates
	$(BIN)/zizmor --offline --strict-collection --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(BIN)/python -m pip check

docs: $(VENV)/docs.stamp
	$(BIN)/mkdocs build --strict --quiet

# The admin's pages as the browser tests see them; needs Chromium.
pictures: $(VENV)/test.stamp
	OPENCLAW_WEBHOOKS_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/browser -k "complains and 1280 and light"

# Both need a C compiler; bench also npm, for the Gateways, which it installs into ~/.cache (or BENCH_DIR) once.
bench: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks compare $(ARGS)

soak: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks soak --duration $(or $(DURATION),3600) $(ARGS)

# OPENCLAW_VERSION, OPENCLAW_HOME_DIR, DEMO_DIR, OPENCLAW_CONFIG_PATH, GATEWAY_PORT and CHECK_APP: see docs/gateway.md.
gateway-demo: $(VENV)/serve.stamp
	@exec $(BIN)/python -m project.gateway.demo

gateway-check: $(VENV)/serve.stamp
	@exec $(BIN)/python -m project.gateway.check

clean:
	rm -rf $(VENV) site dist build .tox .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/created.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/serve.stamp: requirements.txt $(VENV)/created.stamp
	@echo "Installing into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/test.stamp: requirements-test.txt $(VENV)/serve.stamp
	@echo "Installing what tests and linters need into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements-test.txt
	@touch $@

$(VENV)/docs.stamp: requirements-docs.txt $(VENV)/created.stamp
	@$(PIP_INSTALL) -r requirements-docs.txt
	@touch $@
