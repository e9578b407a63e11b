//! What an answer to DestroyProxies tells its caller, by the code: gaap-api §7.1 and §7.2.
//!
//! Deliberately a list of its own, not the operator's table.

/// Codes that say for certain that nothing was accepted: classes USER, CONFIG and GONE. A dotted code that is not
/// listed counts as its longest listed prefix.
const REFUSALS: &[&str] = &[
    "ActionOffline",
    "AuthFailure",
    "DryRunOperation",
    "FailedOperation.AccountBalanceInsufficient",
    "FailedOperation.BelongDifferentGroup",
    "FailedOperation.NonStandardProxy",
    "FailedOperation.RealServerAlreadyBound",
    "FailedOperation.ResourceCanNotAccess",
    "FailedOperation.ResourceNotFound",
    "FailedOperation.SecretValidateFailed",
    "FailedOperation.UserNotConfirmProtocol",
    "FailedOperation.UserNotInWhitelist",
    "InvalidAction",
    "InvalidParameter",
    "InvalidParameterValue",
    "InvalidRequest",
    "IpInBlacklist",
    "IpNotInWhitelist",
    "LimitExceeded",
    "MissingParameter",
    "NoSuchProduct",
    "NoSuchVersion",
    "RequestSizeLimitExceeded",
    "ResourceInsufficient",
    "ResourceNotFound",
    "ResourceUnavailable.AccountViolation",
    "ResponseSizeLimitExceeded",
    "UnauthorizedOperation",
    "UnknownParameter",
    "UnsupportedOperation",
    "UnsupportedProtocol",
    "UnsupportedRegion",
];

/// What a request led to, as far as its sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The id is on its way.
    Accepted,
    /// Nothing was accepted.
    Refused,
    /// The token was used before.
    Duplicate,
    /// The rate limit: nothing was executed, the token stays.
    Throttled,
    /// Anything else: it may have happened.
    Unknown,
}

/// The meaning of an error code.
pub(crate) fn told(code: &str) -> Told {
    let family = |name: &str| code == name || code.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    if code == "FailedOperation.DuplicatedRequest" {
        Told::Duplicate
    } else if family("RequestLimitExceeded") {
        Told::Throttled
    } else if REFUSALS.iter().any(|name| family(name)) {
        Told::Refused
    } else {
        Told::Unknown
    }
}

/// The request was turned away at the door, before anything was looked at: the rate limit, or a signature that a
/// corrected clock or refreshed credentials mend.
pub(crate) fn is_turned_away(code: &str) -> bool {
    told(code) == Told::Throttled || matches!(code, "AuthFailure.SignatureExpire" | "AuthFailure.TokenFailure")
}

/// The caller was refused, not the request: it says nothing of an earlier delivery of the same request.
pub(crate) fn is_refused_at_door(code: &str) -> bool {
    let families = ["AuthFailure", "UnauthorizedOperation", "IpInBlacklist", "IpNotInWhitelist"];
    families
        .into_iter()
        .any(|name| code.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// A code that says that the one id asked for does not exist.
pub(crate) fn is_not_found(code: &str) -> bool {
    matches!(code, "ResourceNotFound" | "FailedOperation.ResourceNotFound")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_as_its_longest_listed_prefix_and_an_unknown_one_says_nothing() {
        let table = [
            ("FailedOperation.RealServerAlreadyBound", Told::Refused),
            ("AuthFailure.BrandNew", Told::Refused),
            ("AuthFailureNot", Told::Unknown),
            ("ResourceUnavailable", Told::Unknown),
            ("ResourceUnavailable.AccountViolation", Told::Refused),
            ("RequestLimitExceeded.IPLimitExceeded", Told::Throttled),
            ("LimitExceeded", Told::Refused),
            ("FailedOperation", Told::Unknown),
            ("FailedOperation.ActionIsDoing", Told::Unknown),
            ("FailedOperation.DuplicatedRequest", Told::Duplicate),
            ("InternalError", Told::Unknown),
            ("Brand.New", Told::Unknown),
        ];
        for (code, meaning) in table {
            assert_eq!(told(code), meaning, "{code}");
        }
    }
}
