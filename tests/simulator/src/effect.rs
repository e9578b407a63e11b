//! What carrying out a request led to: the answer's members, and what the log is told.

use serde::Serialize;
use serde_json::{Map, Value};

/// The outcome of a request that was not refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    /// Members of `Response`, without `RequestId`.
    pub body: Map<String, Value>,
    /// Ids this very request set on their way; empty for a replayed answer.
    pub accepted: Vec<String>,
    /// Their createTime, in the same order: id and createTime together name an incarnation.
    pub accepted_create_times: Vec<i64>,
    /// What a DescribeProxies told.
    pub described: Option<Described>,
    /// The sequence number of the request whose answer this repeats.
    pub replay_of: Option<u64>,
}

impl Effect {
    /// An effect with the given answer only.
    pub fn answering(body: Value) -> Self {
        let body = if let Value::Object(body) = body { body } else { Map::new() };
        Self { body, ..Self::default() }
    }

    /// The same answer given again.
    #[must_use]
    pub fn replayed(&self, sequence: u64) -> Self {
        Self { accepted: Vec::new(), accepted_create_times: Vec::new(), replay_of: Some(sequence), ..self.clone() }
    }
}

/// What a DescribeProxies told its caller, for whoever judges conclusions drawn from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// `TotalCount` as told.
    pub total_count: i64,
    /// `Limit` as asked, or its default.
    pub limit: i64,
    /// Rows as told.
    pub returned: Vec<Row>,
}

/// One row of a DescribeProxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Proxy id.
    pub id: String,
    /// Status as told.
    pub status: String,
    /// Unix seconds.
    pub create_time: i64,
}
