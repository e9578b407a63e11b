#!/usr/bin/env bash
# Tests the chart and the files beside it, without a cluster: lint, facts about what it renders, refused values, drift.
# The real install, upgrade and uninstall run against a real API server in tests/cluster.
set -euo pipefail
cd "$(dirname "$0")/.."

HELM=$(scripts/find-helm.sh)
export HELM
# -B: no __pycache__ folders in the source tree.
python3 -B -m unittest discover --start-directory deploy/helm/tests
scripts/generate.sh --check
