#!/usr/bin/env bash
# Makes every generated file of the repository, or with --check compares them and changes nothing.
#
#   crds/gaapproxies.yaml                    from src/crd.rs, by `gaap-operator crd`
#   deploy/helm/gaap-operator/files/…        a copy of it, because a chart can read only its own folder
#   deploy/helm/gaap-operator/README.md      its table of values, from the comments in values.yaml
#   deploy/manifests/*.yaml                  the plain install, rendered from the chart
#   README.md                                its tables of codes and settings, by tests/readme.rs, which is also their
#                                            check: --check leaves it to `cargo test`
#
# GAAP_OPERATOR names a built operator; without it cargo builds one. HELM names helm (scripts/find-helm.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
"") check= ;;
--check) check=yes ;;
*)
    echo "usage: scripts/generate.sh [--check]" >&2
    exit 2
    ;;
esac

chart=deploy/helm/gaap-operator
helm=$(scripts/find-helm.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
drifted=0

# settle NEW FILE: FILE becomes NEW, or is compared with it.
settle() {
    if [[ -z $check ]]; then
        mkdir -p "$(dirname "$2")"
        # Only on a change, so that cargo and make do not see new times for old content.
        cmp -s "$1" "$2" || { cp "$1" "$2" && echo "wrote $2"; }
    elif ! diff -u --label "$2" --label "$2, as it should be" "$2" "$1"; then
        echo "$2 is not what its source makes of it: run scripts/generate.sh (make generate) and commit the result" >&2
        drifted=1
    fi
}

# The plain install is for people who do not use Helm: what would make its objects look like a release is taken off.
render() {
    "$helm" template gaap-operator "$work/chart" --namespace gaap-operator-system \
        --skip-tests --set crds.keep=false --set credentials.existingSecret=gaap-credentials "$@" |
        sed -e '/^# Source: /d' -e '/^ *helm\.sh\/chart: /d' -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d'
}

heading="# Made by scripts/generate.sh from $chart: do not edit."

if [[ -n ${GAAP_OPERATOR:-} ]]; then
    "$GAAP_OPERATOR" crd >"$work/crd.yaml"
else
    cargo run --quiet --locked --bin gaap-operator -- crd >"$work/crd.yaml"
fi
# Everything below is made from it: something else than a definition must not get further than this line.
grep -q '^kind: CustomResourceDefinition$' "$work/crd.yaml" || {
    echo "'${GAAP_OPERATOR:-gaap-operator} crd' printed no CustomResourceDefinition" >&2
    exit 1
}
settle "$work/crd.yaml" crds/gaapproxies.yaml
settle "$work/crd.yaml" "$chart/files/gaapproxies.yaml"

scripts/chart-values.py "$chart/values.yaml" "$chart/README.md" >"$work/README.md"
settle "$work/README.md" "$chart/README.md"

# The manifests are rendered from a chart with the new CRD, also when --check leaves the old one in place.
cp -r "$chart" "$work/chart"
cp "$work/crd.yaml" "$work/chart/files/gaapproxies.yaml"
{
    echo "$heading"
    render --show-only templates/crd.yaml
} >"$work/crd-manifest.yaml"
settle "$work/crd-manifest.yaml" deploy/manifests/crd.yaml
{
    echo "$heading"
    render --set crds.enabled=false
} >"$work/operator.yaml"
settle "$work/operator.yaml" deploy/manifests/operator.yaml

if [[ -z $check ]]; then
    UPDATE_README=1 cargo test --quiet --locked --test readme >"$work/readme.log" 2>&1 || {
        cat "$work/readme.log" >&2
        exit 1
    }
fi

if ((drifted)); then exit 1; fi
[[ -z $check ]] || echo "generated files: no drift"
