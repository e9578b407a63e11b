# The kubelet, started again when it ends, as the service manager of a machine does. $0 is a file that is there from
# the moment the kubelet was ready for the first time: before that its end is the end.
while
    status=0
    "$@" || status=$?
    [ -e "$0" ]
do
    sleep 0.1
done
exit "$status"
