//! S14: never more attempts in any second per account and action than the cloud allows, by the time of receipt.
//! Copies that the network made are not attempts. It is promised for the one that acts: where two do, for each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::case::Case;
use crate::cloud::Request;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let allowed = case.context.attempts_per_second;
    // Two that know nothing of each other keep the limit each for itself: nobody can promise more.
    let apart = case.leaderships.is_empty();
    let mut attempts: BTreeMap<(&str, &str, Option<&str>), Vec<&Request<'_>>> = BTreeMap::new();
    for request in case.cloud.by_operator() {
        report.check(Promise::S14);
        let sender = request.secret_id.filter(|_| apart && case.processes.of_request(request).is_some());
        attempts.entry((request.account, request.action, sender)).or_default().push(request);
    }
    for ((account, action, _), mut requests) in attempts {
        requests.sort_by_key(|request| request.time);
        let crowded = requests
            .iter()
            .zip(requests.iter().skip(allowed))
            .find(|(first, over)| over.time.since(first.time) < Duration::from_secs(1));
        if let Some((first, over)) = crowded {
            let span = over.time.since(first.time);
            let message = format!(
                "more than {allowed} calls within one second: #{} and #{} are {span:?} apart",
                first.seq, over.seq
            );
            let evidence = vec![case.show_request(first), case.show_request(over)];
            report.broken(Promise::S14, &format!("{action} of account {account}"), message, evidence);
        }
    }
}
