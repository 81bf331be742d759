# Everything that one does with this repository. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run demo test test-slow test-all soak bench profile check format cov lock sbom clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp for each set of packages: installed once, and again only when its list changes.
$(VENV)/stamp-run: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/stamp-dev: requirements-dev.txt $(VENV)/stamp-run
	@echo "Installing packages for tests and checks ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/stamp-run ## Install, migrate, create the first admin, serve on HOST:PORT
	@exec $(BIN)/python manage.py serve

demo: $(VENV)/stamp-run ## One streamed conversation with a tool call, in the terminal
	@exec $(BIN)/python manage.py demo

# Tests are rewritten for their messages, which costs half of collecting them, unless it is kept.
unexport PYTHONDONTWRITEBYTECODE

# tests/workers.py shares them out.
PARALLEL := -n $(or $(JOBS),auto)

test: $(VENV)/stamp-dev ## The tests; JOBS=n sets how many processes run them
	@$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-slow: $(VENV)/stamp-dev ## The tests that `make test` leaves out: second variants of long ones
	@$(BIN)/python -m pytest -m slow $(PARALLEL)

test-all: $(VENV)/stamp-dev ## All tests, with 10,000 examples for each property
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest $(PARALLEL)

soak: $(VENV)/stamp-dev ## Ten minutes of mixed load with faults; SECONDS and SERVER (serve, uvicorn) change it
	@$(BIN)/python -m tests.soak.mixed_load --seconds $(or $(SECONDS),600) --server $(or $(SERVER),serve)

bench: $(VENV)/stamp-dev ## What requests cost; TARGETS, TARGET (name=command), LOADS and ROUNDS change it
	@$(BIN)/python -m tests.bench.run --targets '$(if $(TARGETS),$(TARGETS),daphne,uvicorn,floor)' \
		$(if $(TARGET),--target '$(TARGET)') --loads '$(if $(LOADS),$(LOADS),json1,json16,stream,code)' \
		--rounds $(or $(ROUNDS),3)

profile: $(VENV)/stamp-dev ## Where the time goes, as text and as a flame graph; LOAD and SERVER change it
	@$(BIN)/python -m tests.bench.profiled --load $(or $(LOAD),stream) --server $(or $(SERVER),uvicorn)

pages: $(VENV)/stamp-dev ## Time every page over 5 million requests; ROWS, KEYS and DATABASE (sqlite, postgres) change it
	@$(BIN)/python -m tests.sizes.pages --rows $(or $(ROWS),5000000) --keys $(or $(KEYS),5000) \
		--database $(or $(DATABASE),sqlite)

check: $(VENV)/stamp-dev ## Format, lint, types, migrations, shape
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python -m pytest tests/test_shape.py

format: $(VENV)/stamp-dev ## Put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

cov: $(VENV)/stamp-dev ## Branch coverage of the translation core by its own tests
	@$(BIN)/python -m pytest tests/translation --cov=bridge/translation --cov-branch --cov-report=term-missing

lock: $(VENV)/stamp-dev ## Write requirements.lock: the packages of requirements.txt with their hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links requirements.txt -o requirements.lock

sbom: $(VENV)/stamp-dev ## Write sbom.json: what the image installs, in the form of CycloneDX
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o sbom.json

clean: ## Remove what make made (not data/)
	@rm -rf $(VENV) staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
