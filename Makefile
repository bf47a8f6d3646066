# Everything a developer types. `make help` lists it.

ifndef PYTHON # the first that runs and is new enough
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
endif
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
MIRRORS := $(shell sed -n 's|.*include_str!("../../../\(.*\)").*|\1|p' crates/native/src/mirrors.rs)
RUST   := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock $(MIRRORS)

.DEFAULT_GOAL := help
.PHONY: help toolchain setup demo test test-fast test-python check check-style check-types check-rust bench adaptation layers data-channels compare-janus ruler fuzz nat-kinds nat-study rfc8867 performance-chart wheel clips lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

toolchain: # what must be there before anything can be built
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: install python3 (on Debian: apt-get install python3 python3-venv)"; exit 1; }
	@"$(PYTHON)" build_backend/sfukit_build.py check

setup: $(VENV)/.native ## build everything into .venv; the command is then .venv/bin/sfukit

$(VENV)/.packages: requirements.lock | toolchain
	@"$(PYTHON)" -m venv $(VENV) || { echo "python venv is missing (on Debian: apt-get install python3-venv)"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.native: $(VENV)/.packages pyproject.toml build_backend/sfukit_build.py $(RUST) | toolchain
	@echo "building the extension (the first time takes a few minutes)"
	$(BIN)/python build_backend/sfukit_build.py cargo-config
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup ## a swarm meets in rooms on a private server; ends with a verdict
	$(BIN)/sfukit loadtest --clients 20 --duration 10s

# Most tests wait for timeouts of probes; those marked realtime need the machine for themselves.
PARALLEL := --numprocesses 3 --dist worksteal

test: setup ## Rust and Python tests; what needs an absent program is skipped and said
	cargo test --workspace --locked --quiet
	$(BIN)/pytest $(PARALLEL) -m "not realtime"
	$(BIN)/pytest -m realtime

test-fast: setup ## unit tests of both languages and those of the command line: a minute
	cargo test --workspace --lib --locked --quiet
	$(BIN)/pytest $(PARALLEL) tests/unit tests/cli -m "not computes"

# The extension is an abi3 module: that of the first interpreter serves every other.
ON    ?= python3.13
OTHER := .venv-$(notdir $(ON))
test-python: $(OTHER)/.packages setup ## quick Python tests on another interpreter: ON=python3.13
	$(OTHER)/bin/python build_backend/sfukit_build.py link $(VENV)
	$(OTHER)/bin/python -m pytest $(PARALLEL) tests/unit tests/cli tests/property -m "not computes"

$(OTHER)/.packages: requirements.lock
	"$(ON)" -m venv $(OTHER)
	$(OTHER)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

check: check-style check-types check-rust ## lints, types, import rules, licences: what CI runs
check-style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/words.py
check-types: setup
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sfukit._native
check-rust: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo deny --locked check licenses bans sources

bench: setup ## the table of figures, kept as JSON under bench/; ROWS="broadcast cycles" for some
	$(BIN)/python -m tools.bench $(ROWS) $(ARGS)

layers: setup ## VP9 and AV1 with SVC from Chromium to a viewer on a narrow link, 3 minutes; docs/layers.md has the tables
	$(BIN)/python -m tests.interop.layer_link

RECEIVERS ?= 100
data-channels: setup ## messages and bulk data between participants of Chromium, 1 minute; RECEIVERS=100
	$(BIN)/python -m tests.interop.measure_data_channels $(RECEIVERS)

BWE ?= gcc
adaptation: setup ## cases of narrow and lossy links, 20 minutes an estimator, into docs/adaptation.md; CASE="1m 5.1", BWE="gcc none"
	$(BIN)/python -m tools.bench adaptation $(CASE:%=--case %) $(BWE:%=--bwe %) || test $$? = 3
	$(BIN)/python -m tools.adaptation_document $$(ls -t bench/*.json | head -1)

RULER ?= --document
ruler: setup ## inject loss, delay, jitter and a narrow link, compare with what is reported; writes docs/ruler.md
	$(BIN)/python -m tools.ruler $(RULER)

compare-janus: setup ## one load against Debian's janus and against sfukit, in turn; ARGS="--variants --rounds 5"
	$(BIN)/python -m tools.compare_janus $(ARGS)

FUZZ_SECONDS ?= 30
fuzz: setup ## each fuzz target for FUZZ_SECONDS (30); needs a nightly compiler
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz

RUNS ?= 20
nat-kinds: setup ## probe every kind of NAT in namespaces, RUNS (20) each, without and with loss; needs root
	$(BIN)/python tools/nat_kinds.py --runs $(RUNS)

CASES ?= 5.1 5.2 5.3 5.4 5.5 5.6 5.7 5.8
rfc8867: setup ## every test case of RFC 8867 at full length, 22 minutes; CASES="5.1 5.6" for some
	mkdir -p bench/rfc8867
	for case in $(CASES); do $(BIN)/sfukit loadtest --rfc8867 $$case --json bench/rfc8867/$$case.json \
	  --html bench/rfc8867/$$case.html | tee bench/rfc8867/$$case.txt || exit 1; done

wheel: setup ## an abi3 wheel in dist/
	$(BIN)/maturin build --release --locked --out dist

clips: setup ## draw and encode the shipped test media anew
	$(BIN)/python -m sfukit.media

nat-study: setup ## measure the tables and the picture of docs/nat-study.md anew
	$(BIN)/python tools/nat_study.py

performance-chart: setup ## draw docs/images/performance.svg from the newest table of `make bench`
	$(BIN)/python -m tools.performance_chart

lock: $(VENV)/.packages ## resolve the Python packages anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --extra media --extra livekit --extra dask --group dev pyproject.toml --output-file requirements.lock

clean: ## remove what the build made
	rm -rf $(VENV) .venv-* target dist .cargo .mypy_cache .ruff_cache .pytest_cache .hypothesis sfukit/_native*.so
