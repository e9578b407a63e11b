//! S16: at most one accepted destroy per proxy (id and createTime) while one is in effect. A destroy that the cloud
//! took back, so that a true look showed the proxy in another state again, may be followed by another.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::cloud::{Request, Sight};
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let mut last: BTreeMap<&str, &Request<'_>> = BTreeMap::new();
    for request in case.cloud.destroys() {
        for id in &request.accepted {
            report.check(Promise::S16);
            let before = last.insert(id, request);
            let Some(before) = before.filter(|before| !taken_back(case, id, before, request)) else { continue };
            let message =
                format!("DestroyProxies #{} was accepted while that of #{} was in effect", request.seq, before.seq);
            let evidence = vec![case.show_request(before), case.show_request(request)];
            let sent = case.sent().find(|(send, sent)| sent.seq == request.seq && send.id == *id);
            let subject = sent.map_or_else(|| (*id).to_owned(), |(send, _)| case.subject(send));
            report.broken(Promise::S16, &subject, message, evidence);
        }
    }
}

/// Between the two, somebody was truly shown the proxy in a state that no destroy leaves it in. Whether it is the same
/// proxy or another under its id makes no difference: the first destroy is over.
fn taken_back(case: &Case<'_>, id: &str, first: &Request<'_>, second: &Request<'_>) -> bool {
    case.cloud.requests.iter().any(|look| {
        let between = look.answer.decided > first.answer.decided && look.time <= second.time;
        let other = matches!(look.sight(id), Sight::Present { status, .. } if status != "DESTROYING");
        between && other && look.shows_truth()
    })
}
