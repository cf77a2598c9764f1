# Two commands: `make book` and `make test`. Each sets up everything it needs by itself.
PYTHON ?= python3
PROFILE ?= demo
BIN := .venv/bin
EXTRAS := train,compress,book,credentials,npm,serve,test
WEIGHTS := ecapa ecapa-speakers hifigan-universal whisper-base whisper-tiny.en kokoro kokoro-voices resemblyzer eres2net jspsych jspsych-form mathjax axe-core

book: .venv/installed
	$(BIN)/thesis models fetch $(WEIGHTS)
	$(BIN)/thesis book --profile $(PROFILE)

# Two processes of tests share two cores: with one thread each they do not wait for each other.
test: .venv/installed
	$(BIN)/thesis models fetch $(WEIGHTS)
	$(BIN)/ruff check .
	$(BIN)/python scripts/check_words.py
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbval --nbval-cell-timeout 300 tests notebooks -m "not pages" --numprocesses 2 --dist loadfile

# The property tests with other examples than those of `make test`, and many more of them.
explore: .venv/installed
	HYPOTHESIS_PROFILE=explore $(BIN)/pytest tests -m hypothesis

# The package's annotations, its public API's among them.
types: .venv/installed
	$(BIN)/mypy

# Which lines of the package the tests and the notebooks run; below nine of ten it fails.
coverage: .venv/installed
	$(BIN)/thesis models fetch $(WEIGHTS)
	$(BIN)/pytest tests --cov=thesis_lib --cov-report=
	$(BIN)/pytest --nbval notebooks --cov=thesis_lib --cov-append \
		--cov-report=term-missing:skip-covered --cov-fail-under=90

# Fill the committed notebooks with the outputs of the smoke profile, without those of cells that only work.
outputs: .venv/installed
	rm -rf runs/smoke
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb
	$(BIN)/jupyter nbconvert --to notebook --inplace --TagRemovePreprocessor.enabled=True \
		--TagRemovePreprocessor.remove_all_outputs_tags=remove-output notebooks/*.ipynb

# uv installs in a minute what takes pip several; wheels that pip knows from a local folder are named to it.
# Compiled once, the packages load in half the time, also where PYTHONDONTWRITEBYTECODE is set.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv==0.13.9
	UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --editable '.[$(EXTRAS)]'
	touch $@

.PHONY: book test explore types coverage outputs
