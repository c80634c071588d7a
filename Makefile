# What a newcomer types: `make run`, `make test`. Everything lands in .venv; nothing else of the machine is changed,
# apart from Debian packages where this is root and they are missing.

VENV := .venv
BIN := $(VENV)/bin
# Changed inputs make the set-up run again; otherwise it is a look at one file's date.
STAMP := $(VENV)/.ready
PACKAGES := pyproject.toml hatch_build.py $(wildcard sandbox/inside/*.[ch]) clients/python/pyproject.toml constraints.txt \
	deploy/setup-host.sh
PORT ?= 8000
# Handed to a benchmark: make bench-math ARGS='--rollouts rollouts.jsonl'
ARGS ?=

.PHONY: setup run serve test test-host test-compose lint bench bench-math bench-code bench-language bench-queue bench-scale bench-body soak clean

setup: $(STAMP)

$(STAMP): $(PACKAGES)
	deploy/setup-host.sh
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --editable clients/python --group dev
	$(BIN)/python -m sandbox prepare
	touch $@

run: setup
	$(BIN)/reward-server score --samples

serve: setup
	$(BIN)/reward-server serve --port $(PORT)

test: setup test-host lint
	$(BIN)/python -m pytest

# Docker and what makes its images; the rest of the set-up does without.
test-host:
	deploy/setup-host.sh test

# Brings deploy/compose.yaml up on a dockerd of its own, without a registry, and scores the samples through it.
test-compose: setup
	deploy/setup-host.sh compose
	$(BIN)/python -m tests.compose_run

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.bench $(ARGS)

bench-body: setup
	$(BIN)/python -m benchmarks.bench_body $(ARGS)

bench-math: setup
	$(BIN)/python -m benchmarks.bench_math $(ARGS)

bench-code: setup
	$(BIN)/python -m benchmarks.bench_code $(ARGS)

bench-language: setup
	$(BIN)/python -m benchmarks.bench_language $(ARGS)

bench-queue: setup
	$(BIN)/python -m benchmarks.bench_queue $(ARGS)

bench-scale: setup
	$(BIN)/python -m benchmarks.simulate_scale $(ARGS)

soak: setup
	$(BIN)/python -m benchmarks.soak $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
