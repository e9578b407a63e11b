//! What can be changed while the simulator runs: the answers that GAAP's documentation leaves open, and its limits.

use serde::{Deserialize, Serialize};

/// What a repeated ClientToken leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenMode {
    /// `FailedOperation.DuplicatedRequest`: what GAAP does, by the evidence of the Terraform provider's history.
    #[default]
    Refuse,
    /// The first answer again, whatever the parameters are now.
    Replay,
    /// The first answer again for the same parameters, `InvalidParameterValue` for others.
    Mismatch,
}

/// What DescribeProxies and DescribeProxiesStatus say of an id that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentAnswer {
    /// The id is left out of a successful answer.
    #[default]
    Omit,
    /// `ResourceNotFound` for the whole call as soon as one id is absent.
    Error,
    /// `ResourceNotFound` only when none of the ids exists.
    ErrorWhenNoneExists,
}

/// How a write refuses one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The id is put into `InvalidStatusInstanceSet`, the others go on.
    InvalidStatusSet,
    /// The id is put into `OperationFailedInstanceSet`, the others go on.
    OperationFailedSet,
    /// The whole call fails with this code and nothing is done.
    #[serde(untagged)]
    Error(String),
}

/// Everything `GET, POST /_sim/settings` shows and changes. A POST may hold any subset of the members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// How long an accepted destroy shows DESTROYING before the proxy vanishes, milliseconds.
    pub destroy_duration_ms: u64,
    /// How long CREATING, OPENING and CLOSING last, milliseconds.
    pub transition_duration_ms: u64,
    /// Age a proxy must have to be destroyed, seconds.
    pub minimum_age_seconds: i64,
    /// Requests in any second, per account and action; 0 switches the limit off.
    pub rate_limit: u32,
    /// What a repeated ClientToken leads to.
    pub token_mode: TokenMode,
    /// How long a token is remembered, milliseconds; 0 means for ever (bounded by the token memory's size).
    pub token_ttl_ms: u64,
    /// Whether a request that was refused for its rate uses its token up.
    pub token_used_when_throttled: bool,
    /// What the two describing actions say of an absent id.
    pub absent_in_describe: AbsentAnswer,
    /// What DestroyProxies, CloseProxies and OpenProxies say of an absent id.
    pub absent_in_write: Refusal,
    /// What DestroyProxies says of a proxy that is too young.
    pub too_young: Refusal,
    /// What DestroyProxies says of a proxy that is being destroyed already.
    pub already_destroying: Refusal,
    /// What DestroyProxies says of a proxy in any other state it cannot be destroyed in.
    pub wrong_status: Refusal,
    /// The states a proxy can be destroyed in.
    pub destroyable: Vec<String>,
    /// Largest difference between the caller's clock and the server's, seconds.
    pub maximum_clock_skew_seconds: i64,
    /// How far the server's clock is off from true time, seconds; the `Date` header shows it.
    pub clock_skew_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            destroy_duration_ms: 3_000,
            transition_duration_ms: 1_000,
            minimum_age_seconds: 120,
            rate_limit: 20,
            token_mode: TokenMode::Refuse,
            token_ttl_ms: 0,
            token_used_when_throttled: false,
            absent_in_describe: AbsentAnswer::Omit,
            absent_in_write: Refusal::Error("ResourceNotFound".to_owned()),
            too_young: Refusal::InvalidStatusSet,
            already_destroying: Refusal::InvalidStatusSet,
            wrong_status: Refusal::InvalidStatusSet,
            destroyable: ["RUNNING", "CLOSED", "ISOLATED", "CREATE_FAILED"].map(str::to_owned).to_vec(),
            maximum_clock_skew_seconds: 300,
            clock_skew_seconds: 0,
        }
    }
}

impl Settings {
    /// These settings with the members of `changes` in place of their own.
    ///
    /// # Errors
    /// A sentence when `changes` is not an object, or holds an unknown member or a value of the wrong kind.
    pub fn merged(&self, changes: &serde_json::Value) -> Result<Self, String> {
        let changes = changes.as_object().ok_or("settings are a JSON object")?;
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(all) = all.as_object_mut() {
            all.extend(changes.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        serde_json::from_value(all).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_partial_change_leaves_the_other_settings_alone() {
        let changed = Settings::default().merged(&json!({"tokenMode": "replay", "tooYoung": "operation-failed-set"}));
        let changed = changed.expect("both are settings");
        assert_eq!(changed.token_mode, TokenMode::Replay);
        assert_eq!(changed.too_young, Refusal::OperationFailedSet);
        assert_eq!(changed.rate_limit, 20);
    }

    #[test]
    fn a_refusal_is_one_of_the_sets_or_an_error_code() {
        let changed = Settings::default().merged(&json!({"alreadyDestroying": "FailedOperation.ActionIsDoing"}));
        let expected = Refusal::Error("FailedOperation.ActionIsDoing".to_owned());
        assert_eq!(changed.expect("a code is a refusal").already_destroying, expected);
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named() {
        let sentence = Settings::default().merged(&json!({"speed": 3})).expect_err("there is no such setting");
        assert!(sentence.contains("speed"), "{sentence}");
    }
}
