//! Status arithmetic: conditions are computed, compared with the stored ones, and written only when they differ in
//! more than times. A write on every pass would wake the object at once and cancel its back-off.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::controller::finalizer::test;
use crate::controller::observation::Resource;
use crate::controller::reasons::{Reason, condition};
use crate::crd::GaapProxyStatus;

/// The conditions and fields that a status should hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// All fields but the conditions.
    pub fields: GaapProxyStatus,
    /// Ready: value, reason, message.
    pub ready: (bool, Reason, String),
    /// Reconciling, while the operator works towards a wanted state.
    pub reconciling: Option<(Reason, String)>,
    /// Stalled, while a person must act.
    pub stalled: Option<(Reason, String)>,
    /// Deleting: the step.
    pub deleting: Option<(Reason, String)>,
}

impl Plan {
    /// A resource that is not being deleted.
    pub fn live(fields: GaapProxyStatus, ready: bool, reason: Reason, message: String) -> Self {
        Plan { fields, ready: (ready, reason, message), reconciling: None, stalled: None, deleting: None }
    }

    /// A resource in deletion, at a step. `stalled`: a person must act.
    pub fn deleting(fields: GaapProxyStatus, step: Reason, message: String, stalled: bool) -> Self {
        let ready = (false, Reason::Deleting, "The resource is being deleted.".to_owned());
        let (reconciling, stalled) =
            if stalled { (None, Some((step, message.clone()))) } else { (Some((step, message.clone())), None) };
        Plan { fields, ready, reconciling, stalled, deleting: Some((step, message)) }
    }

    /// Adds that a person must act.
    pub fn with_stalled(mut self, stalled: bool) -> Self {
        if stalled {
            self.stalled = Some((self.ready.1, self.ready.2.clone()));
        }
        self
    }

    /// The step of a deletion, or the reason of Ready.
    pub fn headline(&self) -> (Reason, &str) {
        self.deleting.as_ref().map_or((self.ready.1, self.ready.2.as_str()), |(reason, text)| (*reason, text.as_str()))
    }

    /// The status to store, or none when what is stored says the same. `lastTransitionTime` moves only when the
    /// condition's status changes; conditions of other types are left as they are.
    pub fn against(&self, stored: &GaapProxyStatus, generation: i64, now: Timestamp) -> Option<GaapProxyStatus> {
        let mut conditions: Vec<Condition> =
            stored.conditions.iter().filter(|old| !OURS.contains(&old.type_.as_str())).cloned().collect();
        let (ready, reason, message) = &self.ready;
        let positive = |entry: &'static str, value: &Option<(Reason, String)>| {
            value.as_ref().map(|(reason, message)| (entry, true, *reason, message.clone()))
        };
        let wanted = [
            Some((condition::READY, *ready, *reason, message.clone())),
            positive(condition::RECONCILING, &self.reconciling),
            positive(condition::STALLED, &self.stalled),
            positive(condition::DELETING, &self.deleting),
        ];
        for (type_, value, reason, message) in wanted.into_iter().flatten() {
            let old = stored.conditions.iter().find(|old| old.type_ == type_);
            conditions.push(condition_of(type_, value, reason, message, old, generation, now));
        }
        let mut new = GaapProxyStatus { conditions, ..self.fields.clone() };
        new.observed_generation = self.fields.observed_generation.or(Some(generation)).max(stored.observed_generation);
        (!says_the_same(&new, stored)).then_some(new)
    }
}

/// A JSON patch that stores a status. Only on the version of the resource it was decided on: the whole status is
/// replaced, so one made from an old version would take back what a newer one says (account, createTime, attempt).
pub fn patch(resource: &Resource, status: &GaapProxyStatus) -> Value {
    json!([
        test("/metadata/uid", &resource.uid),
        test("/metadata/resourceVersion", &resource.resource_version),
        { "op": "add", "path": "/status", "value": status },
    ])
}

const OURS: [&str; 4] = [condition::READY, condition::RECONCILING, condition::STALLED, condition::DELETING];

/// Kubernetes allows 32 768 bytes of message; this keeps a `kubectl describe` readable.
const MESSAGE_LIMIT: usize = 1024;

fn condition_of(
    type_: &str,
    value: bool,
    reason: Reason,
    message: String,
    old: Option<&Condition>,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let status = if value { "True" } else { "False" };
    let same_value = old.filter(|old| old.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: shorten(message, MESSAGE_LIMIT),
        last_transition_time: same_value.map_or(Time(now), |old| old.last_transition_time.clone()),
        observed_generation: Some(generation),
    }
}

