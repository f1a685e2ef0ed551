# Each target makes .venv when it is missing.
PY := .venv/bin/python
.PHONY: demo test check long
demo test check long: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

test:
	$(PY) -m pytest -n 2 -m "not long"

long:
	$(PY) -m pytest -m long

check:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/lint-imports
	$(PY) tools/lints.py

demo:
	mkdir -p out
	.venv/bin/callboard replay --data tests/data/lean --underlying GOOG --from 2015-12-24 --to 2015-12-24 \
	    --subscribe 'GOOG:weeklys,strikes=-5..5,days=0..60' --report out/demo.json
	@echo "report: out/demo.json, to read: out/demo.html"
