# Everything a person or a CI job does here, by name. `make` alone prints the list. The recipes are thin: what is on
# the machine is scripts/setup.sh's business, what is built is Package.swift's.

PREFIX  ?= /usr/local
DESTDIR ?=
SWIFT   ?= swift

# An installable binary is linked differently, so it has its own build folder and leaves the usual one alone.
STATIC_BUILD := .build/static

bindir   = $(DESTDIR)$(PREFIX)/bin
sharedir = $(DESTDIR)$(PREFIX)/share/foretoken
docdir   = $(DESTDIR)$(PREFIX)/share/doc/foretoken
bashdir  = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir   = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir  = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

# OpenBLAS knows this CPU; settings that were meant for another program must not slow it down or change its results.
unexport OPENBLAS_CORETYPE
unexport OPENBLAS_L2_SIZE

.DEFAULT_GOAL := help
.PHONY: help setup build demo test soak soak-prefix soak-protocol test-client load-test test-long test-peers test-training test-neon test-editors install uninstall bench format clean

help: ## print this list
	@echo 'Foretoken: repository-level code completion on your own machine'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-22s %s\n' "$$name" "$$text"; done

setup: ## check what the build needs; on Debian and Ubuntu install what is missing
	@scripts/setup.sh

build: setup ## build .build/release/foretoken
	$(SWIFT) build -c release

demo: build ## let the daemon complete this repository and show what an editor would
	@.build/release/foretoken demo

test: setup ## run all tests; those of the editor plugins in the editors that are installed
	$(SWIFT) test -c release --disable-xctest
	editors/tests/run.sh --installed

test-editors: build ## test the plugins in Neovim, Emacs, Vim and Node, installing them where apt can
	editors/tests/install.sh
	editors/tests/run.sh

soak: setup ## compare speculative with plain decoding on 2,000 random cases (resume with FORETOKEN_SOAK_FIRST=n)
	FORETOKEN_SOAK_CASES=$${FORETOKEN_SOAK_CASES:-2000} FORETOKEN_SOAK_TOKENS=$${FORETOKEN_SOAK_TOKENS:-12000} \
	  $(SWIFT) test -c release --disable-xctest --filter LosslessnessTests

test-long: setup ## compare target and draft with PyTorch at 15,360 tokens in 32-bit floats (minutes)
	FORETOKEN_LONG_TESTS=1 $(SWIFT) test -c release --disable-xctest --filter LongGoldenTests

test-peers: setup ## complete with a real llama-server on this machine (Benchmarks/peers/build.sh server builds it)
	FORETOKEN_PEERS=1 $(SWIFT) test -c release --disable-xctest --filter PeerServerTests

soak-prefix: setup ## compare reused with recomputed keys and values over 1,000 random edit scripts
	FORETOKEN_SOAK_SCRIPTS=$${FORETOKEN_SOAK_SCRIPTS:-1000} $(SWIFT) test -c release --disable-xctest --filter EditScriptTests

soak-protocol: setup ## throw 100,000 mutated messages and as many mutated streams at the server (FORETOKEN_SOAK_MESSAGES, _FIRST)
	FORETOKEN_SOAK_MESSAGES=$${FORETOKEN_SOAK_MESSAGES:-100000} $(SWIFT) test -c release --disable-xctest --filter MutationTests

test-client: build ## drive the built binary with pygls, a language client not written here (needs Python 3.10 and PyPI)
	scripts/test-client.sh .build/release/foretoken

load-test: build ## twenty minutes of fast typing in three files against the built binary (LOAD_MINUTES)
	Benchmarks/typing/load.py --minutes $${LOAD_MINUTES:-20}

test-training: ## run the training pipeline's tests (needs Python 3.11 with training/pyproject.toml's packages)
	cd training && python3 -m pytest tests

test-neon: ## test the arm64 kernels under emulation (needs gcc-aarch64-linux-gnu and qemu-user)
	scripts/test-neon.sh

install: setup ## install binary, model, editor plugins and shell completions (PREFIX=/usr/local, DESTDIR=)
	$(SWIFT) build -c release --static-swift-stdlib --product foretoken --scratch-path $(STATIC_BUILD) -Xlinker -s
	install -d "$(bindir)" "$(sharedir)" "$(docdir)" "$(bashdir)" "$(zshdir)" "$(fishdir)"
	install -m 755 $(STATIC_BUILD)/release/foretoken "$(bindir)/foretoken"
	install -m 644 Models/*.gguf Models/*.md "$(sharedir)"
	install -m 644 LICENSE "$(docdir)"
	rm -rf "$(sharedir)/editors"
	share=$$(cd "$(sharedir)" && pwd) && cd editors && \
	  find README.md emacs neovim vim vscode -type f ! -name '*test.*' ! -name '*.elc' \
	  -exec install -D -m 644 {} "$$share/editors/{}" \;
	$(STATIC_BUILD)/release/foretoken --generate-completion-script bash >"$(bashdir)/foretoken"
	$(STATIC_BUILD)/release/foretoken --generate-completion-script zsh >"$(zshdir)/_foretoken"
	$(STATIC_BUILD)/release/foretoken --generate-completion-script fish >"$(fishdir)/foretoken.fish"
	chmod 644 "$(bashdir)/foretoken" "$(zshdir)/_foretoken" "$(fishdir)/foretoken.fish"

uninstall: ## remove what install put under PREFIX
	rm -f "$(bindir)/foretoken" "$(bashdir)/foretoken" "$(zshdir)/_foretoken" "$(fishdir)/foretoken.fish"
	rm -rf "$(sharedir)" "$(docdir)"

bench: build ## measure prompt and decoding speed on this machine
	@.build/release/foretoken bench

format: ## format the Swift sources in place
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

clean: ## remove everything that was built
	rm -rf .build
