//! The one table of Tencent error codes: what each means for the next step, and what a person can do.
//!
//! Source: the pages of DestroyProxies and of the public error codes, the official SDKs' lists, and what the
//! Terraform provider learnt. The lists grow, so a code that is not here is judged by its longest dotted prefix that
//! is, and failing that waits and looks (S17).

/// What to do after a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The rate limit: try again soon, at the pace.
    Soon,
    /// Send nothing; the state of the proxy decides.
    Observe,
    /// It may pass by itself: look, then try again with growing pauses.
    Backoff,
    /// A person must change something outside this program.
    User,
    /// The request or the set-up is wrong: only another configuration or version helps.
    Config,
    /// What was named does not exist; to be proved by a look.
    Gone,
}

/// Which kind of refusal a [`Class::User`] or [`Class::Config`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Origin servers are bound and Force is 0.
    RealServerBound,
    /// The credentials are good but may not do this.
    PermissionDenied,
    /// The credentials themselves were refused.
    CredentialsInvalid,
    /// Any other.
    Other,
}

/// What is known about one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// The code, exactly as the cloud writes it (`GroupStatusNotInRuning` is its spelling).
    pub code: &'static str,
    /// Class when DestroyProxies was answered with it.
    pub destroy: Class,
    /// Class when any other call was.
    pub other: Class,
    /// Kind of refusal, if it is one.
    pub refusal: Refusal,
    /// What a person can do about it: one or two sentences.
    pub advice: &'static str,
}

/// Every known code, in alphabetical order.
pub fn known_codes() -> impl Iterator<Item = &'static CodeRow> {
    TABLE.iter()
}

/// The row of exactly this code.
pub(super) fn exact(code: &str) -> Option<&'static CodeRow> {
    TABLE.iter().find(|row| row.code == code)
}

/// The row that judges a code: its own, or that of the longest dotted prefix that has one.
pub(super) fn judge(code: &str) -> Option<&'static CodeRow> {
    let mut prefix = code;
    loop {
        if let Some(row) = exact(prefix) {
            return Some(row);
        }
        prefix = prefix.rsplit_once('.')?.0;
    }
}

const fn row(code: &'static str, destroy: Class, other: Class, refusal: Refusal, advice: &'static str) -> CodeRow {
    CodeRow { code, destroy, other, refusal, advice }
}

/// The same class for every call, and no particular kind of refusal.
const fn plain(code: &'static str, class: Class, advice: &'static str) -> CodeRow {
    row(code, class, class, Refusal::Other, advice)
}

const fn user(code: &'static str, refusal: Refusal, advice: &'static str) -> CodeRow {
    row(code, User, User, refusal, advice)
}

use Class::{Backoff, Config, Gone, Observe, Soon, User};
use Refusal::{CredentialsInvalid, Other, PermissionDenied, RealServerBound};

const WAIT: &str = "Nothing to do: the operator looks at the proxy and tries again by itself.";
const DEFECT: &str = "The request of the operator does not fit the API: check --gaap-endpoint and the operator's \
                      version, and report it with the RequestId.";
const NOT_THIS_CALL: &str = "Look at the proxy in the console: the API takes this value for the proxy as wrong, which it \
                             also says of a proxy that does not exist. Check spec.proxyId.";
const KEY: &str = "Check the secretId and secretKey of the operator, and that the key is enabled in the CAM console; \
                   the operator goes on by itself once they are right.";
const POLICY: &str = "Allow the operator's CAM user gaap:DestroyProxies and gaap:DescribeProxies on this proxy.";
const SUPPORT: &str = "Open a ticket with Tencent Cloud support and name the RequestId.";
const SHARED_LIMIT: &str = "Other programs use up the rate limit that this account or address shares: slow them down, \
                            or lower --requests-per-second. The operator goes on by itself.";

