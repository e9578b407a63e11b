#!/usr/bin/env bash
# Runs the official Tencent Cloud SDK and CLI, unchanged, against the simulator.
#
#   tests/sdk/run.sh [pytest arguments]
#
# GAAP_SIMULATOR   a built gaap-simulator; without it the program is built with cargo
# PYTHON           the Python to make the environments with (python3)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gaap-operator/sdk

say() { printf 'sdk: %s\n' "$*" >&2; }

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("Python 3 with venv (Debian: python3-venv)")
command -v flock >/dev/null || missing+=("flock (Debian: util-linux)")
command -v sha256sum >/dev/null || missing+=("sha256sum (Debian: coreutils)")
[ -n "${GAAP_SIMULATOR:-}" ] || command -v cargo >/dev/null || missing+=("cargo (rustup.rs), or GAAP_SIMULATOR")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'sdk: missing: %s\n' "${missing[@]}" >&2
  exit 2
fi

# The environment of a requirements file; its path is printed. What determines its content is its name, and only a
# finished one has the marker, so an interrupted installation is begun anew.
environment() {
  local requirements=$1 name key place begun installer seconds
  name=$(basename "$requirements" .txt)
  key=$({ cat "$requirements"; "$python" -VV; "$python" -c 'import sys; print(sys.prefix)'; } | sha256sum | cut -c1-16)
  place=$cache/$name-$key
  mkdir -p "$cache"
  exec 9>"$place.lock"
  if ! flock --nonblock 9; then
    say "$name: another run is installing it, waiting"
    flock 9
  fi
  if [ ! -e "$place/.complete" ]; then
    local last=""
    [ -e "$cache/$name.seconds" ] && last=", took $(cat "$cache/$name.seconds") s last time"
    say "$name: installing into $place$last"
    rm -rf "$place"
    begun=$SECONDS
    # A process group of its own (job control makes one for each background job), so that pip's children end with it.
    set -m
    { "$python" -m venv "$place" &&
      "$place/bin/pip" install --quiet --disable-pip-version-check --no-input --requirement "$requirements"
    } </dev/null >&2 9>&- &
    installer=$!
    set +m
    trap 'kill -- "-$installer" 2>/dev/null || true; wait "$installer" 2>/dev/null || true' EXIT
    trap 'exit 143' TERM
    while kill -0 "$installer" 2>/dev/null; do
      # Waiting for a sleep in the background, bash attends to a signal at once.
      sleep 1 9>&- &
      wait $!
      seconds=$((SECONDS - begun))
      if [ $((seconds % 15)) -eq 0 ]; then say "$name: still installing, $seconds s"; fi
    done
    wait "$installer"
    trap - EXIT TERM
    "$place/bin/pip" check --quiet --disable-pip-version-check >&2
    echo $((SECONDS - begun)) >"$cache/$name.seconds"
    say "$name: installed in $((SECONDS - begun)) s"
    touch "$place/.complete"
  fi
  flock -u 9
  echo "$place"
}

# Both at once, and the build beside them; the command line tool brings 400 MB and decides how long it takes. They run
# in the background because bash attends to a signal at once only while it waits.
scratch=$(mktemp -d)
children=()
cleanup() {
  local child
  for child in "${children[@]}"; do
    kill "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for part in cli sdk; do
  environment "$here/requirements-$part.txt" >"$scratch/$part" &
  children+=($!)
done
if [ -z "${GAAP_SIMULATOR:-}" ]; then
  say "building gaap-simulator"
  (cd "$root" && exec cargo build --quiet --package gaap-simulator) </dev/null &
  children+=($!)
  GAAP_SIMULATOR=${CARGO_TARGET_DIR:-$root/target}/debug/gaap-simulator
fi
for child in "${children[@]}"; do wait "$child"; done
children=()

# The SDK tests host:port against NO_PROXY, so an exemption of 127.0.0.1 does not reach it: no proxy at all. A home of
# its own, so that neither the CLI's profile of the user is read nor one is written.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
unset "${!TENCENTCLOUD_@}" "${!TCCLI_@}"
export GAAP_SIMULATOR GAAP_TCCLI="$(cat "$scratch/cli")/bin/tccli" HOME="$scratch" PYTHONDONTWRITEBYTECODE=1
"$(cat "$scratch/sdk")/bin/python" -m pytest -p no:cacheprovider "$here" "$@" &
children=($!)
wait "${children[0]}"
