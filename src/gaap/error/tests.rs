use super::*;

fn api(action: Action, code: &str) -> CallError {
    let kind = ErrorKind::Api { code: code.into(), message: "It is so".into() };
    CallError { action, kind, request_id: Some("r-1".into()) }
}

fn destroy(code: &str) -> CallError {
    api(Action::DestroyProxies, code)
}

fn kinds() -> Vec<ErrorKind> {
    let detail = || "cause".to_owned();
    vec![
        ErrorKind::Http { status: 502, code: None, message: None },
        ErrorKind::Redirect { status: 307 },
        ErrorKind::Connect { detail: detail() },
        ErrorKind::Timeout { after: Duration::from_secs(10) },
        ErrorKind::Broken { detail: detail() },
        ErrorKind::TooLarge,
        ErrorKind::Unreadable { detail: detail() },
        ErrorKind::NotBuilt { detail: detail() },
        ErrorKind::CredentialsMissing { detail: detail() },
        ErrorKind::AccountUnknown,
        ErrorKind::ShuttingDown,
        ErrorKind::ClockCorrected { message: detail() },
    ]
}

#[test]
fn the_call_decides_which_class_a_code_has() {
    assert_eq!(destroy("UnsupportedOperation").class(), Class::User);
    assert_eq!(api(Action::DescribeProxies, "UnsupportedOperation").class(), Class::Config);
    assert_eq!(destroy("FailedOperation.DuplicatedRequest").class(), Class::Observe);
}

#[test]
fn an_unknown_code_waits_and_looks_and_is_no_refusal() {
    for code in ["", "Brand.New", "FailedOperation.New", "InternalError.New", "ResourceNotFound.New"] {
        let error = destroy(code);
        assert_eq!(error.class(), Class::Backoff, "{code}");
        assert!(!error.is_definite_refusal(), "{code}");
        assert_eq!(error.label(), "other");
    }
}

#[test]
fn only_a_refusal_by_the_api_says_that_nothing_was_accepted() {
    for code in ["FailedOperation.RealServerAlreadyBound", "InvalidParameter", "ResourceNotFound", "AuthFailure.New"] {
        assert!(destroy(code).is_definite_refusal(), "{code}");
    }
    for code in [
        "RequestLimitExceeded",
        "RequestLimitExceeded.IPLimitExceeded",
        "InternalError",
        "FailedOperation",
        "FailedOperation.DuplicatedRequest",
        "FailedOperation.ActionIsDoing",
        "ResourceUnavailable",
    ] {
        assert!(!destroy(code).is_definite_refusal(), "{code}");
    }
    for kind in kinds() {
        assert!(!CallError::local(Action::DestroyProxies, kind.clone()).is_definite_refusal(), "{kind:?}");
    }
}

#[test]
fn throttling_is_known_by_its_code_and_its_sub_codes() {
    for code in ["RequestLimitExceeded", "RequestLimitExceeded.UinLimitExceeded", "RequestLimitExceeded.New"] {
        assert!(destroy(code).is_throttling(), "{code}");
    }
    assert!(!destroy("RequestLimitExceededNot").is_throttling());
    assert!(!destroy("LimitExceeded").is_throttling());
}

#[test]
fn each_failure_without_an_answer_has_its_meaning() {
    let table: Vec<_> = kinds()
        .into_iter()
        .map(|kind| CallError::local(Action::DestroyProxies, kind))
        .map(|e| (e.label(), e.class(), e.is_transport(), e.is_not_sent()))
        .collect();
    assert_eq!(
        table,
        [
            ("transport_http", Class::Backoff, true, false),
            ("transport_redirect", Class::Observe, false, false),
            ("transport_connect", Class::Backoff, true, true),
            ("transport_timeout", Class::Backoff, true, false),
            ("transport_broken", Class::Backoff, true, false),
            ("transport_too_large", Class::Backoff, false, false),
            ("transport_unreadable", Class::Backoff, false, false),
            ("other", Class::Config, false, true),
            ("other", Class::User, false, true),
            ("other", Class::Backoff, false, true),
            ("other", Class::Backoff, false, true),
            ("AuthFailure.SignatureExpire", Class::Soon, false, false),
        ]
    );
    // Whoever redirects a look has not acted on it.
    let redirected = kinds().into_iter().find(|kind| matches!(kind, ErrorKind::Redirect { .. })).unwrap();
    assert_eq!(CallError::local(Action::DescribeProxies, redirected).class(), Class::Backoff);
    let late = CallError::local(Action::DestroyProxies, ErrorKind::ClockCorrected { message: "late".into() });
    assert_eq!(late.code(), Some("AuthFailure.SignatureExpire"));
    let missing = CallError::local(Action::DestroyProxies, ErrorKind::CredentialsMissing { detail: "none".into() });
    assert_eq!(missing.refusal(), Refusal::CredentialsInvalid);
    let forbidden = ErrorKind::Http { status: 403, code: Some("AuthFailure".into()), message: None };
    let forbidden = CallError::local(Action::DestroyProxies, forbidden);
    assert!(!forbidden.is_transport() && !forbidden.is_definite_refusal(), "a gateway does not speak for the API");
    assert_eq!(forbidden.code(), Some("AuthFailure"));
}

