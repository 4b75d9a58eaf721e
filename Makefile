# make run    start the node on 127.0.0.1:8545 (ARGS="--port 8546" adds flags)
# make tools  install the tools of the quick starts and the client tests (npm's, Vyper, Zig)
# make test   run every test          (ARGS="tests/node -k port" narrows, PYTEST_FLAGS= runs one after another)
# make unit   run the tests that need nothing but Python and are quick         (ARGS="tests/storage" narrows)
# make check  lint and unit: before every commit
# make coverage  run unit and lengthy tests, and fail where less of the code is covered than pyproject.toml says
# make lint   style, types, import rules, sizes, generated documents
# make conformance  run the official fixtures, chain and recorded answers (needs CONFORMANCE_DIR)
# make crash, power-loss, history, replication, consensus, differential, engines, codecs, core-fuzz, wasm-fuzz, wasm-hosts, wasm-replay, wasm-compile, twins, audit, fork-lies, fork-kills, fork-starts, fork-hung, explorer-pages, plugins, foreign, memory, malformed-bodies, malformed-frames, quic-abuse, quic-memory, walk-gas, answers
#             look for faults: verification/README.md says how (ARGS="--seconds 600")
# make consensus-network  run a private proof-of-stake network (ARGS="--nodes 4"): docs/consensus.md
# make bench  measure against Anvil and Hardhat
# make guide  measure the guide's table of performance
# make docs   rewrite the generated documents
# make package  build the sdist and the wheel into dist/
# make wheels   build the wheels with the core for Linux (glibc, musl) and macOS on x86-64 and ARM into dist/
# make lock   rewrite the lock files
# First use makes .venv with Python 3.11, 3.12 or 3.13 (PYTHON=... chooses) and installs the locked packages.

VENV ?= .venv
PYTHON ?=
ARGS ?=
PYTEST_FLAGS ?= -n auto --dist loadfile --no-loadscope-reorder -p testing.processor_time
BIN := $(VENV)/bin
UNIT_NAMES = replication/test_following test_audit_command test_contract_commands test_contract_refusals test_embedded test_private_files test_pytest_reports test_undecodable_head
UNIT_FILES = $(patsubst %,tests/node/%.py,$(UNIT_NAMES))
UNIT_PATHS = $(if $(findstring tests/,$(ARGS)),,tests/core tests/storage tests/chain tests/contracts tests/analysis tests/covenant tests/rpc tests/test_*.py $(UNIT_FILES))
UNIT = $(BIN)/python -m pytest $(PYTEST_FLAGS) $(UNIT_PATHS)
OTHER_LINTS := lint-documents lint-cycles lint-prose lint-sizes lint-style lint-layers
LINT = $(MAKE) --no-print-directory --keep-going --jobs=$$(nproc) --output-sync=target
CONSENSUS_TEST = tests/verification/consensus/test_consensus.py
MEASURED = -m "unit or lengthy" -p testing.measuring
export VENV PYTHON
# keep bytecode, also where the caller says no: each process of lints and tests would compile these packages
test every-test unit coverage check lint lint-others: export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help install install-dev run tools test every-test unit coverage check lint format bench guide docs lock package wheels clean
.PHONY: lint-types lint-others $(OTHER_LINTS)
.PHONY: consensus-network
.PHONY: conformance answers crash power-loss history replication consensus differential engines codecs core-fuzz wasm-fuzz wasm-hosts wasm-replay wasm-compile twins audit fork-lies fork-kills fork-starts fork-hung explorer-pages plugins foreign memory malformed-bodies malformed-frames quic-abuse quic-memory walk-gas

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

install:
	@scripts/venv.sh run

install-dev:
	@scripts/venv.sh dev

run: install
	@exec $(BIN)/zevm run $(ARGS)

tools: install-dev
	@scripts/install_client_tools.sh > /dev/null

test: install-dev
	@if [ -x scripts/install_client_tools.sh ]; then scripts/install_client_tools.sh --foreign; fi
	@scripts/install_spec_tests.sh || echo "spec tests: none, so that these tests are skipped"
	@if [ -n "$(ARGS)" ]; then $(BIN)/python -m pytest $(PYTEST_FLAGS) $(ARGS); else $(MAKE) --no-print-directory every-test; fi

# the test of a consensus client waits for npm and for slots, so it is no worker's; probes of coverage make a test's code
# slower by half, so those that are not measured run by themselves; what failed is run again alone
every-test:
	@rm -f .pytest_cache/v/cache/lastfailed; log=$$(mktemp); \
	{ scripts/install_consensus_client.sh; exec $(BIN)/python -m pytest -p no:cacheprovider $(CONSENSUS_TEST); } > $$log 2>&1 & background=$$!; \
	trap 'kill $$background 2> /dev/null; rm -f $$log' EXIT; trap 'exit 130' INT TERM; \
	$(UNIT) $(MEASURED); measured=$$?; \
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "not unit and not lengthy" --ignore=$(CONSENSUS_TEST); others=$$?; \
	wait $$background; consensus=$$?; cat $$log; \
	$(BIN)/python -m testing.second_look $$measured $$others && [ $$consensus = 0 ]

