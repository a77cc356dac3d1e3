# make demo        decode the bundled recording live and show it (DEMO_ARGS="--headless --seconds 20")
# make quick       run the tests that start no processes and take little time: half a minute
# make test        run all tests in two processes; with TEST_ARGS="-k replay", the selected ones in one process
# make test-train  run the tests that train with torch; installs torch (on Linux several GB, unless it is a CPU build)
# make check       run ruff, ruff format, mypy --strict and import-linter
# Each target first creates .venv and installs what is missing; see scripts/setup.sh.

SHELL = /bin/sh
PYTHON = .venv/bin/python
PYTEST = OMP_NUM_THREADS=1 QT_QPA_PLATFORM=offscreen $(PYTHON) -m pytest

# The tests, and the examples in the docstrings.
EXAMPLES = --doctest-modules stream decoders gui replay_data neuroreel tests

# Ignore any other Python environment that is active.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONSTARTUP
export PYTHONNOUSERSITE = 1

.PHONY: demo quick test test-train check format wheel-check docs command-docs clean

demo:
	@sh scripts/setup.sh run
	@$(PYTHON) -P -m neuroreel demo $(DEMO_ARGS)

quick:
	@sh scripts/setup.sh dev
	$(PYTEST) -n 2 --dist loadfile $(EXAMPLES) --hypothesis-profile quick -m "not live and not slow and not train and not data"

test:
	@sh scripts/setup.sh dev
ifeq ($(strip $(TEST_ARGS)),)
	$(PYTEST) -n 2 --dist loadfile $(EXAMPLES) -m "not live"
	$(PYTEST) -n 2 --dist loadfile -m live
else
	$(PYTEST) $(TEST_ARGS)
endif

test-train:
	@sh scripts/setup.sh train
	$(PYTEST) -m train $(TEST_ARGS)

check:
	@sh scripts/setup.sh dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo
	$(PYTHON) scripts/make_command_docs.py --check

format:
	@sh scripts/setup.sh dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

wheel-check:
	@sh scripts/setup.sh dev
	$(PYTHON) scripts/check_wheel.py

command-docs:
	@sh scripts/setup.sh run
	$(PYTHON) scripts/make_command_docs.py

docs: command-docs
	@sh scripts/setup.sh docs
	$(PYTHON) -m mkdocs build --strict --quiet
	@echo "docs: open site/index.html"

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
