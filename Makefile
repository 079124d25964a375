# Everything that a contributor or CI runs. `make help` lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PYTEST  = $(BIN)/python -m pytest
# Processes that share the tests, a file at a time, in the order given: what is long begins first, so that none is left over at the end.
# Each has its own Kafka and Elasticsearch (about 1 GB of memory). WORKERS=0: one after the other in this process, as for a debugger.
WORKERS ?= 2
SHARED  = $(PYTEST) --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --max-worker-restart=2 --durations=15 --durations-min=10
# Tests start Python hundreds of times: each would compile all modules again where the environment forbids to keep what was compiled.
unexport PYTHONDONTWRITEBYTECODE
# Chaos keeps both processors busy: its two long files are far apart, so that they do not run side by side.
LONGEST = tests/chaos/test_faults.py
CHAOS   = $(filter-out $(LONGEST),$(wildcard tests/chaos/test_*.py))

.PHONY: help demo test lint prepared unit system browser chaos grafana cluster bench docs client lock clean

help:  ## list what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed  ## install, then run the demo machine (stop it with Ctrl-C)
	@exec $(BIN)/tocsin demo

test: lint prepared  ## all that CI runs: lint, then all tests in WORKERS=2 processes
	$(SHARED) $(LONGEST) tests/system tests/contract tests/browser $(CHAOS) tests/unit

lint: $(VENV)/.developing  ## ruff, mypy, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

prepared: $(VENV)/.developing  ## what tests fetch or make once for a machine
	$(BIN)/python -m tests.prepare

unit: prepared  ## logic and ports, without network
	$(SHARED) tests/contract tests/unit

system: prepared  ## real IOC, real processes
	$(SHARED) tests/system

browser: $(VENV)/.developing  ## the operator page in headless Chromium
	$(PYTEST) tests/browser

grafana: $(VENV)/.developing  ## dashboards in a real Grafana: TOCSIN_GRAFANA_URL=http://admin:admin@127.0.0.1:3000
	$(PYTEST) -rs tests/acceptance/grafana

cluster: $(VENV)/.developing  ## manifests on a real API server of Kubernetes, which Go builds once: ten minutes
	$(BIN)/python -m tests.acceptance.kubernetes.programs
	$(PYTEST) -rs tests/acceptance/kubernetes

chaos: prepared  ## FAULTS=200 faults under load, from a seed that is printed; ends with a table of gaps
	$(BIN)/python -m tests.chaos --faults $(or $(FAULTS),200)

bench: $(VENV)/.developing  ## a table of figures beside yardsticks of the same run
	$(BIN)/python -m benchmarks

docs: $(VENV)/.developing  ## write the generated pages of docs/reference again
	$(BIN)/python -m tocsin.reference
	$(BIN)/python -m backend.openapi > docs/reference/openapi.json
	$(BIN)/tocsin config schema > docs/reference/tree.schema.json

client: $(VENV)/.developing  ## write the synchronous Python client again, out of the one for asyncio
	$(BIN)/python -m tests.synchronous_client

LOCK = $(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-header --quiet

lock: $(VENV)/.developing  ## write the lock files of the container image anew, with the newest versions
	$(LOCK) pyproject.toml -o requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(LOCK) - -o requirements-build.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -qq --editable .
	@touch $@

$(VENV)/.developing: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -qq --editable '.[dev]'
	@touch $@ $(VENV)/.installed

clean:  ## remove what was installed and cached
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
