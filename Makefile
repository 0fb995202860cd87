# Each command sets itself up on a fresh machine: a virtual environment in .venv with the project and its extras.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
OLDEST := .venv-oldest/bin

.PHONY: setup demo docs lint test test-slow test-oldest mutants bench clean

setup: $(READY)

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	# Without its dependencies: it asks for torchaudio and pytorchvideo, which would move torch and are not used.
	$(BIN)/python -m pip install --quiet --no-deps imagebind-unofficial
	touch $(READY)

demo: $(READY) ## train captioners on sentences alone, caption pictures, videos and sounds
	$(BIN)/c3 demo --out demo

docs: $(READY) ## the guides as a site, in site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(READY)
	$(BIN)/ruff check c3core plugins tests examples benchmarks docs/*.py
	$(BIN)/ruff format --check c3core plugins tests examples benchmarks docs/*.py
	$(BIN)/mypy

test: lint ## lint, types and tests; two processes of one thread each are faster than one of two
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(READY) ## full training recipes and long sweeps
	$(BIN)/python -m pytest -m slow

test-oldest: ## the tests with the oldest versions that pyproject.toml allows, in a new environment
	$(PYTHON) -m venv --clear .venv-oldest
	$(OLDEST)/python -m pip install --quiet uv
	$(OLDEST)/uv pip install --quiet --python $(OLDEST)/python --compile-bytecode --resolution lowest-direct -e ".[dev]"
	$(OLDEST)/uv pip install --quiet --python $(OLDEST)/python --no-deps imagebind-unofficial
	OMP_NUM_THREADS=1 $(OLDEST)/python -m pytest -n 2 --dist worksteal

mutants: $(READY) ## break the code on purpose: how many of 400 faults does a test notice?
	$(BIN)/python tests/mutants/run.py

bench: $(READY) ## ratios against plain alternatives, each in one run
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf .venv .venv-oldest demo dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutants
