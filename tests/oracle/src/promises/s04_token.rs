//! S4: token -> request is a function, and request -> token too. At most 64 ASCII characters, and nobody can read a
//! uid, a name or a secret in it.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::cloud::Request;
use crate::report::{Evidence, Promise, Report};
use crate::sends::Send;

/// Shorter names occur in random text by chance.
const SHORTEST_NAME: usize = 6;

/// What a token stands for.
#[derive(Clone, PartialEq, Eq)]
struct Meaning<'a> {
    ids: Vec<&'a str>,
    force: Option<i64>,
}

pub(super) fn check(case: &Case<'_>, report: &mut Report) {
    let mut meanings: BTreeMap<&str, (Meaning<'_>, &Request<'_>)> = BTreeMap::new();
    let mut owners: BTreeMap<&str, (&str, &Request<'_>)> = BTreeMap::new();
    let mut tokens: BTreeMap<String, (&str, &Request<'_>)> = BTreeMap::new();
    for (send, request) in case.sent() {
        report.check(Promise::S4);
        let subject = case.subject(send);
        let mut broken = |message: String, evidence: Vec<Evidence>| {
            report.broken(Promise::S4, &subject, format!("DestroyProxies #{} {message}", request.seq), evidence);
        };
        let Some(token) = request.token else {
            broken("carries no ClientToken".to_owned(), vec![case.show_request(request)]);
            continue;
        };
        if let Some(why) = malformed(case, send, token) {
            broken(why, vec![case.show_request(request)]);
        }
        let meaning = Meaning { ids: request.ids.clone(), force: request.force };
        let (first, earlier) = meanings.entry(token).or_insert((meaning.clone(), request));
        if *first != meaning {
            let message = format!("carries the token of #{}, which was another request", earlier.seq);
            broken(message, vec![case.show_request(earlier), case.show_request(request)]);
        }
        let Some(read) = send.read.filter(|read| read.object.uid() == send.uid) else { continue };
        let uid = send.uid.unwrap_or_default();
        let (owner, earlier) = owners.entry(token).or_insert((uid, request));
        if *owner != uid {
            let message = format!("carries the token of #{}, which was for another resource", earlier.seq);
            broken(message, vec![case.show_request(earlier), case.show_request(request)]);
        }
        let key = format!("{uid} {:?} {:?} {}", request.ids, request.force, read.object.attempt());
        let (known, earlier) = tokens.entry(key).or_insert((token, request));
        if *known != token {
            let message = format!(
                "carries another token than #{}, which was the same request: attempt {}",
                earlier.seq,
                read.object.attempt()
            );
            broken(message, vec![case.show_request(earlier), case.show_request(request)]);
        }
    }
}

fn malformed(case: &Case<'_>, send: &Send<'_>, token: &str) -> Option<String> {
    if token.is_empty() || token.len() > 64 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("carries a token that is not 1 to 64 printable ASCII characters".to_owned());
    }
    if let Some((number, _)) = case.context.plain_secrets().find(|(_, secret)| token.contains(secret)) {
        return Some(format!("carries secret {number} in its token"));
    }
    let plain = |text: &str| text.chars().filter(|letter| *letter != '-').collect::<String>().to_lowercase();
    let object = send.uid.and_then(|uid| case.history.object(uid))?;
    let readable = [("uid", object.uid), ("name", object.name), ("namespace", object.namespace)];
    let found =
        readable.into_iter().find(|(_, text)| text.len() >= SHORTEST_NAME && plain(token).contains(&plain(text)))?;
    Some(format!("carries the {} of its resource in its token", found.0))
}
