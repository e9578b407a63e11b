#!/usr/bin/env bash
# Prints the path of a program of the crate registry, which is built once into the cache:
#   scripts/cargo-tool.sh cargo-deny 0.20.2 5      the minutes it takes on 2 cores, for the message
set -euo pipefail

name=$1 version=$2 minutes=$3
tools=${XDG_CACHE_HOME:-$HOME/.cache}/gaap-operator/tools
root=$tools/$name-$version
if [[ ! -x $root/bin/$name ]]; then
    echo "building $name $version once into the cache (about $minutes minutes on 2 cores)" >&2
    CARGO_TARGET_DIR=$tools/build cargo install --locked --quiet "$name@$version" --root "$root" >&2
    rm -rf "$tools/build"
fi
echo "$root/bin/$name"
