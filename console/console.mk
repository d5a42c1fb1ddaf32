# The reviewer console: its tools, its build, its checks. Included by the Makefile.

CONSOLE_TOOLS := .venv-console/.installed console/node_modules/.installed
CONSOLE_SOURCES := $(shell find console/src console/public console/contract -type f -not -name 'contract.d.ts' 2>/dev/null) \
    console/index.html console/package.json console/package-lock.json console/tsconfig.json console/vite.config.ts openapi.yaml
# Its own Node.js goes before any other; npm must not be told what make was told.
CONSOLE := cd console && PATH="$(CURDIR)/.venv-console/bin:$$PATH" npm_config_update_notifier=false
CONSOLE_BUILT := console/.build/built

.PHONY: console-install console-build console-format

console-install: ## Install what the console is built with: Node.js from PyPI, packages from npm
	@$(MAKE) --no-print-directory $(CONSOLE_TOOLS)

console-build: ## Build the console into console/dist, if something of it has changed
	@if $(MAKE) --no-print-directory --silent $(CONSOLE_TOOLS); then $(MAKE) --no-print-directory $(CONSOLE_BUILT); \
	else echo "Console    not built: its tools could not be installed (no network?). /console will say so."; fi

console-format: console-install ## Format the console
	@$(CONSOLE) npm run --silent format

lint-console: ## The console: types, ESLint, Prettier
	@$(call with,$(CONSOLE_TOOLS),$(CONSOLE) npm run --silent lint)

test-console: ## Test the components and the logic of the console
	@$(call with,$(CONSOLE_TOOLS),$(CONSOLE) npm test --silent)

# A Chromium is needed. CHROMIUM names one that is not where Debian puts it; as root, Debian's is installed. Without one the
# suite is skipped, and the summary says so.
CHROMIUM ?=
FIND_CHROMIUM = for place in "$(CHROMIUM)" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome /usr/bin/google-chrome-stable; do \
    [ -n "$$place" ] && [ -x "$$place" ] && found=$$place && break; done
test-console-browser: ## Test the whole console in Chromium, against a mock of the API: make test-console-browser TEST=keyboard
	@found=; $(FIND_CHROMIUM); \
	if [ -z "$$found" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Console    installing Chromium"; timeout 600 sh -c 'apt-get update -qq && apt-get install -qq -y chromium' >/dev/null; $(FIND_CHROMIUM); fi; \
	if [ -z "$$found" ]; then $(call skip,there is no Chromium; Debian has it as chromium); \
	else export CHROMIUM="$$found"; $(call with,$(CONSOLE_TOOLS),$(MAKE_COMMAND) --no-print-directory $(CONSOLE_BUILT) && { $(CONSOLE) npm run --silent test:browser -- $(TEST); }); fi

.venv-console/.installed: console/requirements.txt
	@sh dev/setup.sh $(@D) $<
	@touch $@

console/node_modules/.installed: console/package-lock.json .venv-console/.installed
	@echo "Console    installing its packages (once, and when console/package-lock.json changes)"
	@$(CONSOLE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(CONSOLE_BUILT): $(CONSOLE_SOURCES) console/node_modules/.installed $(if $(wildcard console/dist/index.html),,console-not-built)
	@echo "Console    building"
	@$(CONSOLE) npm run --silent build -- --logLevel warn
	@mkdir -p $(@D) && touch $@

.PHONY: console-not-built
console-not-built:
