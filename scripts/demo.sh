#!/usr/bin/env bash
# What `make demo` runs: builds gaap-demo, which is small, and becomes it. That program finds or builds the rest, with
# Rust and Go side by side. KEEP=1 leaves everything running at the end; NODE=1 tells the story with pods on a node, for
# which the images are made as well. Arguments go to gaap-demo (see --help).
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}/debug
program=$target/gaap-demo
sources=(Cargo.toml Cargo.lock rust-toolchain.toml tests/demo/Cargo.toml tests/demo/src tests/control-plane)

# --workspace gives every package the features that it has in the other builds of the workspace, so that nothing is
# compiled twice; --bin limits what is built to this one program.
build=(cargo build --locked --workspace --bin gaap-demo)
if [[ -x $program && -z $(find "${sources[@]}" -newer "$program" -print -quit) ]]; then
    "${build[@]}" --quiet
else
    last="never built here before; from nothing it takes about a minute on two cores"
    [[ -s $target/gaap-demo.seconds ]] && last="the last build took $(<"$target/gaap-demo.seconds") s"
    echo "building gaap-demo with Cargo; $last" >&2
    "${build[@]}"
    touch "$program"
    echo "$SECONDS" >"$target/gaap-demo.seconds"
fi

if [[ -n ${KEEP:-} && ${KEEP:-} != 0 ]]; then
    set -- --keep "$@"
fi
if [[ -n ${NODE:-} && ${NODE:-} != 0 ]]; then
    # Before a build of many minutes.
    "$program" --node --check
    echo "making the images; when nothing is built, that takes some minutes" >&2
    # Under their own names: a TAG of the user's is for images that are pushed.
    TAG="" scripts/image.sh >&2
    set -- --node "$@"
fi
exec "$program" "$@"
