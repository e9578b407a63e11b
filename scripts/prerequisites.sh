#!/usr/bin/env bash
# Names everything that is missing on this machine at once, with what to install. `--tests` also asks for what only
# `make test` needs.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || missing+=("Rust (cargo): install rustup from rustup.rs; it takes the version from rust-toolchain.toml")
have make || missing+=("make: the package 'make'")
have cc || missing+=("a C compiler (cc): the package 'gcc' or 'build-essential' (the TLS library has C and assembly)")
# With KUBEBUILDER_ASSETS neither API server nor etcd is built, but kubectl or helm may still have to be.
if ! have go; then
    missing+=("Go $(sed -n 's/^go //p' tests/control-plane/go/kubernetes/go.mod) or later: from go.dev, or the package 'golang-go' if it is new enough")
fi
if [[ ${1:-} == --tests ]]; then
    if ! have python3; then
        missing+=("Python 3 with venv: the packages 'python3' and 'python3-venv' (the official SDK is tried against the simulator)")
    elif ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
        missing+=("Python's venv: the package 'python3-venv'")
    fi
fi

if ((${#missing[@]})); then
    echo "This machine lacks:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 2
fi
