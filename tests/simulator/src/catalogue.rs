//! The catalogue of faults: every kind, what it does, when it acts, and what it can be told.

use serde::Serialize;

use crate::kinds::Kind;

/// Which list of perturbations a kind belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Between the caller and the service.
    Transport,
    /// Inside the service.
    Semantics,
}

/// When a kind acts, relative to the request's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acts {
    /// The request has no effect.
    BeforeCommit,
    /// The request has its effect first.
    AfterCommit,
    /// As the parameter `phase` says (`before` or `after`).
    ByPhase,
    /// It changes what the effect, or the look, is.
    DuringCommit,
    /// On the connection, before there is a request.
    OnConnection,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Info {
    /// The kind.
    #[serde(skip)]
    pub kind: Kind,
    /// Wire name.
    pub name: &'static str,
    /// Which list it belongs to.
    pub group: Group,
    /// When it acts.
    pub acts: Acts,
    /// What it does.
    pub description: &'static str,
    /// The members of `parameters` it reads, with their defaults.
    pub parameters: &'static str,
}

const fn row(
    kind: Kind,
    name: &'static str,
    group: Group,
    acts: Acts,
    description: &'static str,
    parameters: &'static str,
) -> Info {
    Info { kind, name, group, acts, description, parameters }
}

use Acts::{AfterCommit, BeforeCommit, ByPhase, DuringCommit, OnConnection};
use Group::{Semantics, Transport};