/// Cuts a text to at most `limit` bytes at a character boundary.
pub fn shorten(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit.saturating_sub(3)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Two statuses that differ at most in times and in the generation their conditions were made from.
fn says_the_same(new: &GaapProxyStatus, stored: &GaapProxyStatus) -> bool {
    let plain = |status: &GaapProxyStatus| {
        let mut status = status.clone();
        if let Some(destroy) = &mut status.destroy {
            destroy.request_time = None;
        }
        status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        for condition in &mut status.conditions {
            condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
            condition.observed_generation = None;
        }
        status
    };
    plain(new) == plain(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::observation;

    const THEN: Timestamp = Timestamp::UNIX_EPOCH;
    const NOW: Timestamp = Timestamp::MAX;

    fn plan(message: &str) -> Plan {
        Plan::live(GaapProxyStatus::default(), true, Reason::Available, message.to_owned())
    }

    fn deleting(stalled: bool) -> Plan {
        Plan::deleting(GaapProxyStatus::default(), Reason::Destroying, "It goes.".to_owned(), stalled)
    }

    /// Type, value, and whether it has changed since `THEN`.
    fn changes(status: &GaapProxyStatus) -> Vec<(&str, &str, bool)> {
        let conditions = status.conditions.iter();
        conditions
            .map(|entry| (entry.type_.as_str(), entry.status.as_str(), entry.last_transition_time.0 == NOW))
            .collect()
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change_of_value_and_each_has_its_own() {
        let mut stored = plan("It runs.").against(&GaapProxyStatus::default(), 1, THEN).unwrap();
        let words = plan("It still runs.").against(&stored, 1, NOW).unwrap();
        assert_eq!(changes(&words), [("Ready", "True", false)], "other words are no change of value");
        let began = deleting(false).against(&stored, 2, NOW).unwrap();
        assert_eq!(
            changes(&began),
            [("Ready", "False", true), ("Reconciling", "True", true), ("Deleting", "True", true)]
        );
        stored = deleting(false).against(&stored, 2, THEN).unwrap();
        let stalled = deleting(true).against(&stored, 2, NOW).unwrap();
        assert_eq!(
            changes(&stalled),
            [("Ready", "False", false), ("Stalled", "True", true), ("Deleting", "True", false)]
        );
    }

    #[test]
    fn nothing_is_written_when_only_times_and_generations_differ() {
        let stored = plan("It runs.").against(&GaapProxyStatus::default(), 1, THEN).unwrap();
        assert_eq!(plan("It runs.").against(&stored, 1, NOW), None);
        let newer = plan("It runs.").against(&stored, 2, NOW).unwrap();
        assert_eq!(
            (stored.observed_generation, newer.observed_generation),
            (Some(1), Some(2)),
            "the status's own is news"
        );
        assert_eq!(newer.conditions[0].observed_generation, Some(2));
    }

    #[test]
    fn conditions_of_others_stay_as_they_are() {
        let mut stored = plan("It runs.").against(&GaapProxyStatus::default(), 1, THEN).unwrap();
        let foreign = Condition { type_: "Audited".to_owned(), ..stored.conditions[0].clone() };
        stored.conditions.insert(0, foreign.clone());
        let written = deleting(false).against(&stored, 2, NOW).unwrap();
        assert_eq!(written.conditions.iter().filter(|entry| **entry == foreign).count(), 1);
        assert_eq!(written.conditions.len(), 4);
    }

    #[test]
    fn a_status_is_stored_only_on_the_version_of_the_object_it_was_decided_on() {
        let resource = observation().resource;
        let status = plan("It runs.").against(&GaapProxyStatus::default(), 1, NOW).unwrap();
        let expected = json!([
            { "op": "test", "path": "/metadata/uid", "value": resource.uid },
            { "op": "test", "path": "/metadata/resourceVersion", "value": resource.resource_version },
            { "op": "add", "path": "/status", "value": status },
        ]);
        assert_eq!(patch(&resource, &status), expected);
    }

    #[test]
    fn a_message_is_cut_at_a_character_and_says_so() {
        assert_eq!(shorten("as it is".to_owned(), 8), "as it is");
        assert_eq!(shorten("123456789".to_owned(), 8), "12345…");
        // Each of these takes three bytes.
        assert_eq!(shorten("删除删除".to_owned(), 11), "删除…");
        let long = plan(&"x".repeat(2_000)).against(&GaapProxyStatus::default(), 1, NOW).unwrap();
        assert_eq!(long.conditions[0].message.len(), MESSAGE_LIMIT);
    }
}
