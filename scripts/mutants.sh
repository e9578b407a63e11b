#!/usr/bin/env bash
# Changes the pure core in every way that cargo-mutants knows, one at a time, and asks whether a test notices.
#   scripts/mutants.sh            all of it; writes docs/mutants.md (about an hour on 2 cores)
#   scripts/mutants.sh --diff REV only the lines that changed since the commit REV; writes nothing
# Fails below 95 % caught, and for a survivor without a reason in tests/mutants/survivors.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

version=27.1.0
goal=95
output=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mutants
reasons=tests/mutants/survivors.txt
page=docs/mutants.md

mutants=$(scripts/cargo-tool.sh cargo-mutants "$version" 3)

commit=$(git rev-parse --short=12 HEAD)
git diff --quiet HEAD -- src || commit="$commit with changes"
# What an earlier run left would be taken for the result of one that finds no mutant.
rm -rf "$output"
mkdir -p "$output"
arguments=(mutants --no-shuffle --colors never --output "$output" --package gaap-operator)
case ${1:-} in
"") ;;
--diff)
    git diff "${2:?a commit is missing}" -- src >"$output/changes.diff"
    arguments+=(--in-diff "$output/changes.diff")
    ;;
*)
    sed -n '3,4s/^# *//p' "$0" >&2
    exit 2
    ;;
esac

# Nobody debugs a mutant, and it links faster without.
export CARGO_PROFILE_DEV_DEBUG=none
started=$SECONDS
# 2: mutants were missed, 3: a test did not end in time. Both are judged below.
status=0
"$mutants" "${arguments[@]}" || status=$?
((status == 0 || status == 2 || status == 3)) || exit "$status"
took=$((SECONDS - started))

results=$output/mutants.out
if [[ ! -e $results/caught.txt ]]; then
    echo "no mutant: nothing of the pure core changed"
    exit 0
fi
count() { wc -l <"$results/$1.txt"; }
caught=$(($(count caught) + $(count timeout)))
missed=$(count missed)
share=$(awk -v caught="$caught" -v missed="$missed" 'BEGIN { printf "%.1f", caught + missed ? 100 * caught / (caught + missed) : 100 }')

# A survivor is named without its place in the file, which every change moves. Fields are parted by tabs: the names hold
# every other sign.
tab=$'\t'
survivors=$(
    sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$results/missed.txt" | sort | uniq -c |
        sed -E "s/^ *([0-9]+) /\\1$tab/" | awk -F"$tab" -v OFS="$tab" '
            NR == FNR { if (NF == 2) reason[$1] = $2; next }
            { print $1, $2, reason[$2] }
        ' "$reasons" -
)
unexplained=$(printf '%s\n' "$survivors" | awk -F"$tab" 'NF && $3 == "" { print $2 }')
[[ -z $unexplained ]] || sed "s/^/survives without a reason in ${reasons//\//\\/}: /" <<<"$unexplained" >&2

table() {
    echo "# Mutants of the pure core"
    echo
    echo "Written by \`make mutants\`; not edited by hand. cargo-mutants $version, $(rustc --version | cut -d' ' -f1,2), commit $commit,"
    echo "$(date -u +%F), $((took / 60)) minutes. $caught of $((caught + missed)) mutants are caught: $share % (goal: $goal %)."
    echo "$(count timeout) of the caught ones never ended, $(count unviable) more did not compile and count for nothing."
    echo
    echo "| file | caught | survived |"
    echo "|---|---:|---:|"
    cat "$results"/{caught,timeout,missed}.txt | cut -d: -f1 | sort -u | while read -r file; do
        echo "| \`$file\` | $(cat "$results"/{caught,timeout}.txt | grep -c "^$file:") | $(grep -c "^$file:" "$results/missed.txt" || true) |"
    done
    echo
    echo "The survivors, and why each may live (\`$reasons\`):"
    echo
    echo "| survivor | times | reason |"
    echo "|---|---:|---|"
    [[ -z $survivors ]] || while IFS=$tab read -r times survivor why; do
        echo "| \`${survivor//|/\\|}\` | $times | ${why:-none yet} |"
    done <<<"$survivors"
}

echo "$caught of $((caught + missed)) mutants caught: $share %"
[[ -n ${1:-} ]] || table >"$page"
[[ -z $unexplained ]] || exit 1
awk -v share="$share" -v goal="$goal" 'BEGIN { exit !(share >= goal) }' || {
    echo "fewer than $goal % caught" >&2
    exit 1
}
