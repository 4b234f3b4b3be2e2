# alsobought. `make` alone lists what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Go and golangci-lint use every processor themselves, and check-generate empties db/ for a moment.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

# The official tarball's place, in case PATH does not name it.
export PATH := $(PATH):/usr/local/go/bin
# Static binaries, and no C compiler needed. What does need one (race) says so.
export CGO_ENABLED ?= 0

# The version is stamped by -ldflags, so Go need not ask git, which refuses in a checkout that belongs to another user.
GOBUILD := go build -buildvcs=false -trimpath
GIT := git -c safe.directory='$(CURDIR)'
VERSION = $(shell scripts/version)

SQLC := bin/tools/sqlc
GOLANGCI := bin/tools/golangci-lint
BENCHSTAT := bin/tools/benchstat
DEADCODE := bin/tools/deadcode
GOVULNCHECK := bin/tools/govulncheck
OAPI_CODEGEN := bin/tools/oapi-codegen
ESBUILD := bin/tools/esbuild
TESTPG := bin/tools/testpg
NFPM := bin/tools/nfpm
CYCLONEDX := bin/tools/cyclonedx-gomod

# Modules of their own beside the root's; tools/ itself has no code.
BENCH := $(patsubst %/go.mod,%,$(wildcard bench/go.mod))
NESTED := $(patsubst %/go.mod,%,$(wildcard tools/*/go.mod)) $(BENCH)
TESTED := $(sort $(foreach m,$(NESTED),$(if $(shell find $(m) -name '*_test.go'),$(m))))

TEST_FLAGS ?=
BENCH_FLAGS ?=
IMAGE ?= alsobought
# Where the tests get PostgreSQL: the installed server programs, or the server of TEST_DATABASE_URL (DATABASE_URL
# may be one in use, no test touches it). TEST_PG=docker starts a container of TEST_PG_IMAGE instead, and also
# tests tools/testpg, which starts it.
# The programs are needed in any case: internal/localpg is about them.
TEST_PG ?=
TEST_PG_IMAGE ?= postgres:17
ifeq ($(TEST_PG),docker)
with_pg := $(CURDIR)/$(TESTPG) --image '$(TEST_PG_IMAGE)' --
test_needs := postgres-programs faketime mariadb pgbouncer chromium $(TESTPG)
test_tags := -tags docker
export TEST_PG_IMAGE
else ifeq ($(TEST_PG),)
with_pg :=
test_needs := postgres-programs faketime mariadb pgbouncer chromium
test_tags :=
else
$(error TEST_PG is '$(TEST_PG)': leave it empty for the installed PostgreSQL, or say TEST_PG=docker)
endif

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ run

.PHONY: build
build: go ## bin/alsobought, a static binary that knows its version
	@$(GOBUILD) -ldflags "-s -w -X main.version=$(VERSION)" -o bin/alsobought ./cmd/alsobought

.PHONY: demo
demo: postgres-programs build ## sample orders in a private PostgreSQL, the API on 127.0.0.1:8000
	@exec bin/alsobought demo

.PHONY: migrate
migrate: database-url build ## bring the database of DATABASE_URL up to date
	@bin/alsobought migrate up

##@ backups

# docs/backups.md. The database is that of DATABASE_URL or the private one, as with every command.
BACKUP_DIR ?= backups
KEEP ?= 7

.PHONY: backup
backup: build postgres-programs ## back the database up (BACKUP_DIR=backups KEEP=7)
	@bin/alsobought backup --backup-dir '$(BACKUP_DIR)' --keep '$(KEEP)'

.PHONY: restore
restore: build postgres-programs ## restore FILE= into an empty database
	@[[ -n '$(FILE)' ]] || \
		{ echo 'make: FILE is not set, say which backup: make restore FILE=$(BACKUP_DIR)/alsobought-...' >&2; exit 1; }
	@bin/alsobought restore '$(FILE)'

.PHONY: drill
drill: build postgres-programs ## restore the newest backup into a throw-away PostgreSQL and see that all is there
	@bin/alsobought drill --backup-dir '$(BACKUP_DIR)'

##@ test

.PHONY: test
test: go $(test_needs) ## every test (TEST_PG=docker TEST_PG_IMAGE=... for a container's PostgreSQL)
	@$(with_pg) go test -timeout 25m $(TEST_FLAGS) ./...
	@$(foreach m,$(TESTED),cd $(CURDIR)/$(m) && $(if $(filter bench,$(m)),$(with_pg)) \
		go test -timeout 25m $(test_tags) $(TEST_FLAGS) ./...;)

.PHONY: test-real
test-real: go postgres-programs ## tests on public order data that is not in the repository (ALSOBOUGHT_TEST_DATA=dir)
	@[[ -n "$${ALSOBOUGHT_TEST_DATA:-}" ]] || \
		{ echo 'make: ALSOBOUGHT_TEST_DATA is not set, say where the data is' >&2; exit 1; }
	@ALSOBOUGHT_TEST_DATA="$$(realpath "$$ALSOBOUGHT_TEST_DATA")" go test -tags realdata -run Real $(TEST_FLAGS) \
		$$(grep -rl --include='*_test.go' '^//go:build realdata' . | xargs -n1 dirname | sort -u)

.PHONY: test-matrix
test-matrix: go postgres-programs ## every test with each available PostgreSQL 15 to 19 (IMAGE_17=... MATRIX=packages)
	@scripts/test-matrix $(MATRIX)

.PHONY: test-pitr
test-pitr: go postgres-programs ## point-in-time recovery with pgBackRest and deploy/pgbackrest
	@scripts/ensure pgbackrest
	@go test -tags pitr -run PointInTime $(TEST_FLAGS) ./cmd/alsobought

ROUNDS ?= 300
SEED ?=
.PHONY: soak
soak: go postgres-programs faketime ## crash drills of commands and orders over HTTP (ROUNDS=300, SEED=N repeats a run)
	@ALSOBOUGHT_SOAK_ROUNDS='$(ROUNDS)' ALSOBOUGHT_SOAK_SEED='$(SEED)' \
		go test -count 1 -timeout 12h -run '^TestSoak' -v $(TEST_FLAGS) ./cmd/alsobought

.PHONY: race
race: go cc $(test_needs) ## every test under the race detector
	@CGO_ENABLED=1 $(with_pg) go test -race $(TEST_FLAGS) ./...

.PHONY: bench
bench: go postgres-programs ## file to active build, phase by phase (BENCH_FLAGS)
	@cd bench && go run . $(BENCH_FLAGS)

.PHONY: bench-serve
bench-serve: build postgres-programs ## answers over HTTP, closed and open loop (BENCH_FLAGS='--old OTHER --building')
	@cd bench && go run ./serve $(BENCH_FLAGS)

# Only that they still run: once each, in the packages that have any.
.PHONY: bench-once
bench-once: go $(test_needs)
	@packages=$$(find . $(NESTED:%=-path ./% -prune -o) -name '*_test.go' -exec grep -l '^func Benchmark' {} + | \
		xargs -r -n1 dirname | sort -u); \
	[[ -z "$$packages" ]] || $(with_pg) go test -run '^$$' -bench . -benchtime 1x $$packages
	@$(if $(BENCH),cd bench && go build -o /dev/null ./...)

# With PostgreSQL in containers: the database tests, and docker-compose.yml. The images are TEST_PG_IMAGE and that of
# Prometheus if they are there or can be pulled, otherwise built from Debian packages.
.PHONY: test-docker
test-docker: docker ## every test on a container's PostgreSQL, and docker-compose.yml from end to end
	@image=$$(scripts/test-image postgres '$(TEST_PG_IMAGE)'); \
	$(MAKE) --no-print-directory test TEST_PG=docker TEST_PG_IMAGE="$$image"; \
	scripts/test-compose "$$image" "$$(scripts/test-image prometheus prom/prometheus:v3.1.0)"

##@ release

.PHONY: image
image: build ## the container image, of bin/alsobought (IMAGE=alsobought)
	@docker build --quiet --file deploy/Dockerfile --target prebuilt --tag '$(IMAGE)' --build-arg VERSION='$(VERSION)' \
		--build-arg REVISION="$$($(GIT) rev-parse HEAD 2>/dev/null)" \
		--build-arg CREATED="$$($(GIT) log -1 --format=%cI 2>/dev/null)" .

.PHONY: dist
dist: go $(NFPM) $(CYCLONEDX) ## release files in dist/: archives, Debian packages, SBOMs, SHA256SUMS
	@VERSION='$(VERSION)' scripts/dist

.PHONY: dist-check
dist-check: go systemd $(NFPM) $(CYCLONEDX) ## make them twice, from two clones: the same bytes, and what they should be
	@scripts/dist-check

##@ code

.PHONY: fmt
fmt: go $(GOLANGCI) ## format every Go file
	@$(GOLANGCI) fmt ./...
	@$(foreach m,$(NESTED),$(GOLANGCI) fmt ./$(m)/...;)

.PHONY: lint
lint: go $(GOLANGCI) ## golangci-lint, formats and import directions included
	@$(GOLANGCI) config verify
	@$(GOLANGCI) run ./...
	@$(foreach m,$(NESTED),cd $(CURDIR)/$(m) && \
		$(CURDIR)/$(GOLANGCI) run --build-tags docker --config $(CURDIR)/.golangci.yml ./...;)

# What no command reaches although it is not dead: the client is a library, these packages are for tests, bench/ needs
# Server.Dir, and tests go through all Reasons.
alive := ^client/|^internal/(dbtest|oracle|buildtest|browsertest|datafile/datatest)/|: (Server\.Dir|Reasons)$$

.PHONY: deadcode
deadcode: go $(DEADCODE) ## functions that no command reaches
	@dead=$$($(DEADCODE) ./... | grep -vE '$(alive)' || true); \
	[[ -z "$$dead" ]] || { echo "$$dead" >&2; exit 1; }

.PHONY: vulncheck
vulncheck: go $(GOVULNCHECK) ## known vulnerabilities in what the program uses (asks vuln.go.dev)
	@$(GOVULNCHECK) ./...

.PHONY: vet
vet: go
	@go vet ./... && go vet -tags pitr ./cmd/alsobought
	@$(foreach m,$(NESTED),cd $(CURDIR)/$(m) && go vet -tags docker ./...;)

# The queries are compiled first, so that a mistake in one of them leaves db/ as it is. db/ is emptied, because
# sqlc keeps files whose queries are gone.
.PHONY: generate
generate: go $(SQLC) $(ESBUILD) $(OAPI_CODEGEN) ## write db/, client/ and the minified widget
	@$(SQLC) compile
	@rm -f db/*.go
	@$(SQLC) generate
	@$(ESBUILD) internal/httpapi/widget.js --minify --target=es2022 --charset=utf8 --log-level=warning \
		--outfile=internal/httpapi/widget.min.js --allow-overwrite
	@go run ./cmd/alsobought openapi >client/openapi.json
	# doc.go has the comment of the package.
	@$(OAPI_CODEGEN) -config client/oapi-codegen.yaml client/openapi.json | sed '1,2d; 3G' >client/api.gen.go

.PHONY: check-generate
check-generate: generate ## fail if what is generated is not up to date
	@$(GIT) diff --exit-code --stat -- db client internal/httpapi/widget.min.js || \
		{ echo 'make: what is generated was not up to date, it is now: commit it' >&2; exit 1; }
	@untracked=$$($(GIT) ls-files --others -- db client); \
	[[ -z "$$untracked" ]] || { echo "make: generated and not in git, add it:" $$untracked >&2; exit 1; }

.PHONY: check-tidy
check-tidy: go
	@go mod tidy -diff
	@$(foreach m,$(NESTED),cd $(CURDIR)/$(m) && go mod tidy -diff;)

.PHONY: check-alerts
check-alerts: promtool ## the alert rules of deploy/prometheus, checked and tried
	@promtool check rules deploy/prometheus/alerts.yml >/dev/null
	@promtool test rules deploy/prometheus/alerts_test.yml >/dev/null

# The tests come last: what a log ends with is what people read.
.PHONY: check
check: lint deadcode check-tidy check-generate check-alerts vet bench-once test ## all that CI runs

.PHONY: tools
tools: $(SQLC) $(ESBUILD) $(OAPI_CODEGEN) $(GOLANGCI) $(BENCHSTAT) $(TESTPG) ## build the tools that other targets need

.PHONY: clean
clean: ## remove what make built
	@rm -rf bin dist

# Prerequisites

.PHONY: go
go:
	@command -v go >/dev/null || \
		{ echo "make: go not found: install Go $$(sed -n 's/^go //p' go.mod) or newer and put it on PATH" >&2; exit 1; }
	@go list -m >/dev/null 2>&1 || \
		{ echo "make: Go $$(sed -n 's/^go //p' go.mod) or newer is needed; $$(go version) says:" \
		$$(go list -m 2>&1 | tail -n 1) >&2; exit 1; }

.PHONY: database-url
database-url:
	@[[ -n "$${DATABASE_URL:-}" ]] || \
		{ echo 'make: DATABASE_URL is not set: DATABASE_URL=postgres://user@host/database make ...' >&2; exit 1; }

# Whatever DATABASE_URL says: what needs them starts a PostgreSQL of its own.
.PHONY: postgres-programs
postgres-programs:
	@scripts/ensure postgres

.PHONY: faketime
faketime:
	@scripts/ensure faketime

.PHONY: cc
cc:
	@scripts/ensure cc

.PHONY: systemd docker promtool mariadb pgbouncer chromium
systemd docker promtool mariadb pgbouncer chromium:
	@scripts/ensure $@

# Built without cgo: sqlc then runs PostgreSQL's parser as WebAssembly, which takes 1.5 s a run but no C compiler.
build_tool = @echo 'building $@ (once)' >&2; mkdir -p bin/tools; cd $(1) && \
	CGO_ENABLED=0 $(GOBUILD) -ldflags '-s -w' -o $(CURDIR)/$@ $(2) && touch $(CURDIR)/$@

$(SQLC): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,github.com/sqlc-dev/sqlc/cmd/sqlc)

$(OAPI_CODEGEN): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen)

$(ESBUILD): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,github.com/evanw/esbuild/cmd/esbuild)

$(GOLANGCI): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

$(DEADCODE): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,golang.org/x/tools/cmd/deadcode)

$(GOVULNCHECK): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,golang.org/x/vuln/cmd/govulncheck)

$(BENCHSTAT): tools/go.mod tools/go.sum | go
	$(call build_tool,tools,golang.org/x/perf/cmd/benchstat)

$(TESTPG): tools/testpg/go.mod tools/testpg/go.sum $(wildcard tools/testpg/*.go) | go
	$(call build_tool,tools/testpg,.)

$(NFPM): deploy/dist/go.mod deploy/dist/go.sum | go
	$(call build_tool,deploy/dist,github.com/goreleaser/nfpm/v2/cmd/nfpm)

$(CYCLONEDX): deploy/dist/go.mod deploy/dist/go.sum | go
	$(call build_tool,deploy/dist,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)