unit: install-dev
	@$(UNIT) -m unit $(ARGS)

coverage: install-dev
	@$(UNIT) $(MEASURED) $(ARGS)

# lints have the time in which tests wait for something, and are shown last; `make lint` tells sooner
check: install-dev
	@log=$$(mktemp); nice $(LINT) lint-types $(OTHER_LINTS) > $$log 2>&1 & background=$$!; \
	trap 'kill $$background 2> /dev/null; rm -f $$log' EXIT; trap 'exit 130' INT TERM; \
	$(UNIT) -m unit $(ARGS); tests=$$?; \
	wait $$background; lints=$$?; cat $$log; [ "$$tests$$lints" = 00 ]

lint: install-dev
	@$(LINT) lint-types $(OTHER_LINTS)

lint-others: install-dev
	@$(LINT) $(OTHER_LINTS)

# longest first
lint-types:
	@$(BIN)/mypy

lint-documents:
	@$(BIN)/python scripts/make_docs.py --check

lint-cycles:
	@$(BIN)/python scripts/check_imports.py

lint-prose:
	@$(BIN)/python scripts/check_prose.py
	@$(BIN)/python scripts/check_guide_map.py

lint-sizes:
	@$(BIN)/python scripts/check_sizes.py
	@$(BIN)/python scripts/check_tests.py

lint-style:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

lint-layers:
	@$(BIN)/lint-imports

format: install-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

conformance: install-dev
	@$(BIN)/python -m verification.conformance.run $(ARGS)

answers: install-dev
	@$(BIN)/python -m verification.conformance.recorded_answers $(ARGS)

replication: install-dev
	@$(BIN)/python -m verification.replication.run $(ARGS)

crash: install-dev
	@$(BIN)/python -m verification.crash.run $(ARGS)

power-loss: install-dev
	@$(BIN)/python -m verification.crash.power $(ARGS)

history: install-dev
	@$(BIN)/python -m verification.history.run $(ARGS)

consensus-network: install
	@exec $(BIN)/python -m deploy.consensus.run $(ARGS)

consensus: install-dev
	@$(BIN)/python -m verification.consensus.run $(ARGS)

differential: install-dev
	@verification/differential/install.sh
	@$(BIN)/python -m verification.differential.run $(ARGS)

engines: install-dev
	@$(BIN)/python -m verification.differential.engines $(ARGS)

codecs: install-dev
	@verification/differential/install.sh
	@$(BIN)/python -m verification.differential.codecs $(ARGS)

core-fuzz: install-dev
	@$(BIN)/python -m verification.core.run $(ARGS)

wasm-fuzz: install-dev
	@$(BIN)/python -m verification.wasm.fuzz $(ARGS)

wasm-hosts: install-dev
	@$(BIN)/python -m verification.wasm.hosts $(ARGS)

wasm-replay: install-dev
	@$(BIN)/python -m verification.wasm.replay $(ARGS)

wasm-compile: install-dev
	@$(BIN)/python -m verification.wasm.compile $(ARGS)

twins: install-dev
	@$(BIN)/python -m verification.twins.run $(ARGS)

fork-lies: install-dev
	@$(BIN)/python -m verification.forks.lies $(ARGS)

fork-kills: install-dev
	@$(BIN)/python -m verification.forks.kills $(ARGS)

fork-starts: install-dev
	@$(BIN)/python -m verification.forks.starts $(ARGS)

fork-hung: install-dev
	@$(BIN)/python -m verification.forks.hung $(ARGS)

explorer-pages: install-dev
	@$(BIN)/python -m verification.explorer.pages $(ARGS)

audit: install-dev
	@$(BIN)/python -m verification.audit.run $(ARGS)

plugins: install-dev
	@$(BIN)/python -m verification.plugins.run $(ARGS)

foreign: install-dev
	@$(BIN)/python -m verification.foreign.run $(ARGS)

memory: install-dev
	@$(BIN)/python -m verification.abuse.memory $(ARGS)

malformed-bodies: install-dev
	@$(BIN)/python -m verification.abuse.malformed_bodies $(ARGS)

malformed-frames: install-dev
	@$(BIN)/python -m verification.abuse.malformed_frames $(ARGS)

quic-abuse: install-dev
	@$(BIN)/python -m verification.abuse.quic $(ARGS)

quic-memory: install-dev
	@$(BIN)/python -m verification.abuse.quic_memory $(ARGS)

walk-gas: install-dev
	@$(BIN)/python -m verification.abuse.walk_gas $(ARGS)

bench: install-dev
	@if [ -x scripts/install_client_tools.sh ]; then scripts/install_client_tools.sh; fi
	@$(BIN)/python -m bench.run $(ARGS)

guide: install-dev
	@if [ -x scripts/install_client_tools.sh ]; then scripts/install_client_tools.sh; fi
	@$(BIN)/python -m bench.guide $(ARGS)

docs: install-dev
	@$(BIN)/python scripts/make_docs.py

lock: install-dev
	@scripts/lock.sh $(BIN)/python

package: install-dev
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist $(ARGS)

wheels: install-dev
	@scripts/wheels.sh $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
