# Valence: what a person types. `make` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# How tests are built, all of them, once: with the switch that `make control` uses, which no released program has (src/controls.rs).
TESTED := --locked --features unsafe-controls
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Commands that `make run` and `make test` need, as command:package.
NEEDS_RUN := redis-server:redis-server
NEEDS_TEST := promtool:prometheus jq:jq docker-compose:docker-compose systemd-analyze:systemd chromium:chromium faketime:faketime curl:curl patch:patch openssl:openssl
# And what fault campaigns need besides.
NEEDS_CHAOS := ip:iproute2 unshare:util-linux
# Python programs of others that tests run, each in a venv of its own: tests/python/NAME.txt makes target/venv/NAME.
VENVS := deployment ironic schemathesis sushy

.PHONY: help setup setup-test run scale built test control otlp lint ci bench compare chaos fuzz walks docs pictures console console-if-npm compose-key

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

define install
	@missing=(); for need in $(1); do command -v "$${need%%:*}" >/dev/null || missing+=("$${need##*:}"); done; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
	  echo "installing $${missing[*]} with apt-get (make $@)"; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"; \
	fi
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs, then try again" >&2; exit 1; }
endef

setup: ## install what running needs: redis-server (apt-get)
	$(call install,$(NEEDS_RUN))

setup-test: setup-packages $(VENVS:%=target/venv/%/ready) ## install what the tests need besides (apt-get; pip, below target/)

.PHONY: setup-packages
setup-packages:
	$(call install,$(NEEDS_RUN) $(NEEDS_TEST))

# Debian keeps what makes a venv in a package of its own. The file `ready` is there once everything is.
target/venv/%/ready: tests/python/%.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; }
	@echo "installing $< into $(@D)"
	@rm -rf $(@D) && python3 -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

run: setup console-if-npm ## run everything on this machine, with simulated Pod Managers
	$(CARGO) run --locked --bin valence -- up

WORKERS ?= 4
DATA ?= $(or $(XDG_STATE_HOME),$(HOME)/.local/state)/valence
# In sessions of their own: a Ctrl-C that reached them too would be a second signal beside ours, which ends them at once.
scale: setup ## add WORKERS= worker processes to what `make run` started (DATA= its data directory)
	$(CARGO) build --locked --bin valence-worker
	@test -S $(DATA)/redis/redis.sock || { echo "nothing runs in $(DATA): start it with make run, or name its directory with DATA=" >&2; exit 1; }
	@export VALENCE_REDIS_URL=redis+unix://$(DATA)/redis/redis.sock VALENCE_REDIS_SYNC_URL=redis+unix://$(DATA)/reads/redis.sock; \
	export VALENCE_SECRET_KEY_FILE=$(DATA)/secret.key VALENCE_PODM_ALLOW_CIDRS=127.0.0.0/8; \
	stop() { trap '' INT TERM; kill $$workers 2>/dev/null; \
	  for worker in $$workers; do wait $$worker || failed="$$failed $$worker"; done; \
	  if [ "$$failed" ]; then echo "not drained: $$failed" >&2; exit 1; fi; echo "$(WORKERS) workers have drained and stopped"; exit 0; }; \
	trap stop INT TERM; \
	for n in $$(seq $(WORKERS)); do setsid target/debug/valence-worker --listen 127.0.0.1:0 & workers="$$workers $$!"; done; \
	echo "$(WORKERS) workers; Ctrl-C drains and stops them"; wait; stop

compose-key: deploy/compose/secret.key ## make the key that compose.yaml seals credentials with, once

deploy/compose/secret.key:
	@openssl rand -base64 32 > $@ && chmod 0444 $@ && echo "made $@: keep a copy, stored credentials cannot be read without it"

built: setup-test console ## build all tests
	$(CARGO) test $(TESTED) --no-run

# nextest runs the tests where it is there; it knows no doctests, which therefore come first.
test: setup-test console control ## run all tests
	$(CARGO) test $(TESTED) --doc
	@if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run $(TESTED); else $(CARGO) test $(TESTED) --lib --bins --tests; fi

# The proof of the proof: without each of these, the campaign that is to notice must find violations.
control: setup-test ## see the fault tests fail with one protection after another taken out
	$(call without,claim-check,control_c1)
	$(call without,entry-check,control_c1)
	$(call without,burnt-token,control_c1)
	$(call without,circuit,control_c1)
	$(call without,claim-check,control_c2)
	$(call without,adoption,control_c4)
	$(call without,quarantine,control_c4)

