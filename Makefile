# Every target does its own set-up; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Bytecode makes start-up three times faster; one thread a process wins when both cores are busy.
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS ?= 1
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := False
export HF_HUB_DISABLE_TELEMETRY := 1
DATA ?=
KEEP ?=

.PHONY: help setup system demo test test-all check format lock pipelines clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Virtual environment from the locked requirements

$(VENV)/.ready: requirements.txt pyproject.toml
	@deploy/setup.sh $(PYTHON) $(VENV)

system: ## Debian packages the tests use (skipped where apt cannot install them)
	@deploy/system-packages.sh

demo: setup ## The whole loop on the sample store; KEEP=1 leaves the services up, DATA=folder uses real messages
	$(BIN)/vitrina demo $(if $(DATA),--data $(DATA)) $(if $(KEEP),--keep)

test: setup system ## Unit, component, pipeline and service tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-all: setup system ## All tests, the slow and data-hungry ones too
	$(BIN)/python -m pytest -m "slow or not slow"

check: setup ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pipelines: setup ## Compile the pipelines that are uploaded to Kubeflow
	$(BIN)/vitrina pipeline compile

lock: ## Renew requirements.txt from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --upgrade --no-header --no-annotate --no-emit-index-url \
	  --no-emit-find-links $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} --output-file requirements.txt
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt

clean: ## Remove what runs have produced, and the environment
	rm -rf .vitrina data/sample data/tables data/splits data/fetched $(VENV) .mypy_cache .ruff_cache .pytest_cache
