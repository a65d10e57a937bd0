# Everything a user or CI needs; each target sets up what it needs by itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run up test soak lint types imports check screenshot lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(STAMP) ## the virtual environment in .venv, from the lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=<a newer one>" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (the first time takes a few minutes and some 2 GB) ..."
	@set -e; \
	uv="$$(command -v uv || true)"; \
	if [ -z "$$uv" ]; then \
	  uv=.uv/bin/uv; \
	  test -x "$$uv" || $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv 2>/dev/null \
	    || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv; } \
	    || { echo "neither uv nor pip nor venv works with $(PYTHON): install one of them (Debian: apt install python3-venv)"; exit 1; }; \
	fi; \
	"$$uv" venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
	"$$uv" pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock; \
	"$$uv" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup ## the whole pipeline once, then a summary
	@$(BIN)/funding-pipeline run

up: setup ## trade on paper: testnet, guard, web UI and daemon on 127.0.0.1; SPEED=60 plays an hour in a minute
	@$(BIN)/funding-pipeline up $(if $(SPEED),--speed $(SPEED))

test: setup ## every test
	@$(BIN)/python -m pytest

soak: setup ## fourteen market days at speed with faults: memory, handles and sizes; DAYS=1 for one
	@$(BIN)/funding-pipeline soak --days $(or $(DAYS),14)

lint: setup ## style of the code
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## static types
	@$(BIN)/mypy

imports: setup ## the rule that imports point one way
	@$(BIN)/lint-imports

check: lint types imports ## lint, types, import rules and the Dagster definitions
	@$(BIN)/funding-pipeline validate

screenshot: setup ## the web UI's pictures in docs/, from a headless Chromium
	@$(BIN)/python docs/screenshot.py

lock: setup ## compile requirements.lock anew from pyproject.toml
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -q -o requirements.lock

clean: ## remove the environment and all state (tables, models, runs)
	rm -rf $(VENV) .uv .funding build *.egg-info
