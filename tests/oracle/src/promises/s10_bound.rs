//! S10: from the first moment a proxy is bound the finalizer is stored. A resource is bound when the operator writes
//! `status.proxy` or `status.account`; from then on it does not vanish but by the operator's release (S2 judges that
//! one) or by an explicit act of a person, which is told as a notice; and what it is bound to, account and createTime,
//! is not lost.

use crate::case::Case;
use crate::history::Object;
use crate::promises::s02_absence::unheard_removal;
use crate::report::{Promise, Report};

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    for object in case.history.objects() {
        first_binding(case, object, report);
        kept_binding(case, object, report);
        end(case, object, report);
    }
}

fn first_binding(case: &Case<'_>, object: &Object<'_>, report: &mut Report) {
    let mut held = false;
    for version in case.history.versions(object) {
        held |= version.object.has_finalizer();
        let binds = version.call.is_write() && version.call.by_operator && version.object.is_bound();
        if !binds {
            continue;
        }
        report.check(Promise::S10);
        // Where the log begins later, an earlier version may have had it.
        if !held && object.complete {
            let message = "the operator bound the proxy before its finalizer was stored".to_owned();
            report.broken(Promise::S10, &object.subject(), message, vec![case.show(version.call)]);
            return;
        }
    }
}

/// What the resource is bound to stays: a write of the operator neither drops nor changes it.
fn kept_binding(case: &Case<'_>, object: &Object<'_>, report: &mut Report) {
    for (version, before) in case.history.operator_writes(object) {
        let Some(before) = before else { continue };
        let (old, new) = (before.object, version.object);
        let what = if old.account_id().is_some() && old.account_id() != new.account_id() {
            "the account"
        } else if old.seen_create_time().is_some() && old.seen_create_time() != new.seen_create_time() {
            "the createTime of the proxy"
        } else {
            continue;
        };
        let message = format!("the operator dropped or changed {what} that the resource is bound to");
        let evidence = vec![case.show(before.call), case.show(version.call)];
        report.broken(Promise::S10, &object.subject(), message, evidence);
    }
}

fn end(case: &Case<'_>, object: &Object<'_>, report: &mut Report) {
    let Some(gone) = case.history.gone(object) else { return };
    let last = case.history.versions(object).next_back();
    let Some(last) = last else { return };
    report.check(Promise::S10);
    let ever_held = case.history.versions(object).any(|version| version.object.has_finalizer());
    // S2 judges a removal, also one whose answer nobody got.
    let released = unheard_removal(case, object).is_some();
    let found_missing = !gone.witnessed && !released && last.object.has_finalizer() && last.object.may_destroy();
    let never_held = last.object.is_bound() && !ever_held && object.complete;
    let why = if found_missing {
        "it vanished although its last known version had the finalizer and policy Destroy"
    } else if never_held {
        "it vanished with a bound proxy and never had the finalizer"
    } else {
        return;
    };
    let evidence = vec![case.show(last.call), case.show(gone.call)];
    report.broken(Promise::S10, &object.subject(), format!("{why} (before {})", gone.by), evidence);
}
