# Every target works with `make`, Python 3.11 and nothing else (bench-others alone wants Node, and images Docker);
# `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Debian's own Python where it is whole: built with profile-guided and link-time optimization, which a plain
# `pyenv install` is not, it runs the mesh at two thirds of the CPU.
PYTHON ?= $(shell /usr/bin/python3.11 -c 'import ensurepip, venv; print("/usr/bin/python3.11")' 2>/dev/null || echo python3.11)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
MEMBERS := proto libs/governance-core libs/mesh libs/cli services/ai-gateway services/inference services/compliance-auditor
NAMES := metaqore-proto metaqore-governance-core metaqore-mesh metaqore-cli metaqore-ai-gateway metaqore-inference metaqore-compliance-auditor
UV := $(BIN)/uv
EDITABLES := $(addprefix -e ./,$(MEMBERS))
SOURCES := $(addsuffix /src,$(MEMBERS))

##@ Start here
.PHONY: help run story test
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  \033[36m%-17s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST) \
	  | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi

run: setup ## Start the mesh, send the sample tasks through every door, verify every receipt, stop
	@$(BIN)/python examples/governed_tasks.py

story: setup ## A team and its agents in one project: conflicts, forty files at once, the way back, every receipt verified
	@$(BIN)/python examples/psmp_story.py

test: setup-dev ## All tests but the slow suites (about seven minutes)
	$(PYTEST) -n 2 --dist loadfile -m "not crash and not kafka and not slow" -q

##@ Set up
.PHONY: check setup setup-dev lock clean
check: # what the machine must have, and what to do where it does not
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing. On Debian: apt-get install python3.11 python3.11-venv, or: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11. Use: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing. On Debian: apt-get install python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || { echo "libgomp1 is missing; the model engine needs it. On Debian: apt-get install libgomp1"; exit 1; }

setup: check $(VENV)/.runtime ## Make .venv with what `make run` needs
setup-dev: check $(VENV)/.dev ## Make .venv with what the tests need, too

$(BIN)/uv: requirements/bootstrap.lock
	@echo "Setting up Python in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $(BIN)/uv

$(VENV)/.runtime: $(BIN)/uv requirements/runtime.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "Installing the pinned packages (under a minute the first time) ..."
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLES)
	@$(BIN)/python -m compileall -q $(SOURCES) # services start in a second, even where Python may not write bytecode
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	@echo "Installing the pinned packages for the tests ..."
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@touch $@

lock: $(BIN)/uv ## Pin every dependency by hash into requirements/*.lock
	cd requirements && ../$(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" bootstrap.in -o bootstrap.lock
	cd requirements && ../$(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --python-version 3.11 \
	  bench-litellm.in -o bench-litellm.lock
	$(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --group build \
	  $(addprefix --no-emit-package ,$(NAMES)) pyproject.toml -o requirements/runtime.lock
	$(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" --group build --group dev \
	  -c requirements/runtime.lock $(addprefix --no-emit-package ,$(NAMES)) pyproject.toml -o requirements/dev.lock

clean: ## Remove what was built, the virtual environment included
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .nx node_modules build dist $(LITELLM) $(OTHERS)/portkey/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Check
.PHONY: lint format types proto build images contracts
lint: setup-dev ## ruff, formatting, import rules, unused and missing dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@for member in $(filter-out proto,$(MEMBERS)); do (cd $$member && "$(CURDIR)/$(BIN)/deptry" src) || exit 1; done

format: setup-dev ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup-dev ## mypy, strict
	$(BIN)/mypy $(filter-out proto/src,$(SOURCES))
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks/*.py

proto: setup-dev ## Lint the .proto files and write their Python stubs
	cd proto && ../$(BIN)/buf lint && PYTHON=../$(BIN)/python ./generate.sh

contracts: setup-dev ## Write JSON Schemas and AsyncAPI documents from the contracts
	PYTHON=$(CURDIR)/$(BIN)/python libs/governance-core/generate.sh

build: setup-dev ## Build every member's wheel into dist/
	@for member in $(MEMBERS); do $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist $$member; done; ls dist

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
DOCKER_FLAGS ?=

images: ## Build each service's image, metaqore/<service>:<version> (needs Docker; DOCKER_FLAGS="--build-arg PYTHON_IMAGE=...")
	@for service in $(notdir $(filter services/%,$(MEMBERS))); do \
	  docker build $(DOCKER_FLAGS) -f services/$$service/Dockerfile -t metaqore/$$service:$(VERSION) .; done

##@ Slow suites
.PHONY: test-crash test-kafka test-slow
test-slow: setup-dev ## Stories through whole meshes, every call by strangers, the API called at random (under ten minutes)
	$(PYTEST) -n 2 --dist loadfile -m slow -q

test-crash: setup-dev ## kill -9 every part at random points, 200 rounds and more, and count (under 30 minutes)
	$(PYTEST) tests/crash -m crash -q -s

# Every suite that speaks to a broker: with METAQORE_TEST_KAFKA each of its tests runs on Apache Kafka as well.
KAFKA_TESTS := libs/mesh/tests/kafka libs/mesh/tests/spool services/compliance-auditor/tests services/ai-gateway/tests/doors \
  tests/integration/kafka tests/integration/test_durability.py tests/e2e/test_apache_kafka.py

test-kafka: setup-dev ## Every suite that speaks to a broker, on Apache Kafka too; give METAQORE_TEST_KAFKA=host:port
	@test -n "$${METAQORE_TEST_KAFKA:-}" || { echo "Give the address of an Apache Kafka: make test-kafka METAQORE_TEST_KAFKA=127.0.0.1:9092"; exit 1; }
	$(PYTEST) -n 2 --dist loadfile -m "not crash" -q $(KAFKA_TESTS)

##@ Measure (each prints a table, and as its last line one JSON object)
.PHONY: bench-gateway bench-kafka bench-audit bench-psmp bench-others
bench-gateway: setup-dev ## A governed request against the same request straight to the provider
	$(BIN)/python benchmarks/bench_gateway.py

bench-kafka: setup-dev ## Tasks through Kafka against a bare consume and produce loop
	$(BIN)/python benchmarks/bench_kafka.py

bench-audit: setup-dev ## Records into the spool and the log, and their verification
	$(BIN)/python benchmarks/bench_audit.py

bench-psmp: setup-dev ## Proposals into one project, their conflict check, their cost as it grows, and its past
	$(BIN)/python benchmarks/bench_psmp.py

OTHERS := benchmarks/others
LITELLM := $(OTHERS)/litellm/.venv

$(LITELLM)/.ready: $(BIN)/uv requirements/bench-litellm.lock
	@echo "Installing LiteLLM's proxy, pinned, into $(LITELLM) (740 MB) ..."
	@$(PYTHON) -m venv $(LITELLM)
	@$(UV) pip sync --quiet --compile-bytecode --python $(LITELLM)/bin/python --require-hashes requirements/bench-litellm.lock
	@touch $@

$(OTHERS)/portkey/node_modules/.ready: $(OTHERS)/portkey/package.json $(OTHERS)/portkey/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 and npm are missing; Portkey's gateway runs on them. On Debian: apt-get install nodejs npm"; exit 1; }
	@echo "Installing Portkey's gateway, pinned, into $(@D) ..."
	@cd $(OTHERS)/portkey && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

bench-others: setup-dev $(LITELLM)/.ready $(OTHERS)/portkey/node_modules/.ready ## The gateway beside LiteLLM's proxy and Portkey's gateway (needs Node 20; under ten minutes)
	$(BIN)/python benchmarks/bench_others.py

include kernels/targets.mk