/// Every kind, in the order in which they win when several want to make the answer of one request.
pub const CATALOGUE: &[Info] = &[
    row(
        Kind::ConnectionRefused,
        "connection-refused",
        Transport,
        OnConnection,
        "The listener is closed and every open connection reset for durationMs; the control API is unreachable too. \
         Acts when it is posted, or, if `action` is given, when such a request arrives (which is then lost)",
        "durationMs=1000",
    ),
    row(
        Kind::TlsFailure,
        "tls-failure",
        Transport,
        OnConnection,
        "The simulator speaks plain HTTP, so an https:// URL with its address fails in the handshake by itself; \
         posting this kind only answers with that advice",
        "",
    ),
    row(
        Kind::RequestLost,
        "request-lost",
        Transport,
        BeforeCommit,
        "The connection is closed (FIN), nothing was processed",
        "",
    ),
    row(
        Kind::ResetBeforeAnswer,
        "reset-before-answer",
        Transport,
        ByPhase,
        "The connection is reset (RST) before a byte of the answer",
        "phase=before",
    ),
    row(
        Kind::AnswerLost,
        "answer-lost",
        Transport,
        AfterCommit,
        "Processed, then the connection is closed (FIN) without an answer",
        "",
    ),
    row(
        Kind::ResetMidBody,
        "reset-mid-body",
        Transport,
        AfterCommit,
        "Processed, head and half of the body are sent, then the connection is reset (RST)",
        "",
    ),
    row(Kind::Delay, "delay", Transport, ByPhase, "The answer comes late", "delayMs=30000, phase=after"),
    row(
        Kind::Hang,
        "hang",
        Transport,
        ByPhase,
        "No answer until the fault is deleted (then the request goes on) or the simulator ends",
        "phase=after",
    ),
    row(
        Kind::DuplicateDelivery,
        "duplicate-delivery",
        Transport,
        DuringCommit,
        "The same request is processed twice (two log entries, the second with duplicateOf); answer says whose answer \
         the caller gets. With delayMs the caller gets the first one, and the copy arrives so much later",
        "answer=second, delayMs=(at once)",
    ),
    row(
        Kind::TruncatedBody,
        "truncated-body",
        Transport,
        AfterCommit,
        "Half of the announced body, then the connection is closed (FIN)",
        "",
    ),
    row(
        Kind::TruncatedJson,
        "truncated-json",
        Transport,
        AfterCommit,
        "A complete HTTP answer whose JSON is cut in half",
        "",
    ),
    row(
        Kind::InvalidJson,
        "invalid-json",
        Transport,
        AfterCommit,
        "A complete HTTP answer with `body` in place of JSON",
        "body={\"Response\": nonsense",
    ),
    row(Kind::EmptyBody, "empty-body", Transport, AfterCommit, "HTTP 200 with an empty body", ""),
    row(
        Kind::OversizedBody,
        "oversized-body",
        Transport,
        AfterCommit,
        "The right answer followed by blanks up to `bytes`",
        "bytes=16777216",
    ),
    row(
        Kind::GzipBomb,
        "gzip-bomb",
        Transport,
        AfterCommit,
        "Content-Encoding: gzip; a small body that unpacks to the right answer followed by blanks up to `bytes`",
        "bytes=268435456",
    ),
    row(
        Kind::Redirect,
        "redirect",
        Transport,
        BeforeCommit,
        "A redirect to another host",
        "httpStatus=301, location=http://redirected.invalid/",
    ),
    row(
        Kind::WrongContentType,
        "wrong-content-type",
        Transport,
        AfterCommit,
        "The right answer under another content type",
        "contentType=text/html",
    ),
    row(
        Kind::Error,
        "error",
        Semantics,
        ByPhase,
        "HTTP 200 with an Error object; any code, at any action. Before commit nothing is looked at, not even the \
         signature, and no ClientToken is used up; with usesToken everything is checked, the token is used up, and \
         nothing is done",
        "code=InternalError, message, phase=before, usesToken=false",
    ),
    row(
        Kind::HttpError,
        "http-error",
        Transport,
        BeforeCommit,
        "An HTTP error status with an HTML page",
        "httpStatus=502, body",
    ),
    row(
        Kind::HttpErrorAfterCommit,
        "http-error-after-commit",
        Transport,
        AfterCommit,
        "Processed, then an HTTP error status with an HTML page",
        "httpStatus=500, body",
    ),
    row(
        Kind::ClockSkew,
        "clock-skew",
        Semantics,
        BeforeCommit,
        "The server's clock (the Date header too) is off by `seconds`: AuthFailure.SignatureExpire beyond five minutes",
        "seconds=600",
    ),
    row(
        Kind::DnsFlip,
        "dns-flip",
        Transport,
        BeforeCommit,
        "The name suddenly leads elsewhere: answer=site is a GAAP that does not know the key \
         (AuthFailure.SecretIdNotFound), answer=stranger a web server (404, HTML)",
        "answer=site",
    ),
    row(
        Kind::Throttle,
        "throttle",
        Semantics,
        BeforeCommit,
        "RequestLimitExceeded; the share of requests is `probability` (0.01 to 1)",
        "code=RequestLimitExceeded",
    ),
    row(
        Kind::PartialSets,
        "partial-sets",
        Semantics,
        DuringCommit,
        "DestroyProxies, CloseProxies, OpenProxies: the ids named go into the sets, the others are processed",
        "invalid=[ids], failed=[ids]",
    ),
    row(
        Kind::GoneBackGone,
        "gone-back-gone",
        Semantics,
        DuringCommit,
        "DescribeProxies of a proxy whose destroy was accepted: the k-th look sees pattern[k], then the truth. \
         `times` defaults to the length of the pattern",
        "pattern=[absent,present], status=DESTROYING",
    ),
    row(
        Kind::StaleAfterAccept,
        "stale-after-accept",
        Semantics,
        DuringCommit,
        "DescribeProxies of a proxy whose destroy was accepted: `times` looks still see the status from before",
        "status=(the status before)",
    ),
    row(
        Kind::AbsentFromPage,
        "absent-from-page",
        Semantics,
        DuringCommit,
        "DescribeProxies leaves `ids` out of answers to several ids or to none; a question for the one id sees it. \
         TotalCount counts it unless hideFromTotal",
        "hideFromTotal=false",
    ),
    row(
        Kind::AbsentAnswer,
        "absent-answer",
        Semantics,
        DuringCommit,
        "DescribeProxies answers absent ids this way (setting absentInDescribe for every request)",
        "absent=error (omit, error, error-when-none-exists)",
    ),
    row(
        Kind::DestroyDuration,
        "destroy-duration",
        Semantics,
        DuringCommit,
        "What this DestroyProxies accepts shows DESTROYING for durationMs (setting destroyDurationMs for every request)",
        "durationMs=0",
    ),
    row(
        Kind::StuckDestroying,
        "stuck-destroying",
        Semantics,
        DuringCommit,
        "What this DestroyProxies accepts stays DESTROYING until it is changed through /_sim/proxies",
        "",
    ),
    row(
        Kind::DestroyRejectedLate,
        "destroy-rejected-late",
        Semantics,
        DuringCommit,
        "What this DestroyProxies accepts goes back to its old status after afterMs",
        "afterMs=(destroy duration), status=(the status before)",
    ),
    row(
        Kind::UnknownStatus,
        "unknown-status",
        Semantics,
        DuringCommit,
        "DescribeProxies shows a status nobody documented",
        "status=QUIESCING",
    ),
    row(
        Kind::TotalCountLies,
        "total-count-lies",
        Semantics,
        DuringCommit,
        "DescribeProxies: TotalCount is off by `delta`, or is `value`",
        "delta=1, value",
    ),
    row(
        Kind::LimitIgnored,
        "limit-ignored",
        Semantics,
        DuringCommit,
        "DescribeProxies returns at most `limit` rows, whatever was asked",
        "limit=20",
    ),
    row(
        Kind::TokenForgotten,
        "token-forgotten",
        Semantics,
        DuringCommit,
        "The memory of this request's ClientToken has run out (setting tokenTtlMs for every request)",
        "",
    ),
    row(
        Kind::TokenMode,
        "token-mode",
        Semantics,
        DuringCommit,
        "A repeated ClientToken is treated this way (setting tokenMode for every request)",
        "mode=replay (refuse, replay, mismatch)",
    ),
    row(
        Kind::IdReused,
        "id-reused",
        Semantics,
        DuringCommit,
        "What this DestroyProxies accepts vanishes in its time and another proxy, RUNNING, stands under the same id \
         with a later createTime",
        "durationMs=(destroy duration)",
    ),
    row(
        Kind::MovesToIsolated,
        "moves-to-isolated",
        Semantics,
        BeforeCommit,
        "Just before the request is processed its proxies go to ISOLATED, as for an overdue account",
        "status=ISOLATED",
    ),
    row(
        Kind::NumbersAsStrings,
        "numbers-as-strings",
        Semantics,
        AfterCommit,
        "Every number in the answer is a string",
        "",
    ),
    row(
        Kind::NullLists,
        "null-lists",
        Semantics,
        AfterCommit,
        "Empty lists in the answer are null; with all=true every list",
        "all=false",
    ),
    row(
        Kind::UnknownFields,
        "unknown-fields",
        Semantics,
        AfterCommit,
        "Every object in the answer has a member nobody documented",
        "",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_one_row_and_the_name_it_has_on_the_wire() {
        let kinds: BTreeSet<Kind> = CATALOGUE.iter().map(|info| info.kind).collect();
        assert_eq!(kinds.len(), CATALOGUE.len(), "no kind has two rows");
        for info in CATALOGUE {
            let wire = serde_json::to_value(info.kind).expect("a unit variant");
            assert_eq!(wire, info.kind.name());
            assert!(!info.description.is_empty());
        }
    }
}
