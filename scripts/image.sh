#!/usr/bin/env bash
# Makes the container images, without a container engine, and tells their size and digest.
#
#   scripts/image.sh                      target/image/gaap-operator.tar and target/image/gaap-simulator.tar
#   scripts/image.sh gaap-operator        only this one
#   TAG=registry.example.com/team/gaap-operator:0.1.0 scripts/image.sh
#                                         the operator's image under this name; several are parted by blanks
#
# What goes into an image stands in deploy/image/NAME.json. The simulator's is for tests and demonstrations.
set -euo pipefail
cd "$(dirname "$0")/.."

images=("$@")
((${#images[@]})) || images=(gaap-operator gaap-simulator)
for image in "${images[@]}"; do
    [[ -f deploy/image/$image.json ]] || {
        echo "image: there is no deploy/image/$image.json; the images are gaap-operator and gaap-simulator" >&2
        exit 2
    }
done

programs=$(scripts/static-build.sh "${images[@]}")
# --workspace, as everywhere: alone it would be built with other features, and its dependencies once more.
cargo build --locked --quiet --workspace --bin image-archive
target=${CARGO_TARGET_DIR:-target}
for image in "${images[@]}"; do
    tags=()
    if [[ $image == gaap-operator ]]; then
        for tag in ${TAG:-}; do tags+=(--tag "$tag"); done
    fi
    "$target/debug/image-archive" --recipe "deploy/image/$image.json" --programs "$programs" \
        --output "$target/image/$image.tar" "${tags[@]}"
done
