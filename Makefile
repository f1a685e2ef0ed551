# Each target makes .venv when it is missing: two commands do all the set-up, `make demo` and `make test`.
PY := .venv/bin/python
.PHONY: demo test check long bench conformance docs strategies deaths
demo test check long bench conformance docs strategies deaths: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# Everything but the long tests, in under 10 minutes on 2 cores.
test:
	$(PY) -m pytest -n 2 -m "not long"

# What is killed, stopped and cut, at how many points, and what came of it: some 15 minutes.
deaths:
	$(PY) tests/processes/deaths.py
	$(PY) tests/api/deaths.py

long:
	$(PY) -m pytest -m long

check:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/lint-imports
	$(PY) tools/lints.py

# Every recorded run of LEAN, replayed from order body to journal and compared row by row.
conformance:
	$(PY) tests/conformance/compare.py
	$(PY) tests/lean_double/retrace.py

# The strategy guide in docs/strategies, from the catalogue and the sample data; no network.
docs:
	$(PY) -m tools.strategy_guide

# LEAN's 41 strategies resolved on the whole GOOG chain, beside what LEAN recorded.
strategies:
	$(PY) -m tools.strategy_table

bench:
	.venv/bin/pip install -q -c constraints.txt -e '.[bench]'
	for each in bench/[a-z]*.py; do echo "== $$each"; $(PY) $$each || exit 1; done

# Daemon, synthetic market, dashboard and a trader's guided orders, until Ctrl-C.
demo:
	.venv/bin/callboard demo