const TABLE: &[CodeRow] = &[
    plain("ActionOffline", Config, DEFECT),
    user("AuthFailure", CredentialsInvalid, KEY),
    plain("AuthFailure.InvalidAuthorization", Config, DEFECT),
    user("AuthFailure.InvalidSecretId", CredentialsInvalid, KEY),
    user(
        "AuthFailure.MFAFailure",
        CredentialsInvalid,
        "The CAM user must pass multi-factor authentication, which a program cannot: give the operator a key of a user \
         without that rule.",
    ),
    user(
        "AuthFailure.NotEnterpriseAuthorization",
        Other,
        "Verify the account as an enterprise account in the Tencent Cloud console.",
    ),
    user("AuthFailure.SecretIdNotFound", CredentialsInvalid, KEY),
    plain(
        "AuthFailure.SignatureExpire",
        Config,
        "The clock of the node is more than 5 minutes wrong, also after correction by the cloud's own time: set it \
         (NTP).",
    ),
    user("AuthFailure.SignatureFailure", CredentialsInvalid, KEY),
    user(
        "AuthFailure.TokenFailure",
        CredentialsInvalid,
        "The temporary credentials have expired: renew secretId, secretKey and token together.",
    ),
    user("AuthFailure.UnauthorizedOperation", PermissionDenied, POLICY),
    plain("DryRunOperation", Config, DEFECT),
    plain("FailedOperation", Backoff, WAIT),
    plain(
        "FailedOperation.AccountBalanceInsufficient",
        User,
        "Top up the account; the operator goes on by itself, at the latest after ten minutes.",
    ),
    row("FailedOperation.ActionIsDoing", Observe, Backoff, Other, WAIT),
    plain("FailedOperation.ActionOperateTooQuickly", Backoff, WAIT),
    plain("FailedOperation.BelongDifferentGroup", Config, DEFECT),
    row("FailedOperation.DuplicatedRequest", Observe, Backoff, Other, WAIT),
    row("FailedOperation.InstanceStatusNotInRuning", Observe, Backoff, Other, WAIT),
    plain("FailedOperation.Migration", Backoff, "The proxy is being migrated, which may take long. Nothing to do."),
    plain(
        "FailedOperation.NonStandardProxy",
        User,
        "The proxy is a special one that the API does not change. Open a ticket with Tencent Cloud support.",
    ),
    row("FailedOperation.ProxyStatusNotInRuning", Observe, Backoff, Other, WAIT),
    user(
        "FailedOperation.RealServerAlreadyBound",
        RealServerBound,
        "Origin servers are bound to the proxy. Unbind them, or set spec.force: true to destroy it all the same, or \
         spec.deletionPolicy: Retain to keep it.",
    ),
    user("FailedOperation.ResourceCanNotAccess", PermissionDenied, POLICY),
    row("FailedOperation.ResourceHadBeenDone", Observe, Backoff, Other, WAIT),
    plain("FailedOperation.ResourceNotFound", Gone, WAIT),
    plain(
        "FailedOperation.ResourceUpgrading",
        Backoff,
        "The proxy is being upgraded, which may take long. Nothing to do.",
    ),
    user("FailedOperation.SecretValidateFailed", CredentialsInvalid, KEY),
    plain(
        "FailedOperation.UnTagResourcesFailed",
        Backoff,
        "The cloud could not take the tags off the proxy. If it persists, allow the operator's CAM user to use the Tag \
         product.",
    ),
    plain(
        "FailedOperation.UserNotConfirmProtocol",
        User,
        "Accept the terms of service of GAAP in the Tencent Cloud console.",
    ),
    plain("FailedOperation.UserNotInWhitelist", User, SUPPORT),
    plain("InternalError", Backoff, WAIT),
    plain("InvalidAction", Config, "The endpoint does not know this call: check --gaap-endpoint and --sts-endpoint."),
    plain("InvalidParameter", Config, NOT_THIS_CALL),
    plain("InvalidParameterValue", Config, NOT_THIS_CALL),
    plain("InvalidRequest", Config, DEFECT),
    user(
        "IpInBlacklist",
        PermissionDenied,
        "The address the operator calls from is on the account's list of blocked addresses: take it off.",
    ),
    user(
        "IpNotInWhitelist",
        PermissionDenied,
        "The address the operator calls from is not on the account's list of allowed addresses: add it.",
    ),
    plain("LimitExceeded", User, "A quota of the account is used up: raise it in the Tencent Cloud console."),
    plain("MissingParameter", Config, DEFECT),
    plain("NoSuchProduct", Config, "The endpoint serves another product: check --gaap-endpoint and --sts-endpoint."),
    plain(
        "NoSuchVersion",
        Config,
        "The endpoint does not know this API version: check --gaap-endpoint and --sts-endpoint.",
    ),
    plain("RequestLimitExceeded", Soon, "Nothing to do: the operator slows down and goes on by itself."),
    plain("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Backoff, SHARED_LIMIT),
    plain("RequestLimitExceeded.IPLimitExceeded", Backoff, SHARED_LIMIT),
    plain("RequestLimitExceeded.UinLimitExceeded", Backoff, SHARED_LIMIT),
    plain("RequestSizeLimitExceeded", Config, DEFECT),
    plain("ResourceInUse", Backoff, WAIT),
    plain("ResourceInsufficient", User, SUPPORT),
    plain("ResourceNotFound", Gone, WAIT),
    plain("ResourceUnavailable", Backoff, WAIT),
    plain(
        "ResourceUnavailable.AccountViolation",
        User,
        "The account holds resources that break the terms of use: settle it in the Tencent Cloud console.",
    ),
    plain("ResponseSizeLimitExceeded", Config, DEFECT),
    plain("ServiceUnavailable", Backoff, WAIT),
    user("UnauthorizedOperation", PermissionDenied, POLICY),
    plain(
        "UnauthorizedOperation.CrossBorderInIsolating",
        User,
        "The cross-border proxy is suspended: settle it in the Tencent Cloud console.",
    ),
    plain("UnknownParameter", Config, DEFECT),
    row(
        "UnsupportedOperation",
        User,
        Config,
        Other,
        "The cloud does not allow this for the proxy: look at its kind and state in the Tencent Cloud console.",
    ),
    plain("UnsupportedProtocol", Config, DEFECT),
    plain("UnsupportedRegion", Config, "The endpoint does not serve this region: check --gaap-endpoint."),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// gaap-api §7.1 and the other GAAP codes: class for DestroyProxies.
    const OF_DESTROY: &str = "
        FailedOperation                              Backoff
        FailedOperation.AccountBalanceInsufficient   User
        FailedOperation.ActionIsDoing                Observe
        FailedOperation.BelongDifferentGroup         Config
        FailedOperation.DuplicatedRequest            Observe
        FailedOperation.RealServerAlreadyBound       User
        InternalError                                Backoff
        InvalidParameter                             Config
        InvalidParameterValue                        Config
        MissingParameter                             Config
        ResourceNotFound                             Gone
        ResourceUnavailable                          Backoff
        UnauthorizedOperation                        User
        UnknownParameter                             Config
        UnsupportedOperation                         User
        AuthFailure                                  User
        AuthFailure.NotEnterpriseAuthorization       User
        AuthFailure.UnauthorizedOperation            User
        FailedOperation.NonStandardProxy             User
        FailedOperation.UnTagResourcesFailed         Backoff
        FailedOperation.UserNotConfirmProtocol       User
        ResourceUnavailable.AccountViolation         User
        FailedOperation.ResourceNotFound             Gone
        FailedOperation.ResourceHadBeenDone          Observe
        FailedOperation.ActionOperateTooQuickly      Backoff
        FailedOperation.InstanceStatusNotInRuning    Observe
        FailedOperation.ProxyStatusNotInRuning       Observe
        FailedOperation.Migration                    Backoff
        FailedOperation.ResourceUpgrading            Backoff
        FailedOperation.SecretValidateFailed         User
        FailedOperation.ResourceCanNotAccess         User
        FailedOperation.UserNotInWhitelist           User
        UnauthorizedOperation.CrossBorderInIsolating User";

    /// gaap-api §7.2: class for every other call (and for DestroyProxies, where §7.1 has no row).
    const OF_OTHERS: &str = "
        ActionOffline                                     Config
        AuthFailure.InvalidAuthorization                  Config
        AuthFailure.InvalidSecretId                       User
        AuthFailure.MFAFailure                            User
        AuthFailure.SecretIdNotFound                      User
        AuthFailure.SignatureExpire                       Config
        AuthFailure.SignatureFailure                      User
        AuthFailure.TokenFailure                          User
        AuthFailure.UnauthorizedOperation                 User
        DryRunOperation                                   Config
        FailedOperation                                   Backoff
        InternalError                                     Backoff
        InvalidAction                                     Config
        InvalidParameter                                  Config
        InvalidParameterValue                             Config
        InvalidRequest                                    Config
        MissingParameter                                  Config
        UnknownParameter                                  Config
        IpInBlacklist                                     User
        IpNotInWhitelist                                  User
        LimitExceeded                                     User
        NoSuchProduct                                     Config
        NoSuchVersion                                     Config
        RequestLimitExceeded                              Soon
        RequestLimitExceeded.GlobalRegionUinLimitExceeded Backoff
        RequestLimitExceeded.IPLimitExceeded              Backoff
        RequestLimitExceeded.UinLimitExceeded             Backoff
        RequestSizeLimitExceeded                          Config
        ResponseSizeLimitExceeded                         Config
        ResourceInUse                                     Backoff
        ResourceInsufficient                              User
        ResourceNotFound                                  Gone
        ResourceUnavailable                               Backoff
        ServiceUnavailable                                Backoff
        UnauthorizedOperation                             User
        UnsupportedOperation                              Config
        UnsupportedProtocol                               Config
        UnsupportedRegion                                 Config";

    fn listed(list: &'static str) -> Vec<(&'static str, &'static str)> {
        list.split_whitespace().collect::<Vec<_>>().chunks(2).map(|pair| (pair[0], pair[1])).collect()
    }

    #[test]
    fn every_code_of_the_documentation_has_its_own_row_and_its_class() {
        let (destroy, others) = (listed(OF_DESTROY), listed(OF_OTHERS));
        for (code, class) in &destroy {
            assert_eq!(format!("{:?}", exact(code).expect(code).destroy), *class, "{code} of DestroyProxies");
        }
        for (code, class) in &others {
            let row = exact(code).expect(code);
            assert_eq!(format!("{:?}", row.other), *class, "{code} of other calls");
            if !destroy.iter().any(|(own, _)| own == code) {
                assert_eq!(row.destroy, row.other, "{code} of DestroyProxies");
            }
        }
        let known: Vec<&str> = known_codes().map(|row| row.code).collect();
        for (code, _) in destroy.iter().chain(&others) {
            assert!(known.contains(code), "{code} is not among the known ones");
        }
        for row in known {
            assert!(destroy.iter().chain(&others).any(|(code, _)| *code == row), "{row} is on no list");
        }
    }

    #[test]
    fn the_table_is_in_order_and_each_row_advises() {
        let codes: Vec<&str> = known_codes().map(|row| row.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "in order, none twice");
        for row in known_codes() {
            assert!(row.advice.len() > 20 && row.advice.ends_with('.'), "{}", row.code);
            if row.refusal != Other {
                assert_eq!((row.destroy, row.other), (User, User), "{}: only a refusal has a kind", row.code);
            }
        }
    }

    #[test]
    fn the_longest_prefix_judges_a_code_that_has_no_row() {
        for (code, judged_by) in [
            ("ResourceUnavailable.AccountViolation.New", Some("ResourceUnavailable.AccountViolation")),
            ("ResourceUnavailable.New", Some("ResourceUnavailable")),
            ("FailedOperation.New.Deeper", Some("FailedOperation")),
            ("AuthFailure.New", Some("AuthFailure")),
            ("RequestLimitExceeded.New", Some("RequestLimitExceeded")),
            ("AuthFailureNew", None),
            ("FailedOperationDuplicatedRequest", None),
            ("failedoperation", None),
            ("New.FailedOperation", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(judge(code).map(|row| row.code), judged_by, "{code}");
        }
    }
}
