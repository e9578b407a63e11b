#!/usr/bin/env bash
# Everything CI runs, fastest first. Stops at the first step that fails and names it.
#   scripts/test.sh          all steps
#   scripts/test.sh --fast   only the steps that need neither an API server nor Python
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
"" | --fast) fast=${1:-} ;;
*)
    echo "usage: scripts/test.sh [--fast]" >&2
    exit 2
    ;;
esac

# The absolute path, for programs that are started from another folder.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
export CARGO_TERM_PROGRESS_WHEN=never

# Everything is built with --workspace: a package that is built alone gets other features of the shared dependencies,
# and they would be compiled twice.
suite() { cargo test --workspace --locked --quiet "$@"; }

formatted() {
    cargo fmt --all --check
    scripts/patiently-test.sh
}
linted() { cargo clippy --workspace --all-targets --locked --quiet -- -D warnings; }
units() {
    suite --lib --bins
    suite --test http --test program --test promises --test recorded --test readme
    suite --test coverage -- --nocapture
}
# Both tables are to be seen in every run.
model() {
    cargo build --workspace --bin gaap-model --locked --quiet
    "$target/debug/gaap-model" bounded
    suite --test bugs -- --nocapture
}
documented() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet; }
programs() { cargo build --workspace --bins --locked --quiet; }
generated() { GAAP_OPERATOR=$target/debug/gaap-operator scripts/generate.sh --check; }
chart() { GAAP_OPERATOR=$target/debug/gaap-operator scripts/chart-test.sh; }
control_plane_program=$target/debug/gaap-control-plane
# With a node all of Kubernetes is one build, far cheaper than one program after the other. Where there can be no node
# this says why; the tests that need one then skip themselves, or fail with REQUIRE_NODE=1.
binaries() { "$control_plane_program" binaries --node || "$control_plane_program" binaries --controllers; }
sdk() { GAAP_SIMULATOR=$target/debug/gaap-simulator tests/sdk/run.sh -q; }
control_plane() { suite --test behaviour; }
# Two at a time: every test has a node of its own, of about a gigabyte.
node() { suite --test node -- --test-threads 2; }
pods() {
    suite --test pods --no-run
    if ! "$control_plane_program" binaries --node >/dev/null; then
        suite --test pods
        return
    fi
    # What the tests measure is to be seen in every run.
    scripts/patiently.sh "${PODS_THREADS:-3}" "$control_plane_program" run --node -- \
        cargo test --workspace --locked --test pods -- --nocapture
}
cluster() {
    # The earlier operator, which the tests of upgrades start.
    suite --features previous-operator/program --test previous
    suite --test cluster --no-run
    scripts/patiently.sh "${CLUSTER_THREADS:-14}" "$control_plane_program" run --controllers -- \
        cargo test --workspace --locked --test cluster --
}
fire() {
    suite --test fire --no-run
    # The table of faults, and the pairs, are to be seen in every run.
    scripts/patiently.sh 2 "$control_plane_program" run --controllers -- \
        cargo test --workspace --locked --test fire -- --nocapture
}
image() {
    scripts/image.sh
    scripts/image-test.sh
}
demo() { suite --test demo -- --nocapture; }
denied() {
    local deny
    deny=$(scripts/cargo-tool.sh cargo-deny 0.20.2 5)
    "$deny" --all-features check bans licenses sources
}

steps=(
    "formatted|the code is formatted; of failed tests only slow ones are tried again"
    "linted|clippy finds nothing"
    "units|unit, loopback and oracle tests, and the coverage table"
    "model|the deletion protocol, explored with every single fault; seeded bugs are caught"
    "documented|the documentation builds without a warning"
    "programs|the programs build"
)
if [[ -z $fast ]]; then
    steps+=(
        "binaries|kube-apiserver, etcd, kubectl, helm and what a node runs are there (built once from their Go modules)"
        "generated|generated files are what their sources make of them"
        "chart|the chart: lint, schema, renderings"
        "denied|cargo-deny: licences, bans, sources"
        "sdk|the official Python SDK and tccli against the simulator"
        "control_plane|the control plane starts, serves, and leaves nothing"
        "image|the container images: made without an engine, and run on an empty root"
        "node|a real node starts, runs pods, and leaves nothing"
        "cluster|the operator on a real API server"
        "fire|single faults at every effect of a deletion, and pairs of them by chance"
        "pods|the chart in pods on a real node"
        "demo|the demo, whole and interrupted"
    )
fi

# Which tests were slow beside the others, see scripts/patiently.sh.
mkdir -p "$target/tmp"
export TOO_SLOW=$target/tmp/too-slow
rm -f "$TOO_SLOW"
tell_slow() {
    if [[ -s $TOO_SLOW ]]; then
        sed 's/^/too slow beside the others, in time when alone: /' "$TOO_SLOW"
    fi
}

summary=()
began=$SECONDS
number=0
for step in "${steps[@]}"; do
    number=$((number + 1))
    name=${step%%|*} what=${step#*|}
    echo
    echo "== step $number/${#steps[@]}: $what"
    from=$SECONDS
    # In a shell of its own, and not as a condition, so that `set -e` holds inside.
    set +e
    (
        set -e
        "$name"
    )
    status=$?
    set -e
    took=$((SECONDS - from))
    summary+=("$(printf '%4d s  %s' "$took" "$what")")
    if ((status)); then
        printf '\n%s\n' "${summary[@]}"
        tell_slow
        echo "FAILED in step $number/${#steps[@]}: $what (${took} s, exit status $status)" >&2
        exit 1
    fi
    echo "== step $number/${#steps[@]} done in ${took} s"
done

echo
printf '%s\n' "${summary[@]}"
tell_slow
echo "all ${#steps[@]} steps passed in $((SECONDS - began)) s"
