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

command_line() {
    if [ -d /proc/self ]; then tr '\0' ' ' <"/proc/$1/cmdline"; else ps -ww -o command= -p "$1"; fi 2>/dev/null
}

# The owner may have reaped a process whose number now belongs to a stranger: only a process whose command line
# names our folder is ended.
is_ours() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        case $(command_line "$1") in
        *"$folder"*) return 0 ;;
        ?*) return 1 ;;
        esac
        # No command line: it has ended, or is in the midst of becoming its program, which takes an instant.
        kill -0 "$1" 2>/dev/null || return 1
        ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# Each process leads a group of its own, so what it started ends with it.
killed=
for file in "$ending"/pids/*; do
    [ -f "$file" ] && read -r pid <"$file" && is_ours "$pid" && kill -s KILL -- "-$pid" && killed=yes
done

# Control groups are no files: only empty ones can be removed, from the innermost outwards, and they are busy until
# the last of their processes is gone.
remove_groups() {
    left=
    while read -r group; do
        [ -d "$group" ] || continue
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ ! -d "$group" ] || left=yes
    done <"$ending/cgroups"
    [ -z "$left" ]
}
if [ -f "$ending/cgroups" ]; then
    tries=0
    until remove_groups || [ "$tries" -ge 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi

remove() {
    rm -rf "$ending" "$folder"
    [ ! -e "$ending" ] && [ ! -e "$folder" ]
}

# A process may still be writing in the instant it is ended, and rm then finds a folder not empty.
tries=0
until remove || [ "$tries" -ge 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
# etcd and the API server make a folder they miss, with its parents, and one may have been about to.
[ -z "$killed" ] || for _ in 1 2 3; do
    sleep 0.1
    remove
done
