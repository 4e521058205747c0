# The front door: everything a person does with this project has a target here. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

SWIFT ?= swift
PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/.*current = "\(.*\)"/\1/p' Sources/Vedette/Version.swift)
# Flags of the static release stand here and not in Package.swift: unsafe flags there would keep the library from being
# a dependency of others. Exclusivity checks cost 9 ns for each property of a class that is read. A generic type found by its
# mangled name is a search through the conformances of the whole executable, Foundation's too: a sixth of the time to start.
STATIC_FLAGS := -c release --product vedette --static-swift-stdlib -Xswiftc -static-executable \
	-Xswiftc -Xfrontend -Xswiftc -disable-concrete-type-metadata-mangled-name-accessors
RELEASE_FLAGS := $(STATIC_FLAGS) -Xswiftc -enforce-exclusivity=unchecked
# No target imports what no target declares. That each declares what it imports itself is SourceRulesTests' to see.
IMPORT_CHECK := --explicit-target-dependency-import-check error
# In a static executable glibc warns about its name-service and dlopen functions; the supervisor calls none of them.
QUIET_LINK := 2> >(grep -v -e 'in statically linked applications requires at runtime' >&2)

BUILD_PACKAGES := libseccomp-dev libcap-dev libtomlplusplus-dev pkg-config gcc make git
TEST_PACKAGES := busybox-static python3 perl file man-db patch diffutils bsdutils util-linux tar findutils procps bc mmdebstrap inotify-tools e2fsprogs btrfs-progs
LINT_PACKAGES := shellcheck shfmt clang-format
BENCH_PACKAGES := bubblewrap proot runsc

.PHONY: help build-deps deps build release run demo-coherence test test-full faults checked lint lint-deps format bench bench-deps doc install uninstall deb dist image clean

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build-deps: ## install the packages that building needs (apt; as root or with sudo)
	@command -v $(SWIFT) >/dev/null || { echo "make: no '$(SWIFT)' in PATH: install Swift 6.2 or later, see https://swift.org/install" >&2; exit 1; }
	@Tests/EndToEndTests/apt-install.sh $(BUILD_PACKAGES)

lint-deps: ## what `make lint` needs beside Swift
	@Tests/EndToEndTests/apt-install.sh $(LINT_PACKAGES)

deps: build-deps lint-deps ## the same, and what the tests and lint need
	@Tests/EndToEndTests/apt-install.sh $(TEST_PACKAGES)

build: ## debug build; a warning is an error
	$(SWIFT) build $(IMPORT_CHECK)

release: build-deps ## static executable: .build/release/vedette
	@echo "building .build/release/vedette, one static executable (some minutes the first time; swift build is quiet until it is done)"
	@$(SWIFT) build --quiet $(IMPORT_CHECK) $(RELEASE_FLAGS) $(QUIET_LINK)
	@ls -l --dereference .build/release/vedette | awk '{ printf "%s: %.1f MB\n", $$NF, $$5 / 1e6 }'

run: release ## the main job: a script changes files all over inside; the host stays as it was
	@Tests/EndToEndTests/demo.sh .build/release/vedette

demo-coherence: release ## a mapping sees another program's writes: a plain file system, kernel overlayfs and Vedette side by side
	@Tests/EndToEndTests/demo-coherence.sh .build/release/vedette

test: deps release faults checked ## all tests: units, conformance guests natively and inside, real programs on both builds
	@Tests/EndToEndTests/all.sh

test-full: test ## `make test`, and what takes longer: every fault, longer exhaustion, ten minutes of fuzzing
	@VEDETTE_FAULTS_PASSES=1 Tests/EndToEndTests/checks/faults.sh
	@for mode in root nobody no-namespaces; do echo "exhaustion ($$mode)"; \
		EXHAUST_SECONDS=4 EXHAUST_MODES=all EXHAUST_DEPTH=9000 MODE=$$mode Tests/EndToEndTests/checks/exhaustion.sh || exit 1; done
	@PARTS=escape SPAN=1 Tests/EndToEndTests/all.sh
	@ctests/fuzz/run.sh 600

faults: ## a build for tests in which a system call of the supervisor can be made to fail: .build/faults/debug/vedette
	$(SWIFT) build --product vedette --scratch-path .build/faults --disable-index-store -Xcc -DVEDETTE_FAULTS

