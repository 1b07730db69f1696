# The commands of the repository; `make` lists them. Each works from a fresh clone: scripts/bootstrap makes .venv.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Another inventory: make site INVENTORY=inventory/cluster. More options: make site ARGS='--check --diff'.
INVENTORY ?= inventory/local
ARGS ?=
# How many processes tests run in, shared out by tests/conftest.py. With 0 a debugger works: make test WORKERS=0
# Two of them deploy stacks and wait for those half of the time; the third uses what they leave of two cores.
WORKERS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(WORKERS)
PLAY = $(BIN)/ansible-playbook -i $(INVENTORY)
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' $(LOCK_ARGS)

# Whatever the user's locale is, and whether it is installed. scripts/ansible asks for sudo's password where that is needed.
export LC_ALL := C.UTF-8

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools ## Deploy on this machine, train, stream a day with faults, and say what was found
	@$(BIN)/python -m demo -i $(INVENTORY) $(ARGS)

.PHONY: test
test: dev ## All tests: lint, units, and the stack in real containers
	@scripts/test $(PYTEST) $(ARGS)

.PHONY: test-fast
test-fast: dev ## The tests that need no containers
	@$(PYTEST) -m 'not containers' $(ARGS)

.PHONY: bench bench-catchup bench-printer bench-heatpump bench-kinds bench-nab bench-deploy bench-series bench-console
bench: dev engine test-images ## How fast UDFs are behind a real kapacitord, and the forest alone; build/bench.json
	@$(BIN)/python -m bench.udf $(ARGS)

bench-catchup: dev engine test-images ## How fast a catch-up is, on a real InfluxDB; figures in build/bench-catchup.json
	@PYTHONPATH=.:udf/anomaly/src:udf/kapacitor_udf/src OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.catchup $(ARGS)

bench-printer: dev ## What the default pipeline finds of known faults, ten seeds; figures in build/bench
	@PYTHONPATH=.:udf/anomaly/src $(BIN)/python -m bench.printer $(ARGS)

bench-heatpump: dev ## The default and its members on heat pumps with known faults, four seeds; figures in build/bench
	@PYTHONPATH=.:udf/anomaly/src $(BIN)/python -m bench.heatpump $(ARGS)

bench-kinds: dev ## The default and its members on series of seven kinds (rhythms, growth, counts, ...); figures in build/bench
	@PYTHONPATH=.:udf/anomaly/src $(BIN)/python -m bench.kinds $(ARGS)

# Another place for the corpus: make bench-nab NAB=~/NAB. Single detectors: ARGS='--detectors ensemble'.
NAB ?= ../shared/data/nab
bench-nab: dev ## The Numenta Anomaly Benchmark: each detector, scored as NAB scores; results in build/nab
	@PYTHONPATH=.:udf/anomaly/src $(BIN)/python -m bench.nab $(NAB) $(ARGS)

bench-series: dev engine test-images ## How many series a pipeline follows, on a real kapacitord; build/bench-series.json
	@PYTHONPATH=.:udf/anomaly/src:udf/kapacitor_udf/src OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.series $(ARGS)

bench-deploy: dev engine test-images ## How long site.yml takes, with nothing to do and with something; build/bench-deploy.json
	@$(BIN)/python -m bench.deploy $(ARGS)

bench-console: dev engine test-images ## The console's first page with 10,000 series, on a real InfluxDB; build/bench-console.json
	@PYTHONPATH=.:udf/anomaly/src:udf/kapacitor_udf/src OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.console $(ARGS)

.PHONY: test-faults
test-faults: dev engine test-images ## A stack broken on purpose, one fault at a time and at random; an hour and a half (ARGS='--schedule FILE')
	@PYTHONPATH=.:udf/anomaly/src:udf/kapacitor_udf/src OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.faults $(ARGS)

.PHONY: fuzz
fuzz: dev ## Hurt state files, models, lines, answers of servers and frames at random, for half an hour (ARGS='-k models')
	@$(PYTEST) --hypothesis-profile=fuzz tests/fuzz udf/kapacitor_udf/tests/test_wire.py udf/kapacitor_udf/tests/test_framing.py $(ARGS)
	@PYTHONPATH=udf/kapacitor_udf/src:udf/kapacitor_udf/tests $(BIN)/python udf/kapacitor_udf/tests/fuzzing.py

.PHONY: mutation
mutation: dev ## Mutants of what exactly-once rests on, 20 a module, against its unit tests (ARGS='--sample 0 catchup/repair.py')
	@[ -x build/mutation/venv/bin/cosmic-ray ] || { $(BIN)/uv venv --quiet --python $(BIN)/python build/mutation/venv && \
		$(BIN)/uv pip install --quiet --python build/mutation/venv/bin/python --require-hashes -r requirements/mutation.txt; }
	@$(BIN)/python scripts/mutation --tool build/mutation/venv/bin/cosmic-ray $(ARGS)

