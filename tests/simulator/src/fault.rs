//! A fault as a test writes it down.

use serde::{Deserialize, Serialize};

use crate::kinds::Kind;
use crate::settings::{AbsentAnswer, TokenMode};

/// Whether a fault comes before or after the request has had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The effect does not happen, or (delay, hang) has not happened yet.
    Before,
    /// The effect has happened.
    After,
}

/// What one look sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// The proxy is not there.
    Absent,
    /// The proxy is there.
    Present,
}

/// What a kind can be told; each kind reads the members its catalogue row names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the catalogue says what each member means for which kind")]
pub struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pattern: Vec<Sight>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<TokenMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<AbsentAnswer>,
    #[serde(skip_serializing_if = "is_false")]
    pub uses_token: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub hide_from_total: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub all: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A fault as it is posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// What it does.
    pub kind: Kind,
    /// The action it hits; every action when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// It hits requests that name one of these ids (and, for kinds that change a look, requests that name none); every
    /// request when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The account whose requests it hits; every account when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How many requests it hits; 0 means without end. 1 unless the kind says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How many matching requests it lets pass first.
    #[serde(default)]
    pub skip: u64,
    /// Share of the matching requests after the skipped ones that it hits, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Seed of the draw, so that a run can be repeated.
    #[serde(default)]
    pub seed: u64,
    /// What the kind is told.
    #[serde(default)]
    pub parameters: Parameters,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that hits the next request.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            action: None,
            ids: Vec::new(),
            account: None,
            times: None,
            skip: 0,
            probability: always(),
            seed: 0,
            parameters: Parameters::default(),
        }
    }

    /// Only requests of this action.
    #[must_use]
    pub fn on(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only requests with this id.
    #[must_use]
    pub fn for_id(mut self, id: impl Into<String>) -> Self {
        self.ids.push(id.into());
        self
    }

    /// So many requests; 0 means without end.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Every request, without end.
    #[must_use]
    pub fn endless(self) -> Self {
        self.times(0)
    }

    /// Before the request has its effect.
    #[must_use]
    pub fn before(self) -> Self {
        self.with(|with| with.phase = Some(Phase::Before))
    }

    /// After the request had its effect.
    #[must_use]
    pub fn after(self) -> Self {
        self.with(|with| with.phase = Some(Phase::After))
    }

    /// For so long.
    #[must_use]
    pub fn delay(self, milliseconds: u64) -> Self {
        self.with(|with| with.delay_ms = Some(milliseconds))
    }

    /// Lets so many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Hits this share of the matching requests, drawn from `seed`.
    #[must_use]
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = probability;
        self.seed = seed;
        self
    }

    /// Sets parameters.
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut Parameters)) -> Self {
        set(&mut self.parameters);
        self
    }

    /// How many requests it hits at most.
    pub(crate) fn limit(&self) -> u64 {
        let pattern = u64::try_from(self.parameters.pattern.len()).unwrap_or(u64::MAX);
        match self.times {
            Some(0) => u64::MAX,
            Some(times) => times,
            None if self.kind == Kind::GoneBackGone => {
                if pattern == 0 {
                    2
                } else {
                    pattern
                }
            }
            None => 1,
        }
    }
}
