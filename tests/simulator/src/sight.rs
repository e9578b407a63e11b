//! What one look at one proxy sees, which under faults is not what is there.

use crate::fault::Sight;
use crate::faults::{Hit, Plan};
use crate::kinds::Kind;
use crate::proxies::{Proxies, Proxy, status};

/// The proxy as this look shows it to its owner; `None` when the look says that it is not there.
pub(crate) fn look(proxies: &Proxies, account: &str, id: &str, plan: &Plan) -> Option<Proxy> {
    let concerning = |kind| plan.get(kind).filter(|hit| hit.concerns(id));
    let doomed = proxies.is_doomed(account, id);
    let truth = || proxies.of_account(account, id).cloned();
    let remembered = || truth().or_else(|| proxies.last_record(account, id).cloned());

    let mut seen = if let Some(hit) = concerning(Kind::GoneBackGone).filter(|_| doomed) {
        match sight(hit) {
            Sight::Absent => None,
            Sight::Present => remembered().map(|proxy| Proxy {
                status: hit.parameters.status.clone().unwrap_or_else(|| status::DESTROYING.to_owned()),
                ..proxy
            }),
        }
    } else if let Some(hit) = concerning(Kind::StaleAfterAccept).filter(|_| doomed) {
        remembered().map(|proxy| Proxy {
            status: hit
                .parameters
                .status
                .clone()
                .or_else(|| proxy.before_destroy.clone())
                .unwrap_or_else(|| status::RUNNING.to_owned()),
            ..proxy
        })
    } else {
        truth()
    };
    if let (Some(seen), Some(hit)) = (&mut seen, concerning(Kind::UnknownStatus)) {
        seen.status = hit.parameters.status.clone().unwrap_or_else(|| "QUIESCING".to_owned());
    }
    seen
}

fn sight(hit: &Hit) -> Sight {
    let pattern: &[Sight] = match hit.parameters.pattern.as_slice() {
        [] => &[Sight::Absent, Sight::Present],
        pattern => pattern,
    };
    let index = usize::try_from(hit.nth).unwrap_or(0) % pattern.len();
    pattern.get(index).copied().unwrap_or(Sight::Absent)
}