.PHONY: audit
audit: dev ## Known vulnerabilities of the locked dependencies, by PyPI; says in capitals where it cannot ask
	@[ -x build/audit/venv/bin/pip-audit ] || { $(BIN)/uv venv --quiet --python $(BIN)/python build/audit/venv && \
		$(BIN)/uv pip install --quiet --python build/audit/venv/bin/python --require-hashes -r requirements/audit.txt; }
	@$(BIN)/python scripts/audit --tool build/audit/venv/bin/pip-audit $(ARGS)

.PHONY: lint
lint: dev ## Every linter and type checker
	@scripts/lint $(ARGS)

.PHONY: site images calendars train verify report export-images backup restore upgrade rotate-secrets diagnose teardown
site: tools ## playbooks/site.yml: deploy INVENTORY
	@$(PLAY) playbooks/site.yml $(ARGS)

images: tools ## playbooks/images.yml: pull, build or load the images
	@$(PLAY) playbooks/images.yml $(ARGS)

calendars: tools ## playbooks/calendars.yml: bring maintenance and quiet times to the running UDFs, the keeper and the console
	@$(PLAY) playbooks/calendars.yml $(ARGS)

train: tools ## playbooks/train.yml: train the pipelines' models
	@$(PLAY) playbooks/train.yml $(ARGS)

verify: tools ## playbooks/verify.yml: check that the deployed stack works
	@$(PLAY) playbooks/verify.yml $(ARGS)

report: tools ## playbooks/report.yml: what was found, as one page with plots (ARGS='-e report_from=7d')
	@$(PLAY) playbooks/report.yml $(ARGS)

export-images: tools ## playbooks/export-images.yml: write the images to archives
	@$(PLAY) playbooks/export-images.yml $(ARGS)

backup: tools ## playbooks/backup.yml: one archive of the running stack (ARGS='-e backup_passphrase_file=FILE')
	@$(PLAY) playbooks/backup.yml $(ARGS)

restore: tools ## playbooks/restore.yml: a backup onto empty hosts, or over a stack (ARGS='-e restore_archive=FILE ...')
	@$(PLAY) playbooks/restore.yml $(ARGS)

upgrade: tools ## playbooks/upgrade.yml: what this release wants, with a way back (ARGS='-e backup_passphrase_file=FILE')
	@$(PLAY) playbooks/upgrade.yml $(ARGS)

rotate-secrets: tools ## playbooks/rotate-secrets.yml: new secrets; the old ones are refused (ARGS='-e rotate_secrets=NAME,...')
	@$(PLAY) playbooks/rotate-secrets.yml $(ARGS)

diagnose: tools ## playbooks/diagnose.yml: one archive of versions, configuration, logs and states, without secrets
	@$(PLAY) playbooks/diagnose.yml $(ARGS)

teardown: tools ## playbooks/teardown.yml: remove the stack, keep its data
	@$(PLAY) playbooks/teardown.yml $(ARGS)

.PHONY: status watch logs shell delete-data
STACK = @$(BIN)/python scripts/stack -i $(INVENTORY)
status: tools ## What each pipeline scores, which periods are open, and what the keeper finds wrong
	$(STACK) status -- $(ARGS)

watch: tools ## The same, again every five seconds
	$(STACK) watch -- $(ARGS)

logs: tools ## The log of SERVICE (default kapacitor), as it grows: make logs SERVICE=influxdb
	$(STACK) $(ARGS) logs $(SERVICE)

shell: tools ## A shell in the container of SERVICE (default keeper), where `anomaly` knows the stack
	$(STACK) $(ARGS) shell $(SERVICE)

delete-data: tools ## Remove the stack with all its data, once you have typed its name
	$(STACK) $(ARGS) delete-data

.PHONY: docs
docs: dev ## Write the roles' README.md, the detectors' part of the pipeline's schema, and their table
	@$(BIN)/python scripts/role-docs
	@$(BIN)/python scripts/detector-docs

.PHONY: lock
lock: dev ## Resolve requirements/*.in anew into the locked, hashed *.txt (LOCK_ARGS=--upgrade for newer versions)
	@$(LOCK) requirements/tools.in -o requirements/tools.txt
	@$(LOCK) -c requirements/tools.txt requirements/dev.in -o requirements/dev.txt
	@$(LOCK) -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt
	@$(LOCK) requirements/mutation.in -o requirements/mutation.txt
	@$(LOCK) requirements/audit.in -o requirements/audit.txt

.PHONY: clean
clean: ## Remove what tests and builds left in the work tree, .venv too; deployed stacks stay
	@rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tool environments; quick when they are in place.
.PHONY: tools dev engine test-images test-bytecode
tools:
	@scripts/bootstrap tools

dev:
	@scripts/bootstrap dev

# An engine to test on: the role docker installs and starts one where there is none.
engine: tools
	@docker info >/dev/null 2>&1 || $(BIN)/ansible-playbook playbooks/engine.yml

# What pytest makes of all tests to say more of a failed assert takes 13 s in each worker, and would be thrown away where
# PYTHONDONTWRITEBYTECODE is set. What is wrong with a test is said by the run itself.
test-bytecode: dev
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -q >/dev/null 2>&1 || :

# What the tests run on, so that they don't wait for a build with their hands tied.
test-images: dev engine
	@scripts/test-images
