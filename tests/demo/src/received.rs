//! What the cloud received, from the simulator's request log: shown as a table, and judged.

use serde::Deserialize;

use crate::error::{Result, promise};

/// One request, as `GET /_sim/requests` shows it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Received {
    /// Its number.
    pub seq: u64,
    /// Instant of receipt, RFC 3339 with microseconds.
    pub time: String,
    /// The action.
    pub action: String,
    /// The ids it names.
    pub ids: Vec<String>,
    /// `Force`.
    pub force: Option<i64>,
    /// `ClientToken`.
    pub client_token: Option<String>,
    /// `OK`, a Tencent code, or `none`.
    pub code: String,
    /// The proxies it set on their way out.
    pub accepted_ids: Vec<String>,
    /// Whether the answer reached the caller.
    pub delivered: bool,
    /// Whether nothing about this entry will change any more.
    pub completed: bool,
    /// What a DescribeProxies told.
    pub describe: Option<Described>,
}

/// What a DescribeProxies told.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Described {
    /// The proxies in the answer.
    pub returned: Vec<Row>,
}

/// One proxy in an answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its state.
    pub status: String,
}

/// The columns of [`rows`].
pub const HEADER: [&str; 6] = ["TIME", "ACTION", "IDS", "FORCE", "CLIENTTOKEN", "ANSWER"];

impl Received {
    /// Whether it asks to destroy this proxy.
    pub fn destroys(&self, id: &str) -> bool {
        self.action == "DestroyProxies" && self.names(id)
    }

    fn names(&self, id: &str) -> bool {
        self.ids.iter().any(|named| named == id)
    }

    fn accepted(&self, id: &str) -> bool {
        self.accepted_ids.iter().any(|accepted| accepted == id)
    }

    /// What the caller was told of this proxy, in words.
    fn answer(&self, id: &str) -> String {
        let answer = match &self.describe {
            Some(described) if self.code == "OK" => {
                described.returned.iter().find(|row| row.id == id).map_or("not there", |row| &row.status).to_owned()
            }
            _ if self.accepted(id) => "accepted".to_owned(),
            _ if self.code == "OK" => "OK, nothing accepted".to_owned(),
            _ => self.code.clone(),
        };
        if self.delivered { answer } else { format!("{answer}, but the answer was lost") }
    }

    fn cells(&self, id: &str) -> [String; 6] {
        [
            // The clock alone, to a tenth of a second: 2026-11-24T03:04:05.123456Z.
            self.time.get(11..21).unwrap_or(&self.time).to_owned(),
            self.action.clone(),
            self.ids.join(","),
            self.force.map_or_else(|| "-".to_owned(), |force| force.to_string()),
            self.client_token.as_deref().map_or_else(|| "-".to_owned(), shortened),
            self.answer(id),
        ]
    }
}

/// A token is 58 characters long. Its first ten random ones tell it from every other one in sight.
fn shortened(token: &str) -> String {
    match token.char_indices().nth(16) {
        Some((end, _)) => format!("{}…", token.get(..end).unwrap_or(token)),
        None => token.to_owned(),
    }
}

/// The requests that name this proxy, one row each; the same look again and again is one row that says how often.
pub fn rows(requests: &[Received], id: &str) -> Vec<[String; 6]> {
    let mut rows: Vec<([String; 6], usize)> = Vec::new();
    for request in requests.iter().filter(|request| request.names(id)) {
        let cells = request.cells(id);
        match rows.last_mut() {
            Some((last, times)) if request.action == "DescribeProxies" && same_but_for_the_time(last, &cells) => {
                *times += 1;
            }
            _ => rows.push((cells, 1)),
        }
    }
    let counted = |(cells, times): ([String; 6], usize)| {
        let [time, action, ids, force, token, answer] = cells;
        let answer = if times > 1 { format!("{answer} ({times} times)") } else { answer };
        [time, action, ids, force, token, answer]
    };
    rows.into_iter().map(counted).collect()
}

fn same_but_for_the_time(one: &[String], other: &[String]) -> bool {
    one.iter().skip(1).eq(other.iter().skip(1))
}

/// How the destruction of one proxy went.
#[derive(Debug, PartialEq)]
pub struct Destruction {
    /// Requests to destroy it.
    pub requests: usize,
    /// Whether the answer to the first one was lost.
    pub first_answer_lost: bool,
    /// The one ClientToken of all these requests.
    pub client_token: String,
}

