# The verbs of the house. Each does its own set-up; stamps under .build/ make the second run quick.
# Needs Python 3.11 or newer, a Rust toolchain and, for `make test`, Node with npm; for `make test-clients` Go, a JDK and
# Maven as well.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
ROOT := $(CURDIR)
VENV := $(ROOT)/.venv
BIN := $(VENV)/bin
STAMPS := .build
DATA ?= tocsin-data
IMAGE ?= tocsin
PYTEST_ARGS ?=
BENCH_ARGS ?=
VERIFY_ARGS ?=
CLIENTS := $(STAMPS)/clients
LOAD := --manifest-path bench/load/Cargo.toml --target-dir target/bench
CENTRIFUGO := github.com/centrifugal/centrifugo/v6@v6.9.1
ORACLE_ARGS ?=
NEMESIS_ARGS ?=

RUST := $(shell find core -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
PACKAGE := pyproject.toml README.md $(RUST) $(shell find -L python api -name '*.py' -o -name '*.pyi')
export VIRTUAL_ENV := $(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1

.PHONY: help serve test test-rust test-python test-clients verify verify-streams oracle nemesis check bench wheel image clean

help: ## List the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

serve: $(STAMPS)/core ## Build, then run one node with a small demo world (data in ./tocsin-data)
	exec $(BIN)/tocsin serve --seed docs/examples/demo-world.json --data $(DATA) --show-tokens

test: check test-rust test-python ## Everything: format, lints, types, Rust and Python tests

# The Rust crates and the load generator.
test-rust: $(STAMPS)/redis
	cargo test --locked --workspace --quiet
	cargo test --locked --quiet $(LOAD)

# Python, the API, real sockets, the client libraries of Python and Node, and the wheel.
test-python: $(STAMPS)/core $(STAMPS)/npm $(STAMPS)/redis $(STAMPS)/postgres $(STAMPS)/haproxy $(STAMPS)/faketime
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-clients: $(STAMPS)/core $(STAMPS)/npm $(CLIENTS)/discordgo $(CLIENTS)/jda/stamp $(CLIENTS)/twilight ## Run the same scenarios with every client library, of Go, Java and Rust too
	$(BIN)/python -m pytest tests/clients -m "" $(PYTEST_ARGS)

verify: verify-streams oracle ## Read and judge a million deliveries each: verify-streams, oracle

# A million messages of shared streams, read with clients' decoders.
verify-streams: $(STAMPS)/core $(STAMPS)/npm
	$(BIN)/python -m tests.streams.verify $(VERIFY_ARGS)

# A million deliveries under changing permissions, judged.
oracle: $(STAMPS)/core
	$(BIN)/python -m tests.oracle.oracle $(ORACLE_ARGS)

nemesis: $(STAMPS)/core $(STAMPS)/redis $(STAMPS)/postgres $(STAMPS)/faketime ## Kill, freeze, cut off and empty the parts of a cluster under load, and judge every session
	$(BIN)/python -m tests.cluster.nemesis $(NEMESIS_ARGS)

check: $(STAMPS)/core ## Format, lints, types, layers
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	cargo fmt --all --check --manifest-path bench/load/Cargo.toml
	cargo clippy --locked --all-targets --quiet $(LOAD) -- -D warnings
	cargo fmt --check --manifest-path tests/clients/rust/Cargo.toml
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest tocsin._core --allowlist tests/packaging/stubtest-allowlist.txt
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(STAMPS)/core $(STAMPS)/peers ## Measure everything beside peers and render docs/benchmarks.md (BENCH_ARGS=--quick)
	$(BIN)/python -m bench.run $(BENCH_ARGS)

wheel: $(STAMPS)/wheel ## Build the wheel and the sdist into dist/

image: ## Build the container image
	docker build --tag $(IMAGE) .

clean: ## Remove what was built (not ./tocsin-data)
	rm -rf $(STAMPS) .venv dist target tests/clients/js/node_modules python/tocsin/_core*.so
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(STAMPS)/venv: requirements/dev.txt
	@mkdir -p $(STAMPS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	@touch $@

# Built in the release profile only: the tests run what is shipped, and nothing is compiled twice.
$(STAMPS)/core: $(STAMPS)/venv pyproject.toml $(RUST)
	$(BIN)/maturin develop --release --locked --quiet
	@touch $@

$(STAMPS)/wheel: $(STAMPS)/venv $(PACKAGE)
	rm -rf dist
	$(BIN)/maturin build --release --locked --quiet --out dist
	$(BIN)/maturin sdist --out dist
	@touch $@

# A peer that cannot be had on this machine leaves its reason, which the page shows; the others are measured all the same.
$(STAMPS)/peers: $(STAMPS)/venv requirements/bench.txt bench/peers/package-lock.json
	@mkdir -p $(STAMPS)/peers.d
	$(BIN)/python -m pip install --quiet --requirement requirements/bench.txt
	npm ci --prefix bench/peers --no-audit --no-fund --silent
	@rm -f $(STAMPS)/peers.d/centrifugo.skipped
	GOBIN=$(ROOT)/$(STAMPS)/peers.d/bin go install $(CENTRIFUGO) 2> $(STAMPS)/peers.d/go.log \
		|| (echo "$(CENTRIFUGO) does not build here: $$(tail -n 1 $(STAMPS)/peers.d/go.log)" > $(STAMPS)/peers.d/centrifugo.skipped)
	@touch $@

# The tests of the bus start a Redis of their own. Where there is none, Debian's is installed.
$(STAMPS)/redis:
	@mkdir -p $(STAMPS)
	command -v redis-server > /dev/null || (apt-get update && apt-get install -y --no-install-recommends redis-server) \
		> $(STAMPS)/redis.log 2>&1 || { echo "no redis-server, and apt did not bring one: $(STAMPS)/redis.log" >&2; exit 1; }
	@touch $@

# So do those of the database. Debian's package would also start a cluster of its own, which nobody needs.
$(STAMPS)/postgres:
	@mkdir -p $(STAMPS)
	command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || (apt-get update \
		&& apt-get install -y --no-install-recommends postgresql-common \
		&& sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
		&& apt-get install -y --no-install-recommends postgresql) \
		> $(STAMPS)/postgres.log 2>&1 || { echo "no PostgreSQL, and apt did not bring one: $(STAMPS)/postgres.log" >&2; exit 1; }
	@touch $@

# A balancer, and a clock that can be moved. Tests that need what is not to be had are skipped.
$(STAMPS)/haproxy:
	@mkdir -p $(STAMPS)
	@command -v haproxy > /dev/null || test -x /usr/sbin/haproxy || (apt-get update && apt-get install -y --no-install-recommends haproxy) \
		> $(STAMPS)/haproxy.log 2>&1 || { echo "no haproxy, and apt did not bring one: $(STAMPS)/haproxy.log" >&2; exit 0; }; touch $@

$(STAMPS)/faketime:
	@mkdir -p $(STAMPS)
	@ls /usr/lib/*/faketime/libfaketime.so.1 > /dev/null 2>&1 || (apt-get update && apt-get install -y --no-install-recommends libfaketime) \
		> $(STAMPS)/faketime.log 2>&1 || { echo "no libfaketime, and apt did not bring one: $(STAMPS)/faketime.log" >&2; exit 0; }; touch $@

$(STAMPS)/npm: tests/clients/js/package-lock.json
	@mkdir -p $(STAMPS)
	npm ci --prefix tests/clients/js --no-audit --no-fund --silent
	@touch $@

# Client libraries of other languages. $(call need,program,what of it) says what is missing, $(call quietly,log) what failed.
need = @command -v $(1) > /dev/null || { echo "make test-clients needs $(2): \`$(1)\` is not on the PATH" >&2; exit 1; }
quietly = > $(1) 2>&1 || { cat $(1) >&2; exit 1; }

$(CLIENTS)/discordgo: $(wildcard tests/clients/go/*)
	$(call need,go,Go 1.26 or newer)
	@mkdir -p $(CLIENTS)
	@cd tests/clients/go && go build -o $(ROOT)/$@ . $(call quietly,$(ROOT)/$@.log)

# Maven fetches the jars, and they must be those of jars.sha256.
$(CLIENTS)/jda/stamp: $(wildcard tests/clients/java/*)
	$(call need,javac,a JDK 17 or newer)
	$(call need,mvn,Maven 3)
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --strict-checksums --file tests/clients/java/pom.xml dependency:copy-dependencies \
		-Dstyle.color=never -DincludeScope=runtime -DoutputDirectory=$(ROOT)/$(@D)/lib $(call quietly,$(@D)/log)
	@(cd $(@D)/lib && LC_ALL=C sha256sum *.jar) | diff tests/clients/java/jars.sha256 - $(call quietly,$(@D)/log)
	@javac -cp "$(@D)/lib/*" -d $(@D)/classes tests/clients/java/Driver.java $(call quietly,$(@D)/log)
	@touch $@

$(CLIENTS)/twilight: $(wildcard tests/clients/rust/Cargo.*) $(wildcard tests/clients/rust/src/*)
	@mkdir -p $(CLIENTS)
	@cargo build --locked --quiet --manifest-path tests/clients/rust/Cargo.toml --target-dir target/clients
	@cp target/clients/debug/twilight $@
