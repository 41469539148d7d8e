# `make demo` shows what Kinfold does, `make test` passes every test; both set
# up what is missing first and say so. Everything else is a step of these two.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Built artefacts stay outside the checkout, so that a fresh clone finds them.
export KINFOLD_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kinfold
export CARGO_TARGET_DIR ?= $(KINFOLD_CACHE)/target
# RocksDB is compiled once, by `scripts/setup`, and linked by every build after that.
export ROCKSDB_LIB_DIR := $(shell scripts/rocksdb-dir)
export ROCKSDB_STATIC := 1

BIN := $(CARGO_TARGET_DIR)/release/kinfold
# Tests run the optimised code with the assertions that releases leave out.
CHECKED := CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true

# What is measured has them left out, whatever the environment says.
UNCHECKED := CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=false CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false

.PHONY: help setup build demo evaluate test test-rust test-python lint licences bench compare load clean-cache

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what a build needs (libclang), and compile RocksDB once
	@scripts/setup

build: setup ## Build the kinfold binary
	cargo build --release --locked -p kinfold-server
	@echo "built $(BIN)"

demo: build ## Make a sample, load it, serve it, and ask it questions
	@KINFOLD_BIN=$(BIN) scripts/demo

evaluate: build ## How far persons agree with the truth, with and without the guards (about a minute)
	@KINFOLD_BIN=$(BIN) scripts/evaluate

test: test-rust test-python ## Every test

# The program is built with the tests, as one of them needs it: all call the same one.
test-rust: setup
	$(CHECKED) cargo test --release --locked --workspace

test-python: setup
	$(CHECKED) cargo test --release --locked --workspace --no-run
	KINFOLD_BIN=$(BIN) tests/python/run
	KINFOLD_BIN=$(BIN) clients/python/run

lint: setup ## Formatting and clippy
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --workspace --document-private-items

licences: ## The licences of everything that is linked
	@scripts/licences

bench: setup ## The benchmarks of the engine's hot paths and of queries
	cargo bench --locked -p kinfold-benches

compare: setup ## Kinfold beside other stores on the same work; SCALE=1 (million links), PEERS=all, ROUNDS=3
	$(UNCHECKED) cargo build --release --locked -p kinfold-server -p kinfold-benches --bins
	benches/compare/run compare $(if $(SCALE),--scale $(SCALE)) $(if $(PEERS),--peers $(PEERS)) $(if $(ROUNDS),--rounds $(ROUNDS))

load: setup ## A server under 256 connections for ten minutes, and whether it stands it; SECONDS=30
	$(UNCHECKED) cargo build --release --locked -p kinfold-server -p kinfold-benches --bins
	$(CARGO_TARGET_DIR)/release/load --program $(BIN) $(if $(SECONDS),--seconds $(SECONDS))

clean-cache: ## Remove what builds left outside the checkout
	rm -rf "$(KINFOLD_CACHE)"