checked: build-deps ## the release with checks of exclusive access, for tests: .build/checked/release/vedette
	@$(SWIFT) build --quiet --scratch-path .build/checked --disable-index-store $(STATIC_FLAGS) $(QUIET_LINK)

# Scenarios and checks set variables for each other (SC2154); `local name=` is meant (SC1007); sourced files are linted themselves (SC1091).
SHFMT := --language-dialect bash --indent 4
SHELL_FILES = .ci/run $(shell find .ci ctests Tests -name '*.sh')
C_FILES = $(shell find Sources -name '*.[ch]' -o -name '*.cpp')
C_TEST_FILES = $(shell find ctests Tests -name '*.[ch]' -o -name '*.cpp')

lint: lint-deps ## Swift (swift format), shell (shellcheck, shfmt) and C (clang-format): what differs is an error
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift
	@shellcheck --shell=bash --severity=warning --exclude=SC2154,SC1007,SC1091 $(SHELL_FILES)
	@shfmt --diff $(SHFMT) $(SHELL_FILES)
	@clang-format --dry-run --Werror --style=file:.ci/clang-format $(C_FILES)
	@clang-format --dry-run --Werror --style=file:.ci/clang-format-tests $(C_TEST_FILES)

format: lint-deps ## the same, mended in place where a tool can
	$(SWIFT) format --in-place --recursive Sources Tests Package.swift
	@shfmt --write $(SHFMT) $(SHELL_FILES)
	@clang-format -i --style=file:.ci/clang-format $(C_FILES)
	@clang-format -i --style=file:.ci/clang-format-tests $(C_TEST_FILES)

bench: deps release ## micro-benchmark: native, bubblewrap, PRoot, runsc and Vedette in turn
	@ctests/bench/run.sh

bench-deps: ## install the peers that `make bench` compares with, as far as apt has them
	@Tests/EndToEndTests/apt-install.sh --available $(BENCH_PACKAGES)

doc: ## the contributors' documentation of all targets as a DocC archive: .build/Vedette.doccarchive
	$(SWIFT) build --product vedette
	"$$($(SWIFT) build --show-bin-path)/vedette" calls >Sources/Vedette/Vedette.docc/SystemCalls.md
	$(SWIFT) package dump-symbol-graph --minimum-access-level public
	rm -rf .build/symbol-graphs .build/Vedette.doccarchive && mkdir -p .build/symbol-graphs
	cd "$$($(SWIFT) build --show-bin-path)/../symbolgraph" && for target in $(notdir $(wildcard Sources/*)); do \
		find . -name "$$target.symbols.json" -o -name "$$target@*.symbols.json"; done | xargs cp -t $(CURDIR)/.build/symbol-graphs
	docc convert Sources/Vedette/Vedette.docc --additional-symbol-graph-dir .build/symbol-graphs \
		--fallback-display-name Vedette --fallback-bundle-identifier vedette \
		--output-path .build/Vedette.doccarchive
	@echo "Vedette $(VERSION): look at it with: docc preview Sources/Vedette/Vedette.docc --additional-symbol-graph-dir .build/symbol-graphs"

install: release ## install below $(PREFIX) (PREFIX=/usr/local, DESTDIR): binary, man page, completions, configurations
	@.ci/packaging/stage.sh .build/release/vedette "$(DESTDIR)" "$(PREFIX)"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/vedette, its man page, completions and configurations"

uninstall: ## remove what `make install` put there
	@.ci/packaging/stage.sh --remove "$(DESTDIR)" "$(PREFIX)"

deb: release ## a Debian package of the static executable, in .build/dist
	@.ci/packaging/deb.sh .build/release/vedette .build/dist

image: release ## a minimal container image (OCI layout; podman load, docker load), in .build/dist
	@.ci/packaging/image.sh .build/release/vedette .build/dist

dist: deb image ## these two, a tarball of the static executable, and SHA256SUMS of all, in .build/dist
	@.ci/packaging/dist.sh .build/release/vedette .build/dist

clean: ## remove everything that was built
	$(SWIFT) package clean
	rm -rf .build/ctests .build/dist .build/bench .build/symbol-graphs .build/Vedette.doccarchive
