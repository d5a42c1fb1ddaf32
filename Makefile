# The two commands to know: `make run` and `make test`. `make help` lists the rest.

PORT ?= 4566
PYTHON ?= python3
export PORT PYTHON

STACK := .venv/bin/python dev/stack
# A stack of its own, whatever else runs.
BENCH := DEV_DIR=.dev-bench PORT=24566 .venv/bin/python dev/bench
TEST_REQUIREMENTS := dev/requirements.txt tests/statemachine/requirements.txt tests/contract/requirements.txt

.DEFAULT_GOAL := help
.PHONY: help run up demo down status test simulate contract-fuzz record-examples bench build lint fmt clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PORT=4700 uses other ports (PORT, PORT+1 and PORT+2; 4566 to 4568 otherwise)."

run: .venv/.stack ## Start the local stack, show the demo, serve until Ctrl-C
	@$(STACK) run

up: .venv/.stack ## Start the local stack in the background; writes .dev/env
	@$(STACK) up

demo: .venv/.stack ## Show the demo on the stack that `make up` started
	@$(STACK) demo

down: .venv/.stack ## Stop the local stack
	@$(STACK) down

status: .venv/.stack ## Say what is running
	@$(STACK) status

test: .venv/.tests ## Run every test there is; say what was skipped
	@.venv/bin/python dev/test.py

simulate: ## Run the simulation on more seeds: make simulate SEEDS=1000000 (DEEP=1: explore more, too)
	SEEDS=$(or $(SEEDS),100000) cargo test -p engine --test simulation -- --nocapture

contract-fuzz: .venv/.tests ## Let schemathesis ask for longer, on a stack of its own
	@.venv/bin/python dev/contract.py fuzz

record-examples: .venv/.tests ## Take the examples of openapi.yaml anew, from the end-to-end tests
	@.venv/bin/python dev/contract.py examples

bench: .venv/.stack ## Measure cost, cold start, size and latency into docs/benchmarks.md: make bench ONLY=flows|cold|cron|size|latency
	@$(BENCH) $(ONLY)

build: ## Build every binary (debug)
	cargo build --workspace --bins

lint: ## Check formatting, clippy with warnings as errors, spelling, dependencies, state machines
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@$(PYTHON) dev/hygiene.py

fmt: ## Format the Rust code
	cargo fmt --all

clean: ## Stop the stack; remove everything that make made
	@if [ -x .venv/bin/python ]; then $(STACK) down; DEV_DIR=.dev-test $(STACK) down; DEV_DIR=.dev-bench $(STACK) down; DEV_DIR=.dev-fuzz $(STACK) down; DEV_DIR=.dev-examples $(STACK) down; fi
	rm -rf .venv .venv-sam .venv-contract .venv-tools .dev .dev-test .dev-bench .dev-fuzz .dev-examples dev/*/node_modules
	cargo clean

.venv/.stack: dev/requirements.txt dev/setup.sh
	@sh dev/setup.sh .venv $<
	@touch $@

.venv/.tests: .venv/.stack $(TEST_REQUIREMENTS)
	@sh dev/setup.sh .venv $(TEST_REQUIREMENTS)
	@touch $@
