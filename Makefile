# make demo      the main job, start to end, on a real API server (KEEP=1 leaves it running)
#                NODE=1: with the chart's pods on a real node (needs Linux and root)
# make test      everything CI runs
# make model     the deletion protocol explored with pairs of faults as well (`make test` has the bounded form)
# make image     container images without an engine, below target/image (TAG=NAME:TAG names the operator's)
# make test-fast what needs neither an API server nor Python
# make cluster   a real Kubernetes of one node, until Ctrl-C (needs Linux and root)
# make bench     what the operator costs, on a real API server (at most 45 min; QUICK=1: at most 5), into target/bench.json
# make mutants   changes the pure core in every way and asks whether a test notices (DIFF=REV: only what changed since)
# make soak      1 000 deletions under faults on both wires, about ten minutes (SOAK=N deletions, SOAK_SEED=N)
# make lint      formatting and clippy
# make generate  the CRD, the chart's copy of it, the manifests, the chart's README

.PHONY: demo image test test-fast model cluster bench mutants soak lint generate

demo:
	@scripts/prerequisites.sh
	@KEEP=$(KEEP) NODE=$(NODE) scripts/demo.sh

model:
	@scripts/prerequisites.sh
	@echo "building the model with everything optimised; from nothing it takes some minutes" >&2
	@cargo build --locked --quiet --profile model --workspace --bin gaap-model
	@exec "$${CARGO_TARGET_DIR:-target}/model/gaap-model" full

image:
	@scripts/prerequisites.sh
	@TAG="$(TAG)" scripts/image.sh

test:
	@scripts/prerequisites.sh --tests
	@scripts/test.sh

test-fast:
	@scripts/prerequisites.sh
	@scripts/test.sh --fast

cluster:
	@scripts/prerequisites.sh
	@cargo build --locked --quiet --workspace --bin gaap-control-plane
	@exec "$${CARGO_TARGET_DIR:-target}/debug/gaap-control-plane" up --node

bench:
	@scripts/prerequisites.sh
	@QUICK=$(QUICK) scripts/bench.sh

mutants:
	@scripts/prerequisites.sh
	@scripts/mutants.sh $(if $(DIFF),--diff $(DIFF))

soak:
	@scripts/prerequisites.sh
	@SOAK="$(SOAK)" SOAK_SEED="$(SOAK_SEED)" scripts/soak.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

generate:
	@scripts/prerequisites.sh
	scripts/generate.sh
