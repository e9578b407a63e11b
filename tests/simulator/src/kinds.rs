//! The kinds of faults there are; [`crate::catalogue`] says of each what it does.

use serde::{Deserialize, Serialize};

use crate::catalogue::{CATALOGUE, Info};

/// A kind of fault. The wire name is the kebab-case form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "CATALOGUE describes every kind, and is what users read")]
pub enum Kind {
    ConnectionRefused,
    TlsFailure,
    RequestLost,
    ResetBeforeAnswer,
    AnswerLost,
    ResetMidBody,
    Delay,
    Hang,
    DuplicateDelivery,
    TruncatedBody,
    TruncatedJson,
    InvalidJson,
    EmptyBody,
    OversizedBody,
    GzipBomb,
    Redirect,
    WrongContentType,
    Error,
    HttpError,
    HttpErrorAfterCommit,
    ClockSkew,
    DnsFlip,
    Throttle,
    PartialSets,
    GoneBackGone,
    StaleAfterAccept,
    AbsentFromPage,
    AbsentAnswer,
    DestroyDuration,
    StuckDestroying,
    DestroyRejectedLate,
    UnknownStatus,
    TotalCountLies,
    LimitIgnored,
    TokenForgotten,
    TokenMode,
    IdReused,
    MovesToIsolated,
    NumbersAsStrings,
    NullLists,
    UnknownFields,
}

impl Kind {
    /// Its row of the catalogue.
    pub fn info(self) -> Option<&'static Info> {
        CATALOGUE.iter().find(|info| info.kind == self)
    }

    /// Name on the wire.
    pub fn name(self) -> &'static str {
        self.info().map_or("unknown", |info| info.name)
    }
}
