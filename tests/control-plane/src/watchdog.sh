# Ends what its owner leaves behind, whatever the owner's end was.
#
# $1 names a folder that does not exist yet. Standard input is a pipe whose other end only the owner holds, so it
# ends when the owner closes it, exits, panics or is killed with SIGKILL: no signal handler is needed anywhere.
# SIGINT and the like go to the whole foreground process group of a terminal; the watchdog has to outlive them.
trap '' HUP INT TERM

folder=$1
mkdir -m 700 "$folder" && mkdir "$folder/pids" || exit 1
echo ready
exec >/dev/null

while read -r _; do :; done

# The move comes first. A process that is just being started writes its pid and then looks whether its pid file is
# still where it should be, so either it sees the move and gives up, or its pid is read below.
ending=$folder.ending
mv "$folder" "$ending" || exit 0

# The owner may have reaped a process whose number now belongs to a stranger: only a process whose command line
# names our folder is ended.
is_ours() {
    if [ -r "/proc/$1/cmdline" ]; then tr '\0' ' ' <"/proc/$1/cmdline"; else ps -ww -o command= -p "$1"; fi |
        grep -qF -e "$folder"
}

# Each process leads a group of its own, so what it started ends with it.
for file in "$ending"/pids/*; do
    [ -f "$file" ] && read -r pid <"$file" && is_ours "$pid" && kill -s KILL -- "-$pid"
done

# A process may still be writing in the instant it is ended, and rm then finds a folder not empty.
tries=0
while [ -e "$ending" ] && [ "$tries" -lt 50 ]; do
    rm -rf "$ending" || sleep 0.1
    tries=$((tries + 1))
done
