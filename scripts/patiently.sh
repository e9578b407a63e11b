#!/usr/bin/env bash
# Runs a suite that shares its machine, and gives a test that missed a limit of time a second try with no other test beside.
#   scripts/patiently.sh THREADS COMMAND...   (COMMAND ends with the arguments of the test program)
#
# On two processors a dozen tests wait for one another, and a machine in a data centre has neighbours: there a missed limit of
# time says as much about the machine as about the operator. Wider limits alone would let a slow operator through; a second
# try alone does not. Only that is tried again: a test that fails with "too slow: " (tests/cluster/harness/patience.rs) and
# whose world, judged by the oracle as it stood then, had broken no promise of safety. Any other assertion fails at once, and
# so do more than three. What this lets through is an operator that is too slow only now and then; so what was slow is told at
# the end of the run (the file TOO_SLOW), and nobody overlooks a test that gets slower.
set -euo pipefail

threads=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
# It outlives Ctrl-C, or what the suite says while it ends would have no reader.
"$@" --test-threads "$threads" 2>&1 | tee -i "$log" || status=$?
if ((status == 0)); then
    exit 0
fi

# The names below the last "failures:". A panic that was for another reason, of whatever thread, is not for want of time.
slow=$(awk '
    /^failures:$/ { split("", failed); listed = 1; next }
    listed && /^    [^ ]/ { failed[$1] = 1; next }
    listed && NF { listed = 0 }
    /^test result: FAILED/ { for (i = 2; i <= NF; i++) if ($i == "failed;") counted = $(i - 1) }
    /^broken promise: / { wrong++ }
    /^thread .* panicked at / { split($0, part, "\047"); name = part[2]; next_is_reason = 1; next }
    next_is_reason { if (/^too slow: /) slow[name] = 1; else wrong++; next_is_reason = 0 }
    END {
        for (name in failed) { all++; if (name in slow) print name; else wrong++ }
        if (wrong || !all || all > 3 || all != counted) exit 1
    }
' "$log") || exit "$status"

mapfile -t names <<<"$slow"
echo
echo "== too slow beside the others, tried once more with no other test beside: ${names[*]}"
"$@" --test-threads 1 --exact "${names[@]}" 2>&1 | tee -i "$log"
if ! grep -q "^test result: ok\. ${#names[@]} passed" "$log"; then
    echo "not all of them were run" >&2
    exit 1
fi
if [[ -n ${TOO_SLOW:-} ]]; then
    printf '%s\n' "${names[@]}" >>"$TOO_SLOW"
fi
