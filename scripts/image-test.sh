#!/usr/bin/env bash
# Tests the images that scripts/image.sh has made, without a container engine: what is in them, and that they run.
set -euo pipefail
cd "$(dirname "$0")/.."

GAAP_IMAGES=$(realpath -m "${CARGO_TARGET_DIR:-target}/image")
export GAAP_IMAGES
# A network and mounts of its own, so that nothing of the machine is changed or reached.
if (($(id -u) == 0)); then
    export GAAP_REAL_ROOT=yes
    own=(unshare --mount --net)
else
    export GAAP_REAL_ROOT=no
    own=(unshare --user --map-root-user --mount --net)
fi
# The loopback device of a new network is down, and iproute2 is not on every machine.
exec "${own[@]}" python3 -B -c '
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
os.execv(sys.executable, [sys.executable, "-B", "tests/image/test_image.py", *sys.argv[1:]])
' "$@"
