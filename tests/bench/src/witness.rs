//! What the operator cost, by the logs of those who were asked: the audit log of the API server and the request log of
//! the simulated cloud. The operator's own metrics would share its mistakes.

use gaap_simulator::Entry;
use serde_json::Value;

/// Requests of the operator to the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KubeRequests {
    /// Writes of GaapProxies: metadata and status.
    pub writes: usize,
    /// Reads of anything, watches and lists included; the Lease and its watch aside.
    pub reads: usize,
    /// Of the reads, those that begin a watch.
    pub watches: usize,
    /// Of the reads, lists.
    pub lists: usize,
    /// Writes of events.
    pub events: usize,
    /// Everything about the Lease.
    pub lease: usize,
}

impl KubeRequests {
    /// Counts those of `user`.
    pub fn count<'a>(entries: impl IntoIterator<Item = &'a Value>, user: &str) -> Self {
        let mut requests = Self::default();
        for entry in entries {
            let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            // A watch has an entry when it begins and another when it ends.
            if text("/user/username") != user || text("/stage") == "ResponseStarted" {
                continue;
            }
            match (text("/objectRef/resource"), text("/verb")) {
                ("leases", _) => requests.lease += 1,
                ("events", _) => requests.events += 1,
                (_, verb @ ("get" | "list" | "watch")) => {
                    requests.reads += 1;
                    requests.watches += usize::from(verb == "watch");
                    requests.lists += usize::from(verb == "list");
                }
                _ => requests.writes += 1,
            }
        }
        requests
    }
}

/// Requests to the cloud of this action.
pub fn calls(entries: &[Entry], action: &str) -> usize {
    entries.iter().filter(|entry| entry.action == action).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_request_counts_once_and_under_one_heading() {
        let entry = |user: &str, resource: &str, verb: &str, stage: &str| json!({"user": {"username": user}, "objectRef": {"resource": resource}, "verb": verb, "stage": stage});
        let log = [
            entry("operator", "gaapproxies", "patch", "ResponseComplete"),
            entry("operator", "gaapproxies", "get", "ResponseComplete"),
            entry("operator", "gaapproxies", "list", "ResponseComplete"),
            entry("operator", "gaapproxies", "watch", "ResponseStarted"),
            entry("operator", "gaapproxies", "watch", "ResponseComplete"),
            entry("operator", "events", "create", "ResponseComplete"),
            entry("operator", "leases", "update", "ResponseComplete"),
            entry("operator", "leases", "watch", "ResponseComplete"),
            entry("somebody", "gaapproxies", "delete", "ResponseComplete"),
        ];
        let expected = KubeRequests { writes: 1, reads: 3, watches: 1, lists: 1, events: 1, lease: 2 };
        assert_eq!(KubeRequests::count(&log, "operator"), expected);
    }
}
