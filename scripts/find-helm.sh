#!/usr/bin/env bash
# Prints the path of the helm to use: $HELM, else helm in PATH, else the newest one that the test control plane has built
# into its cache. The program in PATH comes before the cache, so that a machine that has helm builds none.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gaap-operator/control-plane
if [[ -n ${HELM:-} ]]; then
    command -v "$HELM" && exit 0
    echo "HELM=$HELM is not a program that can be run" >&2
    exit 1
fi
command -v helm && exit 0
for found in $(ls -td "$cache"/*/helm 2>/dev/null); do
    [[ -x $found ]] && echo "$found" && exit 0
done
echo "helm is missing: install it, or name it in HELM, or run 'make demo' once, which builds it into $cache" >&2
exit 1
