//! The request log: written when a request is received, completed when its answer is decided and delivered.

use std::collections::VecDeque;

use serde::Serialize;

use crate::clock::UnixTime;
use crate::effect::Described;

/// How many entries are kept unless another number is asked for.
pub const DEFAULT_CAPACITY: usize = 200_000;

/// The code of a request that got no answer with a code.
pub const NO_ANSWER: &str = "none";

/// One received request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Ascending in order of receipt, from 1.
    pub seq: u64,
    /// Instant of receipt, RFC 3339 with microseconds.
    pub time: String,
    /// The account of the key that signed, empty when the key is unknown.
    pub account: String,
    /// The last four characters of that key's id, so that callers who share an account can be told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `X-TC-Action` as sent.
    pub action: String,
    /// Ids as sent, the first 200 of them.
    pub ids: Vec<String>,
    /// `Force` as sent, if it was an integer.
    pub force: Option<i64>,
    /// `ClientToken` as sent.
    pub client_token: Option<String>,
    /// `OK`, a Tencent code, or `none`.
    pub code: String,
    /// The `RequestId` of the answer, empty when none was made.
    pub request_id: String,
    /// Ids this request set on their way.
    pub accepted_ids: Vec<String>,
    /// The createTime of each, in the same order: id and createTime together name an incarnation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_create_times: Vec<i64>,
    /// Whether the whole answer was handed over to the caller's connection, and can be read. An answer without a code (a
    /// redirect, an HTML page) counts as delivered under the code `none`; one that was cut, spoiled or blown up does not.
    pub delivered: bool,
    /// Whether nothing about this entry will change any more; until then a request is delayed or held.
    pub completed: bool,
    /// What a DescribeProxies told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub describe: Option<Described>,
    /// When the effect was decided, if that was not at receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_time: Option<String>,
    /// HTTP status of the answer when it is not 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Kinds of the faults that hit it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<&'static str>,
    /// The request this one is a second delivery of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<u64>,
    /// The request whose answer this one got again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<u64>,
    /// `X-TC-RequestClient` as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl Entry {
    /// An entry as it stands at receipt.
    pub fn received(time: UnixTime, account: String, action: String, ids: Vec<String>) -> Self {
        Self {
            seq: 0,
            time: time.rfc3339(),
            account,
            key: None,
            action,
            ids,
            force: None,
            client_token: None,
            code: NO_ANSWER.to_owned(),
            request_id: String::new(),
            accepted_ids: Vec::new(),
            accepted_create_times: Vec::new(),
            delivered: false,
            completed: false,
            describe: None,
            settled_time: None,
            http_status: None,
            faults: Vec::new(),
            duplicate_of: None,
            replay_of: None,
            client: None,
        }
    }
}

/// The log, bounded: the oldest entries fall out, and how many did is known.
#[derive(Debug)]
pub struct RequestLog {
    entries: VecDeque<Entry>,
    capacity: usize,
    next: u64,
    dropped: u64,
}

impl RequestLog {
    /// An empty log that keeps `capacity` entries, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity: capacity.max(1), next: 1, dropped: 0 }
    }

    /// Writes an entry and gives it its number.
    pub fn begin(&mut self, mut entry: Entry) -> u64 {
        entry.seq = self.next;
        self.next += 1;
        self.entries.push_back(entry);
        if self.entries.len() > self.capacity {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.next - 1
    }

    /// Changes an entry, if it is still kept.
    pub fn update(&mut self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let first = self.entries.front().map_or(self.next, |entry| entry.seq);
        let index = seq.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            change(entry);
        }
    }

    /// The entries with a number greater than `seq`, ascending.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = &Entry> {
        let first = self.entries.front().map_or(self.next, |entry| entry.seq);
        let skip = usize::try_from((seq + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip)
    }

    /// How many entries fell out because the log was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry::received(UnixTime(0), "1".to_owned(), "DescribeProxies".to_owned(), Vec::new())
    }

    #[test]
    fn a_full_log_drops_the_oldest_and_says_how_many() {
        let mut log = RequestLog::with_capacity(3);
        for _ in 0..5 {
            log.begin(entry());
        }
        assert_eq!(log.dropped(), 2);
        assert_eq!(log.after(0).map(|entry| entry.seq).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(log.after(4).map(|entry| entry.seq).collect::<Vec<_>>(), [5]);
        assert_eq!(log.after(5).count(), 0);
    }

    #[test]
    fn an_entry_is_completed_under_its_number_and_a_dropped_one_is_left_alone() {
        let mut log = RequestLog::with_capacity(2);
        let first = log.begin(entry());
        let second = log.begin(entry());
        log.begin(entry());
        log.update(first, |_| panic!("it is gone"));
        log.update(second, |entry| entry.code = "OK".to_owned());
        assert_eq!(log.after(0).map(|entry| entry.code.as_str()).collect::<Vec<_>>(), ["OK", "none"]);
    }
}
