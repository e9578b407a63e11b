#!/usr/bin/env bash
# What `make bench` runs: builds the operator as it is shipped in the image (release, static) and gaap-bench, which
# measures it. QUICK=1 takes smaller numbers. Arguments go to gaap-bench (see --help).
set -euo pipefail
cd "$(dirname "$0")/.."

quick=()
if [[ -n ${QUICK:-} && ${QUICK:-} != 0 ]]; then
    quick=(--quick)
fi
echo "building the operator as it is shipped, and gaap-bench; from nothing it takes some minutes" >&2
programs=$(scripts/static-build.sh gaap-operator)
# Not a release build: it waits for the operator and counts log lines. --workspace, as everywhere: its dependencies are
# those of the tests then, and built already.
cargo build --locked --quiet --workspace --bin gaap-bench
exec "${CARGO_TARGET_DIR:-target}/debug/gaap-bench" --operator "$programs/gaap-operator" "${quick[@]}" "$@"
