# make reproduce | test | smoke | lint | torture | mlflow | bench | bench-gpu        CORES=4 CONFIG="scale=smoke" PORT=5000 LONG=1 ONLY=words
PYTHON ?= python3.11
VENV ?= .venv
CORES ?= 4
CONFIG ?=
PORT ?= 5000
BIN := $(VENV)/bin
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(1) $(if $(strip $(CONFIG)),--config $(CONFIG))

.PHONY: reproduce smoke test test-fast lint torture mlflow bench bench-gpu environment
.DEFAULT_GOAL := reproduce

reproduce: environment
	$(call SNAKEMAKE,reproduce_all)

smoke:
	$(MAKE) reproduce CONFIG="scale=smoke $(CONFIG)"

test: environment
	$(BIN)/python -m pytest

test-fast: environment
	$(BIN)/python -m pytest -m "not slow"

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --config other_scale=replace  # whatever scale results/ holds

# The long form may be stopped and started again: it goes on after what docs/reliability.md has of this commit.
torture: environment
	PYTHONPATH=src:. $(BIN)/python -m tests.torture \
		$(if $(LONG),--long --write docs/reliability.md) $(if $(ONLY),--only $(ONLY))

# One process, heard on this machine alone; its own warnings are not the user's to mend.
mlflow: environment
	@echo 'http://127.0.0.1:$(PORT)/#/experiments?workflowType=machine_learning  Ctrl-C ends it.'
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_LOGGING_LEVEL=WARNING \
		PYTHONWARNINGS=ignore $(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
		--uvicorn-opts "--log-level warning" $(foreach kind,backend registry,--$(kind)-store-uri sqlite:///results/mlflow.db)

bench: environment
	$(BIN)/python -m benchmarks

bench-gpu: environment
	$(BIN)/triplehead bench

environment: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
