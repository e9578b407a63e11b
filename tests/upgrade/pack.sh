#!/usr/bin/env bash
# Packs the sources of an earlier operator, for the upgrade tests:  tests/upgrade/pack.sh COMMIT
# To be run once a version is released, with its tag. The archive is committed, because CI may have no history; which
# commit it holds, `gzip -dc tests/upgrade/previous.tar.gz | git get-tar-commit-id` tells.
set -euo pipefail
cd "$(dirname "$0")/../.."
commit=$(git rev-parse --verify --quiet "${1:?usage: tests/upgrade/pack.sh COMMIT}^{commit}")
# Tests are left out: they are not compiled into the program.
git archive --format=tar "$commit" -- src ':(exclude)src/**/tests.rs' ':(exclude)src/**/tests/**' |
    gzip --best --no-name >tests/upgrade/previous.tar.gz
git log -1 --format='packed %h (%cs): %s' "$commit"
du -b tests/upgrade/previous.tar.gz
