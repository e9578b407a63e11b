#!/usr/bin/env bash
# Builds programs of this repository that need nothing but a Linux kernel, and prints the folder that they are in.
#
#   scripts/static-build.sh gaap-operator [PACKAGE...]      each package has a program of its own name
#
# Used by scripts/image.sh and by deploy/Dockerfile, so that both make the same program.
#
# Why static glibc and not musl: the tests run a glibc build, and so the image has the same allocator and the same C
# library. Names are resolved without shared libraries: since 2.34 glibc has files and DNS built in (tests/image).
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(rustc --print host-tuple)
case $target in
*-unknown-linux-gnu) ;;
*)
    echo "static-build: the programs are made for Linux with glibc, and this machine builds for $target" >&2
    exit 1
    ;;
esac

# No path of this machine gets into the program: it would tell where it was built, and give another digest elsewhere.
# The compiler writes the paths of its own library in the form /rustc/HASH, unless its source is installed as well.
sysroot=$(rustc --print sysroot)
compiler=$(rustc -vV | sed -n 's/^commit-hash: //p')
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags=(
    -C target-feature=+crt-static
    --remap-path-prefix "$sysroot/lib/rustlib/src/rust=/rustc/$compiler"
    --remap-path-prefix "$cargo_home=/cargo"
    --remap-path-prefix "$PWD=/source"
)
# One variable, parted by a byte that no path holds: a folder may have a blank in its name.
CARGO_ENCODED_RUSTFLAGS=$(
    IFS=$'\x1f'
    printf '%s' "${flags[*]}"
)
export CARGO_ENCODED_RUSTFLAGS
# The same for the C and assembly of the TLS library.
export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo${CFLAGS:+ $CFLAGS}"

# A program that can be loaded at any address carries a list of places to adjust; packed, it takes 0.6 MB less. glibc
# reads it packed since 2.36. Not for other machines: their linker may not know it.
link=()
case $target in x86_64-*) link=(-C link-arg=-Wl,-z,pack-relative-relocs) ;; esac

# With an explicit --target the flags hold for the programs only: macros and build scripts must stay dynamic.
# One package at a time: built together they would share features, and the operator would depend on its neighbour.
for package in "$@"; do
    cargo rustc --locked --release --target "$target" --package "$package" --bin "$package" -- "${link[@]}" >&2
done
echo "${CARGO_TARGET_DIR:-target}/$target/release"
