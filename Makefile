# Everything runs from a private environment; only Python >= 3.11 with venv, git and make are needed.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN = $(VENV)/bin
PREFIX ?= $(HOME)/.local
PEERS ?= huey apscheduler sqlalchemy

.DEFAULT_GOAL := help
.PHONY: help demo install test test-real faults faults-sample bench format lint typecheck security \
  security-bandit security-pip-audit security-gitleaks check pipeline build run \
  clean install-man man

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## a scheduled run from start to end, with the bundled mock client
	@PATH="$(abspath $(BIN)):$$PATH" sh contrib/demo.sh

install: $(VENV)/.installed ## ccs into the private environment, linked into PREFIX/bin
	@mkdir -p "$(PREFIX)/bin"
	@ln -sf "$(abspath $(BIN))/ccs" "$(abspath $(BIN))/claude-code-scheduler" "$(PREFIX)/bin/"
	@echo "installed $(PREFIX)/bin/ccs"

test: $(VENV)/.dev ## the tests, without those that need the real client or break things
	$(BIN)/python -m pytest -n auto --ignore tests/real --ignore tests/faults

test-real: $(VENV)/.dev ## the real client, cron and systemd (each skipped where it is not to be had)
	$(BIN)/python -m pytest -n auto tests/real

FAULTS := $(BIN)/python -m pytest -n 2 --dist loadgroup tests/faults

faults: $(VENV)/.dev ## every fault that the tests know, at every call; takes two hours
	CCS_FAULTS=full $(FAULTS)

faults-sample: $(VENV)/.dev ## some of them, in a few minutes
	$(FAULTS)

bench: ## what ccs costs, in ratios measured side by side (ten minutes; PEERS= without other tools)
	@test -x .bench/bin/python || $(PYTHON) -m venv .bench
	@.bench/bin/python -m pip install -q --upgrade pip
	@.bench/bin/python -m pip install -q --force-reinstall --no-deps . && \
	  .bench/bin/python -m pip install -q . $(PEERS)
	@.bench/bin/python tests/bench

format: $(VENV)/.dev ## rewrite the code in the project's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV)/.dev ## style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

security: security-bandit security-pip-audit security-gitleaks ## the three that follow

security-bandit: $(VENV)/.security ## insecure code
	$(BIN)/bandit -q -r ccs -c pyproject.toml

security-pip-audit: $(VENV)/.security ## known vulnerabilities of what is installed; SKIPPED if nobody could be asked
	@sh contrib/audit.sh packages "$(BIN)"

security-gitleaks: $(VENV)/.security ## secrets, by gitleaks or else detect-secrets and own patterns
	@sh contrib/audit.sh secrets "$(BIN)"

check: lint typecheck test ## what every change has to pass

pipeline: format lint typecheck test security build ## everything

build: $(VENV)/.dev ## wheel and sdist into dist/
	$(BIN)/python -m pip install -q build
	$(BIN)/python -m build -q

run: $(VENV)/.installed ## one tick over your own store
	$(BIN)/ccs tick --verbose

install-man: ## the manual pages into PREFIX/share/man
	@for page in man/*; do \
	  place="$(PREFIX)/share/man/man$${page##*.}"; \
	  mkdir -p "$$place" && cp "$$page" "$$place/" && echo "installed $$place/$${page##*/}" || exit; \
	done

man: $(VENV)/.installed ## write the commands into man/ccs.1 anew, after a change of one
	$(BIN)/python contrib/manual.py

clean: ## what was built
	rm -rf $(VENV) .bench dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python >= 3.11 is needed" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.security: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[security]'
	@touch $@
