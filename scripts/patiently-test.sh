#!/usr/bin/env bash
# scripts/patiently.sh against suites that are nothing but their output.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# suite FIRST STATUS [SECOND]: what it prints at the first run, how the second one ends, and what that one prints.
suite() {
    printf '%s\n' "$1" >"$folder/first"
    rm -f "$folder/arguments" "$folder/slow"
    cat >"$folder/suite" <<EOF
#!/usr/bin/env bash
echo "\$*" >>"$folder/arguments"
[[ \$(wc -l <"$folder/arguments") == 1 ]] || { echo "${3:-test result: ok. 1 passed; 0 failed}"; exit $2; }
cat "$folder/first"
! grep -q '^failures:' "$folder/first"
EOF
    chmod +x "$folder/suite"
}

# expect NAME STATUS RUNS TOLD
expect() {
    local status=0 runs told
    TOO_SLOW=$folder/slow scripts/patiently.sh 14 "$folder/suite" --nocapture >"$folder/out" 2>&1 || status=$?
    runs=$(wc -l <"$folder/arguments")
    told=$(cat "$folder/slow" 2>/dev/null || true)
    if [[ "$status $runs $told" != "$2 $3 $4" ]]; then
        echo "$1: expected status $2, $3 runs, told '$4'; got $status, $runs, '$told'" >&2
        cat "$folder/out" >&2
        exit 1
    fi
}

# failing NAME=REASON...
failing() {
    local one
    for one; do
        printf "thread '%s' (7) panicked at tests/a.rs:1:2:\n%s\nnote: run with\n" "${one%%=*}" "${one#*=}"
    done
    printf '\nfailures:\n\n---- a::b stdout ----\nwords\n\nfailures:\n'
    for one; do printf '    %s\n' "${one%%=*}"; done | sort -u
    printf '\ntest result: FAILED. 1 passed; %s failed; 0 ignored\n' "$(printf '%s\n' "${@%%=*}" | sort -u | wc -l)"
}

suite "test a::b ... ok" 0
expect "a suite that passes" 0 1 ""

suite "$(failing 'a::b=too slow: x: not within 2s')" 0
expect "one that was slow and is not when alone" 0 2 "a::b"
[[ $(tail -1 "$folder/arguments") == "--nocapture --test-threads 1 --exact a::b" ]]

suite "$(failing 'a::b=too slow: x')" 1
expect "one that is slow when alone" 1 2 ""

suite "$(failing 'a::b=the oracle says')" 0
expect "a broken promise" 1 1 ""

suite "$(failing 'a::b=too slow: x' 'a::c=the oracle says')" 0
expect "a broken promise beside a slow one" 1 1 ""

suite "$(failing 'a::b=too slow: x' 'a::b=the oracle says')" 0
expect "a slow one that broke a promise as well" 1 1 ""

suite "$(failing 'a::a=too slow: x' 'a::b=too slow: x' 'a::c=too slow: x' 'a::d=too slow: x')" 0
expect "more than three" 1 1 ""

suite "$(failing 'a::b=too slow: x' 'a::c=too slow: y')" 0 "test result: ok. 2 passed; 0 failed"
expect "two that were slow" 0 2 $'a::b\na::c'

suite "$(failing 'a::b=too slow: x' 'a::Odd<1>=the oracle says')" 0
expect "one with an odd name" 1 1 ""

suite "$(failing 'a::b=too slow: x')
thread 'tokio-rt-worker' (8) panicked at tests/a.rs:1:2:
index out of bounds" 0
expect "a panic of a thread that is no test" 1 1 ""

suite "$(failing 'a::b=too slow: x')
broken promise: a::b: S1" 0
expect "one that was slow when a promise was broken" 1 1 ""

suite "$(failing 'a::b=too slow: x')" 0 "test result: ok. 0 passed; 0 failed"
expect "a second run without a test" 1 2 ""

suite "failures:

---- a::b stdout ----

thread 'a::b' (7) panicked at tests/a.rs:1:2:
too slow: x: not within 2s
note: run with
    words

failures:
    a::b

test result: FAILED. 3 passed; 1 failed; 0 ignored" 0
expect "as it is told when output is captured" 0 2 "a::b"

suite $'error: could not compile\nfailures:' 0
expect "one that did not get as far as a test" 1 1 ""

echo "a missed limit of time is tried again alone, and nothing else is"
