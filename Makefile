# Every command of the project. `make` alone lists them.
override UV_VERSION := 0.13.9
override PYTHON := .venv/bin/python
export UV_PYTHON_PREFERENCE ?= system

# Of the caller's variables those count that say where to fetch from and how to print; others of their kind would put
# things elsewhere or run something else. No path of the caller's is a target or goes through make: make splits at spaces.
KEPT := GIT_ASKPASS GIT_PROXY% GIT_SSH% GIT_SSL% PYTEST_ADDOPTS \
	PIP_%CERT PIP_%HOST PIP_%INDEX PIP_%LINKS PIP_%PROVIDER PIP_%TIMEOUT PIP_%URL PIP_CACHE_DIR PIP_CONFIG_FILE PIP_PROXY \
	PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PYTHONUNBUFFERED PYTHONUTF8 \
	UV_%CERTS UV_%HOST UV_%INDEX UV_%LINKS UV_%MIRROR UV_%PROVIDER UV_%TIMEOUT UV_%TLS UV_%URL UV_CACHE_DIR \
	UV_CONCURRENT_% UV_CONFIG_FILE UV_INDEX_% UV_LINK_MODE UV_OFFLINE UV_PYTHON_DOWNLOADS UV_PYTHON_PREFERENCE
unexport $(filter-out $(KEPT), $(filter GIT_% PIP_% PYTEST_% PYTHON% UV_%, $(.VARIABLES))) \
	BASH_ENV CDPATH GREP_OPTIONS VIRTUAL_ENV

# What the caller writes reaches a program as it is: neither make nor the shell reads it.
override PLANNED := $(value PLANNED)
override PLATFORM := $(value PLATFORM)
override REALLY := $(value REALLY)
override REGION := $(value REGION)
override STACK := $(value STACK)
export PLATFORM REALLY REGION STACK

.PHONY: help rehearse rehearse-down rehearse-clean shell status test lint format e2e surroundings bench matrix state host-image add-ons plugins audit quotas cost teardown

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

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

lint: .venv/ready ## Linters and the type checker over everything
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@.venv/bin/basedpyright
	@.venv/bin/hadolint app/Dockerfile
	@.venv/bin/shellcheck --external-sources .ci/run $$(grep -lIE '^#!.*\b(ba)?sh\b' -r rehearsal app infra jenkins tests --include='*' --exclude='*.py')
	@.venv/bin/yamllint --strict .
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.renovate renovate.json
	@.venv/bin/check-jsonschema --quiet --schemafile jenkins/jenkins.schema.yaml jenkins/jenkins.yaml
	@$(PYTHON) -m rehearsal.toolchain.groovy_lint Jenkinsfile jenkins/one-build.groovy tests/jenkins/*.groovy

format: .venv/ready ## Format the code
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

e2e: .venv/ready ## The rehearsal itself, from nothing to nothing, with a screenshot of each page (Linux, root, chromium)
	@$(PYTHON) -m rehearsal.toolchain all
	@$(PYTHON) -m pytest -m "rehearsal or e2e"

state: .venv/ready ## AWS: make the bucket and the key that hold the stacks' state (REGION=us-east-1)
	@$(PYTHON) -m operations state --region "$${REGION:-us-east-1}"

host-image: .venv/ready ## AWS: print the newest machine image for the Jenkins hosts (REGION=us-east-1 STACK=platform)
	@$(PYTHON) -m operations host-image --region "$${REGION:-us-east-1}" --stack "$${STACK:-platform}"

add-ons: .venv/ready ## AWS: ask whether the pinned versions of the cluster's add-ons are on offer (REGION=us-east-1)
	@$(PYTHON) -m operations add-ons --region "$${REGION:-us-east-1}"

plugins: .venv/ready ## Compare the pinned checksums of Pulumi's and Jenkins's plugins with the sites that have them
	@$(PYTHON) -m operations plugins

audit: .venv/ready ## Ask whether advisories are out for the locked packages of Python (needs pypi.org)
	@$(PYTHON) -m operations audit

quotas: .venv/ready ## AWS: ask whether the account's quotas are large enough (REGION=us-east-1)
	@$(PYTHON) -m operations quotas --region "$${REGION:-us-east-1}"

cost: .venv/ready ## AWS: what the stacks cost in a month (PLANNED=yes: what they would after an `up`)
	@$(PYTHON) -m operations cost $(if $(value PLANNED),--planned)

teardown: .venv/ready ## AWS: destroy every environment on a platform, then the platform (PLATFORM=name REALLY=name)
	@$(PYTHON) -m pipeline teardown "$$PLATFORM" --really "$$REALLY"

surroundings: .venv/ready ## Try the project in other surroundings, and write docs/surroundings.md
	@$(PYTHON) -m tests.surroundings

matrix: .venv/ready ## Ask the policies who reaches what, and write the table in docs/trust.md
	@$(PYTHON) -m tests.matrix

bench: .venv/ready ## Measure, and write docs/figures.md (needs a running rehearsal)
	@$(PYTHON) -m rehearsal bench

# Where there is no `uv`, one is put into the virtual environment, which has its own from then on.
.venv/ready: pyproject.toml uv.lock
	@command -v uv >/dev/null || [ -x .venv/bin/uv ] || { \
		python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
			{ echo "Python 3.11 or newer is needed as python3 (https://www.python.org/downloads/)." >&2; exit 1; }; \
		python3 -m venv .venv || { echo "python3 has no venv module: on Debian, apt-get install python3-venv." >&2; exit 1; }; \
		{ printf 'uv==%s' '$(UV_VERSION)'; sed -n '/^name = "uv"$$/,/^$$/s/.*hash = "\(sha256:[0-9a-f]*\)".*/ --hash=\1/p' uv.lock | tr -d '\n'; } >.venv/uv.txt; \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement .venv/uv.txt; }
	@uv=$$(command -v uv || echo .venv/bin/uv); "$$uv" sync --locked --quiet --compile-bytecode
	@touch $@