# Others that the model notices: drain, retry-budget.
control-%: setup-test
	$(call without,$*,control_c1)

define without
VALENCE_WITHOUT=$(1) TASKS=1500 FAULTS=30 $(CARGO) test $(TESTED) --test chaos --test faults -- --ignored --nocapture $(2)
endef

otlp: ## test what sends traces to a collector, which is built on demand
	$(CARGO) test --locked --features otlp --test tracing

lint: ## formatting and clippy, warnings as errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

ci: ## what CI runs
	.ci/run

RUNS ?= 5
bench: setup ## measure against real processes, in less than 10 minutes: RUNS=
	$(CARGO) build --release --locked --bins
	target/release/valence-bench --runs $(RUNS) --json target/bench.json

# Other queues are measured by a bench with drivers of them: PEERS= a directory with its run.sh (which installs them) and bench.py.
COMPARED ?= FLOOR,valence,bullmq,apalis
STAGES ?= enqueue,drain,latency,io
ROUNDS ?= 5
compare: setup ## measure beside other queues: PEERS=DIR COMPARED= STAGES= ROUNDS=
	@test -f "$(PEERS)/bench.py" || { echo "PEERS=DIR must have a bench.py and a run.sh" >&2; exit 1; }
	$(CARGO) build --release --locked --bins
	@mkdir -p target/compare/peers
	@export SCRATCH=$${SCRATCH:-$(CURDIR)/target/compare/peers} VALENCE_BIN=$(CURDIR)/target/release QUIET_WAIT=$${QUIET_WAIT:-5}; \
	bash $(PEERS)/run.sh target/compare/installed.json --rounds 0 && \
	"$$SCRATCH/venv/bin/python" tests/compare/compare.py $(PEERS) target/compare/result.json \
	  --peers $(COMPARED) --stages $(STAGES) --rounds $(ROUNDS) && \
	python3 $(PEERS)/summarize.py target/compare/result.json

SEED ?= 1
CAMPAIGN ?= c1 c2 c3 c4 c5 c6 c7 c8 c9 c10
chaos: setup-test ## run fault campaigns in full, more than an hour for all: CAMPAIGN=c2 SEED= TASKS= FAULTS= (docs/reliability.md)
	$(call install,$(NEEDS_CHAOS))
	@set -e; for campaign in $(CAMPAIGN); do echo "== $$campaign"; $(MAKE) --no-print-directory campaign-$$campaign; done

.PHONY: campaign-c4 campaign-c9
campaign-c4:
	CHAOS=full $(CARGO) test $(TESTED) --test faults -- --nocapture

campaign-c9: fuzz
	$(CARGO) test $(TESTED) --test security

campaign-%:
	CHAOS=full SEED=$(SEED) $(CARGO) test $(TESTED) --test chaos -- --include-ignored --skip control_ --nocapture $*_

EXAMPLES ?= 130
fuzz: setup-test ## ask the API more than 10,000 things made of its own description: SEED= EXAMPLES=
	SEED=$(SEED) EXAMPLES=$(EXAMPLES) $(CARGO) test $(TESTED) --test fuzz -- --nocapture

walks: setup-test ## add a kind and a driver to a copy of the sources, as docs/adding-a-kind.md and adding-a-driver.md say
	$(CARGO) test $(TESTED) --test walks -- --include-ignored --nocapture --test-threads 1

docs: setup-test ## write docs/openapi.json anew
	VALENCE_UPDATE_DOCS=1 $(CARGO) test $(TESTED) --test openapi

pictures: setup-test console ## draw docs/pictures anew: the console, and the dashboards' data
	VALENCE_PICTURES=1 $(CARGO) test $(TESTED) --test console --test dashboards -- operator live

console: console/dist/index.html ## build the web console (npm); the next build of valence-api has it in it

# A new file where there was none is nothing that cargo looks at: the file that embeds them is touched.
console/dist/index.html: console/node_modules/.package-lock.json $(shell find console/src console/public console/*.* -type f 2>/dev/null)
	cd console && npm run build
	touch src/api/console.rs

console/node_modules/.package-lock.json: console/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer, then try again" >&2; exit 1; }
	cd console && npm ci --no-audit --no-fund
	touch $@

# Without npm everything runs but the console, whose page then says how to build it.
console-if-npm:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory console || echo "the web console cannot be built: running without it"; else echo "no npm: running without the web console"; fi
