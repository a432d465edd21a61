# Penfold's errands.  `make serve` and `make test` are all that a newcomer needs.

PYTHON ?= python3
BIN := .venv/bin
PORT_BASE ?= 10000

.PHONY: install serve test lint types contracts coverage conformance bench bench-growth soak lock clean

install: .venv/installed

.venv/installed: .ci/requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.venv/tested: .ci/test-requirements.lock .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/test-requirements.lock
	touch $@

serve: install
	$(BIN)/penfold demo --dir demo --port-base $(PORT_BASE)

test: .venv/tested lint types contracts coverage

lint: .venv/tested
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: .venv/tested
	$(BIN)/mypy

contracts: .venv/tested
	$(BIN)/lint-imports

coverage: .venv/tested
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests
	$(BIN)/coverage report --include='core/*,protocols/*' --fail-under=95 --skip-covered

# Needs Debian: installs other people's clients and servers, and drives them against ours.
conformance: .venv/tested
	sh conformance/install.sh
	$(BIN)/pytest conformance --durations=10

# Beside Debian's Dovecot, both measured in the same run; what comes of it, and how long it takes, is in docs/benchmarks.md.
bench: .venv/tested
	sh conformance/install.sh
	$(BIN)/python -m conformance.bench

# How cost grows with folders, mailboxes, connections and workers.
bench-growth: .venv/tested
	sh conformance/install.sh
	$(BIN)/python -m conformance.bench --growth

# The long forms of the random tests, and of those that kill a server, fail its disk and cut its power (they need cc).
soak: .venv/tested
	PENFOLD_SOAK=1 $(BIN)/pytest tests/model tests/fuzz --timeout 3600
	PENFOLD_SOAK=1 $(BIN)/pytest conformance/durability -s

lock: install
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet pyproject.toml --generate-hashes --no-header --no-emit-index-url -o .ci/requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra test --extra conformance --generate-hashes --no-header --no-emit-index-url -o .ci/test-requirements.lock

clean:
	rm -rf .venv build *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