/// Checks what must hold of the destruction of one proxy, whatever went wrong on the way.
///
/// # Errors
/// A sentence that names what does not hold.
pub fn destroyed_once(requests: &[Received], id: &str, force: bool) -> Result<Destruction> {
    let sent: Vec<&Received> = requests.iter().filter(|request| request.destroys(id)).collect();
    let accepted = sent.iter().filter(|request| request.accepted(id)).count();
    promise(accepted == 1, || {
        format!("{id} was to be destroyed once, but the cloud accepted {accepted} of {} requests", sent.len())
    })?;
    let first = sent.first().copied().cloned().unwrap_or_default();
    let client_token = first.client_token.clone().unwrap_or_default();
    promise(client_token.starts_with("gaap1-") && client_token.len() <= 64 && client_token.is_ascii(), || {
        format!("the ClientToken {client_token:?} for {id} is not of the documented form")
    })?;
    for request in &sent {
        let token = request.client_token.as_deref().unwrap_or_default();
        promise(token == client_token, || format!("{id}: a repeat carried {token}, the first request {client_token}"))?;
        promise(request.ids == [id], || format!("{id}: a request named {}", request.ids.join(", ")))?;
        promise(request.force == Some(force.into()), || {
            format!("{id}: spec.force is {force}, but Force={:?} was sent", request.force)
        })?;
    }
    Ok(Destruction { requests: sent.len(), first_answer_lost: !first.delivered, client_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "gaap1-abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";

    fn destroy(code: &str, accepted: bool, delivered: bool) -> Received {
        Received {
            time: "2026-11-24T03:04:05.123456Z".to_owned(),
            action: "DestroyProxies".to_owned(),
            ids: vec!["link-a".to_owned()],
            force: Some(0),
            client_token: Some(TOKEN.to_owned()),
            code: code.to_owned(),
            accepted_ids: if accepted { vec!["link-a".to_owned()] } else { Vec::new() },
            delivered,
            ..Received::default()
        }
    }

    fn look(status: Option<&str>) -> Received {
        let row = |status: &str| Row { id: "link-a".to_owned(), status: status.to_owned() };
        Received {
            action: "DescribeProxies".to_owned(),
            ids: vec!["link-a".to_owned()],
            code: "OK".to_owned(),
            delivered: true,
            describe: Some(Described { returned: status.map(row).into_iter().collect() }),
            ..Received::default()
        }
    }

    #[test]
    fn a_lost_answer_and_its_repeat_are_one_destruction() {
        let requests =
            [destroy("none", true, false), destroy("FailedOperation.DuplicatedRequest", false, true), look(None)];
        let destruction = destroyed_once(&requests, "link-a", false).unwrap();
        let expected = Destruction { requests: 2, first_answer_lost: true, client_token: TOKEN.to_owned() };
        assert_eq!(destruction, expected);
    }

    #[test]
    fn what_breaks_the_promise_is_named() {
        let fails = |requests: &[Received], word: &str| {
            let sentence = destroyed_once(requests, "link-a", false).unwrap_err().to_string();
            assert!(sentence.contains(word), "{sentence}");
        };
        fails(&[], "accepted 0 of 0");
        fails(&[destroy("OK", true, true), destroy("OK", true, true)], "accepted 2 of 2");
        let other_token = Received { client_token: Some("gaap1-zzz".to_owned()), ..destroy("OK", true, true) };
        fails(&[destroy("none", false, false), other_token], "a repeat carried gaap1-zzz");
        fails(&[Received { client_token: None, ..destroy("OK", true, true) }], "documented form");
        fails(&[Received { force: Some(1), ..destroy("OK", true, true) }], "Force=Some(1)");
        let batch = vec!["link-a".to_owned(), "link-b".to_owned()];
        fails(&[Received { ids: batch, ..destroy("OK", true, true) }], "named link-a, link-b");
    }

    #[test]
    fn rows_say_what_the_caller_was_told_and_count_equal_looks() {
        let requests = [
            look(Some("RUNNING")),
            destroy("none", true, false),
            look(Some("DESTROYING")),
            look(Some("DESTROYING")),
            look(None),
            Received { ids: vec!["link-b".to_owned()], ..look(None) },
        ];
        let rows = rows(&requests, "link-a");
        let answers: Vec<&str> = rows.iter().map(|[.., answer]| answer.as_str()).collect();
        assert_eq!(answers, ["RUNNING", "accepted, but the answer was lost", "DESTROYING (2 times)", "not there"]);
        let expected = ["03:04:05.1", "DestroyProxies", "link-a", "0", "gaap1-abcdefghij…"];
        assert_eq!(rows[1][..5], expected.map(str::to_owned));
    }
}