#[test]
fn a_refusal_has_its_kind() {
    for (code, refusal) in [
        ("FailedOperation.RealServerAlreadyBound", Refusal::RealServerBound),
        ("UnauthorizedOperation", Refusal::PermissionDenied),
        ("UnauthorizedOperation.New", Refusal::PermissionDenied),
        ("AuthFailure.UnauthorizedOperation", Refusal::PermissionDenied),
        ("AuthFailure.SignatureFailure", Refusal::CredentialsInvalid),
        ("AuthFailure.New", Refusal::CredentialsInvalid),
        ("FailedOperation.NonStandardProxy", Refusal::Other),
        ("MissingParameter", Refusal::Other),
        ("Brand.New", Refusal::Other),
    ] {
        assert_eq!(destroy(code).refusal(), refusal, "{code}");
    }
}

#[test]
fn an_error_reads_as_one_sentence_with_code_message_and_request_id() {
    assert_eq!(
        destroy("FailedOperation").to_string(),
        "DestroyProxies was answered with FailedOperation: It is so (RequestId r-1)"
    );
    let texts: Vec<String> =
        kinds().into_iter().map(|kind| CallError::local(Action::DescribeProxies, kind).to_string()).collect();
    assert_eq!(texts[0], "DescribeProxies was answered with HTTP 502");
    assert_eq!(texts[3], "DescribeProxies got no whole answer within 10s");
    for text in texts {
        assert!(text.contains("DescribeProxies") && !text.ends_with('.') && !text.contains('\n'), "{text}");
    }
}

#[test]
fn a_gateway_that_limits_requests_throttles_as_the_api_does() {
    let http = |status| CallError::local(Action::DestroyProxies, ErrorKind::Http { status, code: None, message: None });
    assert!(http(429).is_throttling());
    assert!(!http(503).is_throttling());
    assert!(kinds().into_iter().all(|kind| !CallError::local(Action::DestroyProxies, kind).is_throttling()));
}

#[test]
fn credentials_are_refused_by_the_api_alone() {
    assert!(destroy("AuthFailure.SignatureFailure").is_credentials_refused());
    assert!(!destroy("UnauthorizedOperation").is_credentials_refused(), "another right is missing, not the key");
    assert!(kinds().into_iter().all(|kind| !CallError::local(Action::DestroyProxies, kind).is_credentials_refused()));
}

#[test]
fn one_id_of_several_may_have_brought_about_what_it_may_not_or_cannot_be_and_nothing_else() {
    for (code, may) in [
        ("UnauthorizedOperation", true),
        ("AuthFailure.UnauthorizedOperation", true),
        ("InvalidParameter", true),
        ("InvalidParameterValue.New", true),
        ("AuthFailure.SignatureFailure", false),
        ("RequestLimitExceeded", false),
        ("ResourceNotFound", false),
        ("InternalError", false),
    ] {
        assert_eq!(api(Action::DescribeProxies, code).may_concern_one_id(), may, "{code}");
    }
    assert!(kinds().into_iter().all(|kind| !CallError::local(Action::DescribeProxies, kind).may_concern_one_id()));
    // A gateway may use the API's codes, and does not know the ids.
    let kind = ErrorKind::Http { status: 403, code: Some("UnauthorizedOperation".into()), message: None };
    assert!(!CallError::local(Action::DescribeProxies, kind).may_concern_one_id());
}

#[test]
fn each_failure_advises_in_sentences_of_its_own() {
    let advice = |kind| CallError::local(Action::DestroyProxies, kind).advice();
    for kind in kinds() {
        assert!(advice(kind.clone()).len() > 20 && advice(kind.clone()).ends_with('.'), "{kind:?}");
    }
    for (code, words) in [("Brand.New", "does not know this code"), ("UnauthorizedOperation", "CAM")] {
        assert!(destroy(code).advice().contains(words), "{code}: {}", destroy(code).advice());
    }
    let missing = ErrorKind::CredentialsMissing { detail: "none".into() };
    let redirect = kinds().into_iter().find(|kind| matches!(kind, ErrorKind::Redirect { .. })).unwrap();
    for (kind, words) in [
        (missing, "Give the operator credentials"),
        (redirect, "no redirect is followed"),
        (ErrorKind::ClockCorrected { message: "late".into() }, "clock of the node"),
        (ErrorKind::TooLarge, "does not answer as"),
        (ErrorKind::Connect { detail: "refused".into() }, "can reach the endpoint"),
        (ErrorKind::ShuttingDown, "by itself"),
    ] {
        assert!(advice(kind.clone()).contains(words), "{kind:?}: {}", advice(kind.clone()));
    }
}
