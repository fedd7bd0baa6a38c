# Everything runs from a bare clone: each target sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help install demo demo-loop test quick-tests server-tests test-images check bench parity chaos lock sbom audit

BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO := .venv/.demo

# The first Python that runs and is new enough; the versions that are tested come first.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

# What Python compiles is kept, whatever the environment says: pip compiles nothing ahead, and tests
# start hundreds of processes.
PYTEST := env PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest

help: ## Lists these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Makes .venv with everything in it (6 GB with PyTorch; once).

$(DEMO): EXTRAS := local,board
$(INSTALLED): EXTRAS := local,board,replay,train,loop,dev
$(DEMO) $(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found on PATH." \
		"Install one, or name it: make install PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $(DEMO) $@

demo: $(DEMO) ## Real Kafka and Redis, a simulated ward, the service, its alerts and the board (Ctrl-C ends it).
	@$(BIN)/streamer demo

demo-loop: install ## The closed loop on simulated patients: archive, runs, gates, promotion, in five minutes.
	@$(BIN)/trainer demo

# Tests of real servers wait for much of their time, and the quick ones fill it: both run at once,
# and each says how it went when it ends. These two targets are for `test`, which installs.
test: install ## All tests: the quick ones and, at the same time, those on the real Kafka and Redis.
	@test -n "$$KAFKA_BOOTSTRAP_SERVERS" || $(BIN)/python -m streamer.local.fetch
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),-Otarget) \
		quick-tests server-tests

quick-tests:
	nice -n 5 $(PYTEST) -m 'not integration' -n logical

server-tests:
	$(PYTEST) -m 'integration and not images' -n 4 tests

test-images: install ## Builds the streamer's image and runs it confined; needs buildah, debootstrap, bubblewrap.
	$(PYTEST) -m images tests/deploy

check: install ## Format, lint, types, then all tests: what CI runs.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory test

bench: install ## Measures the service beside other engines on this machine (ten minutes).
	@$(BIN)/python -m bench

parity: install ## Streamed risks against offline ones: make parity DATA=FOLDER PATIENTS=1000
	@test -n "$(DATA)" || { echo "Name PhysioNet 2019 data: make parity DATA=FOLDER" >&2; exit 2; }
	@$(BIN)/python -m bench.parity $(DATA) --patients $(or $(PATIENTS),1000)

chaos: install ## Breaks everything for MINUTES (15) and compares: make chaos MINUTES=5 SEED=7
	@$(BIN)/python -m bench.chaos --minutes $(or $(MINUTES),15) $(if $(SEED),--seed $(SEED)) \
		$(if $(EVENTS),--events $(EVENTS))

# For the images: exact versions with the sums of all their files, for every Linux and Python 3.11
# and newer. Versions are those of constraints.txt. These tools have an environment of their own.
TOOLS := .venv-tools/bin
LOCKED = $(TOOLS)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--constraints constraints.txt --custom-compile-command 'make lock' --no-annotate
LOCKS := streamer trainer

.venv-tools/.installed: Makefile
	$(PYTHON) -m venv .venv-tools
	$(TOOLS)/python -m pip install --disable-pip-version-check --quiet \
		'uv==0.13.9' 'cyclonedx-bom==7.5.0' 'pip-audit==2.10.1'
	@touch $@

lock: .venv-tools/.installed ## Writes deploy/*.lock anew, when constraints.txt or pyproject.toml changed.
	$(LOCKED) pyproject.toml --extra board --output-file deploy/streamer.lock
	$(LOCKED) pyproject.toml --extra train --extra loop --output-file deploy/trainer.lock
	$(LOCKED) deploy/build.in --output-file deploy/build.lock

sbom: .venv-tools/.installed ## What is in the images, as CycloneDX: out/sbom-*.json
	@mkdir -p out
	$(foreach lock,$(LOCKS),$(TOOLS)/cyclonedx-py requirements deploy/$(lock).lock -o out/sbom-$(lock).json &&) true

audit: .venv-tools/.installed ## Known holes in what is in the images; asks PyPI, so it needs the network.
	$(foreach lock,$(LOCKS),$(TOOLS)/pip-audit --disable-pip --require-hashes -r deploy/$(lock).lock &&) true
