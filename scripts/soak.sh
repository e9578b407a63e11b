#!/usr/bin/env bash
# What `make soak` runs: SOAK deletions (1 000) under the faults of the seed SOAK_SEED (drawn and told when not given). Ends
# with the figures, or with the line that repeats the run.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --workspace --bins --locked --quiet
"${CARGO_TARGET_DIR:-target}/debug/gaap-control-plane" binaries
exec cargo test --workspace --locked --quiet --test fire -- --ignored --nocapture --exact \
    soak::a_thousand_deletions_under_fire_lose_nothing_and_destroy_nothing_twice
