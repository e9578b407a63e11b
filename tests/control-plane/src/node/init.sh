# The first process of a node: it makes the node's mounts and its network, says so, and from then on only collects
# orphans. When it ends the kernel ends everything in its process namespace.
#
# $1 is the guarded folder of the control plane. Runs in namespaces of its own, so nothing here changes the machine.
set -eu
node=$1/node

# Before /proc is the one of our own process namespace: the number by which others know this process.
read -r outside _ </proc/self/stat
mount -t proc proc /proc

# The kubelet shares volumes with pods; propagation stays among these mounts.
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns "$node/var-log" "$node/sysctl"
# The kubelet writes to /var/log/containers, wherever the logs of the pods are.
mount --bind "$node/var-log" /var/log

# Folders whose place nobody can choose: the kubelet's of device plugins, the network library's of results. What is
# written there goes to our folder; what the machine has stays visible, because programs may be below somebody's home.
mkdir -p "$node/var-lib/written" "$node/var-lib/work"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$node/var-lib/written,workdir=$node/var-lib/work" overlay /var/lib

# The kubelet insists on these values. Files in their place show it what it wants; the machine keeps its own.
pretend() {
    file=$node/sysctl/$(basename "$1")
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1

ip link set lo up
# A bridge without ports only carries the node's address. The type dummy is not in every kernel.
ip link add node0 type bridge
ip address add "$2/32" dev node0
ip link set node0 up
# For the node itself, whose own packets to a Service need some way before kube-proxy's rules see them.
ip route add "$3" dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward

echo "$outside" >"$node/first-process.new"
mv "$node/first-process.new" "$node/first-process"
# A shell that waits for a child also collects those it never had: the shims of containerd become ours.
while :; do
    sleep 2147483 &
    wait
done
