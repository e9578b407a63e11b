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
  flock 9
  if [ ! -e "$place/.complete" ]; then
    local last=""
    [ -e "$cache/$name.seconds" ] && last=", took $(cat "$cache/$name.seconds") s last time"
    say "$name: installing into $place$last"
    rm -rf "$place"
    begun=$SECONDS
    { "$python" -m venv "$place" &&
      "$place/bin/pip" install --quiet --disable-pip-version-check --no-input --requirement "$requirements"
    } >&2 9>&- &
    installer=$!
    # An interrupted run must not leave the installer behind.
    trap 'kill "$installer" 2>/dev/null || true; wait "$installer" 2>/dev/null || true' EXIT
    while kill -0 "$installer" 2>/dev/null; do
      sleep 1
      seconds=$((SECONDS - begun))
      if [ $((seconds % 15)) -eq 0 ]; then say "$name: still installing, $seconds s"; fi
    done
    wait "$installer"
    trap - EXIT
    "$place/bin/pip" check --quiet --disable-pip-version-check >&2
    echo $((SECONDS - begun)) >"$cache/$name.seconds"
    say "$name: installed in $((SECONDS - begun)) s"
    touch "$place/.complete"
  fi
  flock -u 9
  echo "$place"
}

# Both at once; the larger one is 400 MB and decides how long it takes.
scratch=$(mktemp -d)
cli_installer=
cleanup() {
  if [ -n "$cli_installer" ]; then kill "$cli_installer" 2>/dev/null || true; wait "$cli_installer" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

environment "$here/requirements-cli.txt" >"$scratch/cli" &
cli_installer=$!
environment "$here/requirements-sdk.txt" >"$scratch/sdk"
if [ -z "${GAAP_SIMULATOR:-}" ]; then
  say "building gaap-simulator"
  (cd "$root" && cargo build --quiet --package gaap-simulator)
  GAAP_SIMULATOR=${CARGO_TARGET_DIR:-$root/target}/debug/gaap-simulator
fi
wait "$cli_installer"
cli_installer=

# The SDK tests host:port against NO_PROXY, so an exemption of 127.0.0.1 does not reach it: no proxy at all. A home of
# its own, so that neither the CLI's profile of the user is read nor one is written.
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
unset "${!TENCENTCLOUD_@}" "${!TCCLI_@}"
export GAAP_SIMULATOR GAAP_TCCLI="$(cat "$scratch/cli")/bin/tccli" HOME="$scratch" PYTHONDONTWRITEBYTECODE=1
"$(cat "$scratch/sdk")/bin/python" -m pytest -p no:cacheprovider "$here" "$@"
