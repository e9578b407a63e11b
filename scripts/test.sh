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

deny_version=0.20.2
tools=${XDG_CACHE_HOME:-$HOME/.cache}/gaap-operator/tools
target=${CARGO_TARGET_DIR:-target}
export CARGO_TERM_PROGRESS_WHEN=never

formatted() { cargo fmt --all --check; }
linted() { cargo clippy --workspace --all-targets --locked --quiet -- -D warnings; }
units() {
    # The binaries that the tests start are built with them; the cluster tests have a step of their own.
    cargo test --workspace --locked --quiet --lib --bins
    cargo test --locked --quiet -p gaap-simulator -p oracle --tests
    cargo test --locked --quiet -p gaap-operator --test coverage -- --nocapture
}
documented() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet; }
generated() { scripts/generate.sh --check; }
chart() { scripts/chart-test.sh; }
control_plane() { cargo test --locked --quiet -p control-plane --tests; }
binaries() { cargo run --locked --quiet -p control-plane --bin gaap-control-plane -- binaries --controllers; }
sdk() {
    cargo build --locked --quiet -p gaap-simulator --bins
    tests/sdk/run.sh "$target/debug/gaap-simulator"
}
cluster() {
    cargo build --locked --quiet -p gaap-operator --bins
    cargo test --locked --quiet -p gaap-operator --test cluster --no-run
    cargo run --locked --quiet -p control-plane --bin gaap-control-plane -- run --controllers -- \
        cargo test --locked -p gaap-operator --test cluster -- --test-threads "${CLUSTER_THREADS:-6}"
}
demo() { cargo test --locked --quiet -p demo --tests -- --nocapture; }
denied() {
    local deny=$tools/cargo-deny-$deny_version/bin/cargo-deny
    if [[ ! -x $deny ]]; then
        echo "building cargo-deny $deny_version once into the cache (about 5 minutes on 2 cores)"
        CARGO_TARGET_DIR=$tools/build cargo install --locked --quiet "cargo-deny@$deny_version" \
            --root "$tools/cargo-deny-$deny_version"
        rm -rf "$tools/build"
    fi
    "$deny" --all-features check bans licenses sources
}

steps=(
    "formatted|the code is formatted"
    "linted|clippy finds nothing"
    "units|unit, loopback and oracle tests, and the coverage table"
    "documented|the documentation builds without a warning"
)
if [[ -z $fast ]]; then
    steps+=(
        "binaries|kube-apiserver, etcd, kube-controller-manager, kubectl and helm are there (built once from their Go modules)"
        "generated|generated files are what their sources make of them"
        "chart|the chart: lint, schema, renderings"
        "denied|cargo-deny: licences, bans, sources"
        "sdk|the official Python SDK and tccli against the simulator"
        "control_plane|the control plane starts, serves, and leaves nothing"
        "cluster|the operator on a real API server"
        "demo|the demo, whole and interrupted"
    )
fi

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
        echo "FAILED in step $number/${#steps[@]}: $what (${took} s, exit status $status)" >&2
        exit 1
    fi
    echo "== step $number/${#steps[@]} done in ${took} s"
done

echo
printf '%s\n' "${summary[@]}"
echo "all ${#steps[@]} steps passed in $((SECONDS - began)) s"
