use serde_json::json;

use super::*;
use crate::gaap::token::Member;

fn id(text: &str) -> ProxyId {
    text.parse().unwrap()
}

fn request(force: bool) -> DestroyRequest {
    DestroyRequest::new(force, vec![Member { proxy_id: id("link-11112222"), uid: "u".into(), attempt: 0 }])
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn destroyed(value: &Value) -> Decoded<DestroyAnswer> {
    destroy_answer(&bytes(value))
}

fn described(response: Value) -> DescribeAnswer {
    let mut response = response;
    response["RequestId"] = "r".into();
    describe_answer(&bytes(&json!({ "Response": response }))).unwrap().0
}

fn unreadable<T: std::fmt::Debug>(decoded: Decoded<T>) -> String {
    match decoded.unwrap_err().0 {
        ErrorKind::Unreadable { detail } => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_have_the_documented_names_and_nothing_else() {
    let token = request(true).client_token();
    assert_eq!(
        String::from_utf8(destroy_body(&request(true)).unwrap()).unwrap(),
        format!(r#"{{"ProxyIds":["link-11112222"],"Force":1,"ClientToken":"{token}"}}"#)
    );
    assert!(String::from_utf8(destroy_body(&request(false)).unwrap()).unwrap().contains(r#""Force":0"#));
    assert_eq!(
        String::from_utf8(describe_body(&[id("link-11112222"), id("link-11113333")]).unwrap()).unwrap(),
        r#"{"ProxyIds":["link-11112222","link-11113333"],"Limit":100}"#
    );
}

#[test]
fn a_request_that_would_mean_everything_or_too_much_is_not_made() {
    assert!(matches!(describe_body(&[]), Err(ErrorKind::NotBuilt { .. })));
    assert!(matches!(describe_body(&vec![id("link-11112222"); 101]), Err(ErrorKind::NotBuilt { .. })));
    assert!(matches!(destroy_body(&DestroyRequest::new(true, vec![])), Err(ErrorKind::NotBuilt { .. })));
}

#[test]
fn the_example_of_the_documentation_reads_as_one_id_in_the_wrong_state() {
    let (answer, request_id) = destroyed(&json!({"Response": {
        "OperationFailedInstanceSet": [], "RequestId": "d4228b1a-8b3b-43d6-a8e7-272d158ff332",
        "InvalidStatusInstanceSet": ["link-11112222"]
    }}))
    .unwrap();
    assert_eq!(request_id, "d4228b1a-8b3b-43d6-a8e7-272d158ff332");
    assert_eq!(answer.outcome(&id("link-11112222")), MemberOutcome::InvalidStatus);
    assert_eq!(answer.outcome(&id("link-11113333")), MemberOutcome::Accepted);
}

#[test]
fn an_id_in_both_sets_has_failed_and_an_id_that_was_not_sent_is_a_stranger() {
    let (answer, _) = destroyed(&json!({"Response": {"RequestId": "r",
        "InvalidStatusInstanceSet": ["link-11112222", "link-99999999"],
        "OperationFailedInstanceSet": ["link-11112222", "what is this"]}}))
    .unwrap();
    assert_eq!(answer.outcome(&id("link-11112222")), MemberOutcome::Failed);
    let request = request(false);
    assert_eq!(answer.strangers(&request).collect::<Vec<_>>(), ["link-99999999", "what is this"]);
}

#[test]
fn missing_and_null_sets_are_empty_and_unknown_fields_are_passed_over() {
    for response in [
        json!({"RequestId": "r"}),
        json!({"RequestId": "r", "InvalidStatusInstanceSet": null, "OperationFailedInstanceSet": null}),
        json!({"RequestId": "r", "DeprecatedWarning": "soon", "More": {"deep": [1]}, "Error": null}),
    ] {
        let (answer, _) = destroyed(&json!({"Response": response, "extra": 1})).unwrap();
        assert_eq!(answer.outcome(&id("link-11112222")), MemberOutcome::Accepted);
    }
}

#[test]
fn garbage_is_neither_success_nor_refusal() {
    for value in [
        json!({}),
        json!([]),
        json!(null),
        json!("Response"),
        json!({"Response": null}),
        json!({"Response": []}),
        json!({"Response": {}}),
        json!({"Response": {"RequestId": ""}}),
        json!({"Response": {"RequestId": "r", "InvalidStatusInstanceSet": "link-11112222"}}),
        json!({"Response": {"RequestId": "r", "InvalidStatusInstanceSet": {"0": "link-11112222"}}}),
        json!({"Response": {"RequestId": "r", "OperationFailedInstanceSet": [1]}}),
        json!({"Response": {"RequestId": "r", "OperationFailedInstanceSet": [null]}}),
        json!({"Response": {"RequestId": "r", "Error": {}}}),
        json!({"Response": {"RequestId": "r", "Error": {"Message": "no code"}}}),
        json!({"Response": {"RequestId": "r", "Error": "InternalError"}}),
        json!({"code": 0, "message": "", "data": {}}),
        json!({"response": {"RequestId": "r"}}),
    ] {
        unreadable(destroyed(&value));
    }
    assert_eq!(unreadable(destroy_answer(b"")), "its body is empty");
    assert_eq!(unreadable(destroy_answer(b"{\"Response\": {\"Req")), "its body of 18 bytes ends too early");
    assert_eq!(unreadable(destroy_answer(b"<html>canary</html>")), "its body of 19 bytes is no JSON");
    assert_eq!(unreadable(destroy_answer(&[0xff, 0xfe, 0x00])), "its body of 3 bytes is no JSON");
    unreadable(destroy_answer("[".repeat(100_000).as_bytes()));
}

#[test]
fn an_error_in_the_envelope_is_an_error_with_code_message_and_request_id() {
    let (kind, request_id) = destroyed(&json!({"Response": {"RequestId": "r-7",
        "InvalidStatusInstanceSet": [], "Error": {"Code": "FailedOperation", "Message": " It\nfailed. "}}}))
    .unwrap_err();
    assert_eq!(kind, ErrorKind::Api { code: "FailedOperation".into(), message: "It failed".into() });
    assert_eq!(request_id.as_deref(), Some("r-7"));
}

#[test]
fn the_old_envelope_is_an_error_too() {
    let api = |code: &str, message: &str| ErrorKind::Api { code: code.into(), message: message.into() };
    let old = json!({"code": 4000, "message": "refused", "codeDesc": "AuthFailure"});
    assert_eq!(destroyed(&old).unwrap_err().0, api("AuthFailure", "refused"));
    assert_eq!(destroyed(&json!({"code": "4000", "message": "refused"})).unwrap_err().0, api("4000", "refused"));
}

#[test]
fn a_foreign_message_is_cut_at_a_letter() {
    let message = "界".repeat(1_000);
    let (kind, _) =
        destroyed(&json!({"Response": {"RequestId": "r", "Error": {"Code": "X", "Message": message}}})).unwrap_err();
    let ErrorKind::Api { message, .. } = kind else { panic!("{kind:?}") };
    assert_eq!(message.chars().count(), LONGEST_MESSAGE + 1);
}

#[test]
fn a_row_is_read_as_far_as_it_goes() {
    let answer = described(json!({"TotalCount": "1", "ProxySet": [{
        "ProxyId": "link-11112222", "InstanceId": "link-11112222", "CreateTime": "1543828541", "ProxyName": "edge",
        "AccessRegion": "Singapore", "RealServerRegion": "Frankfurt", "Bandwidth": "10", "Concurrent": 2,
        "Status": "RUNNING", "Domain": "x.gaapqcloud.com", "IP": "203.0.113.9", "GroupId": null, "Surprise": [{}],
    }]}));
    assert_eq!(
        answer.rows,
        [Proxy {
            id: id("link-11112222"),
            status: ProxyStatus::Running,
            name: Some("edge".into()),
            access_region: Some("Singapore".into()),
            real_server_region: Some("Frankfurt".into()),
            ip: Some("203.0.113.9".into()),
            domain: Some("x.gaapqcloud.com".into()),
            bandwidth_mbps: Some(10),
            concurrent_connections: Some(20_000),
            group_id: None,
            create_time: Some(1_543_828_541),
        }]
    );
    assert_eq!(answer.total_count, Some(1));
}

#[test]
fn a_row_of_nothing_but_an_id_is_a_proxy_in_an_unknown_state() {
    for row in [
        json!({"InstanceId": "link-11112222"}),
        json!({"ProxyId": null, "InstanceId": "link-11112222", "Status": null, "CreateTime": null, "IP": ""}),
        json!({"ProxyId": "link-11112222", "Bandwidth": {}, "Concurrent": "many", "CreateTime": "2018-10-15 17:04:38"}),
    ] {
        let answer = described(json!({"TotalCount": 1, "ProxySet": [row]}));
        let proxy = answer.look(&[id("link-11112222")], &id("link-11112222")).unwrap().unwrap();
        assert_eq!(proxy.status, ProxyStatus::Unknown(String::new()));
        assert_eq!((proxy.create_time, proxy.bandwidth_mbps), (None, None));
    }
}

#[test]
fn a_creation_date_counts_only_when_it_is_one_moment() {
    for (value, seconds) in [
        (json!(1_543_828_541), Some(1_543_828_541)),
        (json!("1543828541"), Some(1_543_828_541)),
        (json!("2018-12-03T09:15:41Z"), Some(1_543_828_541)),
        (json!("2018-12-03T17:15:41+08:00"), Some(1_543_828_541)),
        (json!("2018-12-03 17:15:41"), None),
        (json!(0), None),
        (json!(-5), None),
        (json!(""), None),
        (json!(1.5), None),
    ] {
        assert_eq!(time(&value), seconds, "{value}");
    }
}

const A: &str = "link-aaaa1111";
const B: &str = "link-bbbb2222";

fn rows(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"ProxyId": id, "Status": "RUNNING"})).collect()
}

/// What an answer to a question for A and B says of B.
fn of_b(response: Value) -> Result<bool, String> {
    described(response).look(&[id(A), id(B)], &id(B)).map(|row| row.is_some())
}

#[test]
fn absence_is_taken_from_a_complete_answer() {
    assert_eq!(of_b(json!({"TotalCount": 1, "ProxySet": rows(&[A])})), Ok(false));
    assert_eq!(of_b(json!({"TotalCount": "0", "ProxySet": []})), Ok(false));
    assert_eq!(of_b(json!({"TotalCount": 0, "ProxySet": null, "InstanceSet": null})), Ok(false));
    assert_eq!(of_b(json!({"TotalCount": 0})), Ok(false));
    assert_eq!(of_b(json!({"TotalCount": 1, "ProxySet": null, "InstanceSet": rows(&[A])})), Ok(false), "older name");
    assert_eq!(of_b(json!({"TotalCount": 2, "ProxySet": rows(&[A, B])})), Ok(true));
}

#[test]
fn absence_is_not_taken_from_an_answer_that_contradicts_itself() {
    for (response, says) in [
        (json!({"ProxySet": rows(&[A])}), "no readable TotalCount"),
        (json!({"TotalCount": null, "ProxySet": []}), "no readable TotalCount"),
        (json!({"TotalCount": "none", "ProxySet": []}), "no readable TotalCount"),
        (json!({"TotalCount": 2, "ProxySet": rows(&[A])}), "1 rows and a TotalCount of 2"),
        (json!({"TotalCount": 0, "ProxySet": rows(&[A])}), "1 rows and a TotalCount of 0"),
        (json!({"TotalCount": -1, "ProxySet": []}), "TotalCount of -1"),
        (json!({"TotalCount": 2, "ProxySet": rows(&[A, A])}), "more than once"),
        (json!({"TotalCount": 1, "ProxySet": rows(&["link-cccc3333"])}), "not asked for"),
        (json!({"TotalCount": 1, "ProxySet": rows(&["LINK-odd"])}), "no readable id"),
        (json!({"TotalCount": 1, "ProxySet": [{"Status": "RUNNING"}]}), "no readable id"),
        (json!({"TotalCount": 1, "ProxySet": [null]}), "no readable id"),
        (json!({"TotalCount": 1, "ProxySet": [{"ProxyId": A, "InstanceId": B}]}), "no readable id"),
    ] {
        let error = of_b(response.clone()).unwrap_err();
        assert!(error.contains(says) && error.contains(B), "{response}: {error}");
    }
    let no_list = describe_answer(br#"{"Response": {"RequestId": "r", "TotalCount": 0, "ProxySet": {}}}"#);
    assert_eq!(unreadable(no_list), "ProxySet is no list");
}

#[test]
fn a_row_counts_also_in_an_incomplete_answer() {
    assert_eq!(of_b(json!({"TotalCount": 9, "ProxySet": rows(&[B])})), Ok(true));
    assert_eq!(of_b(json!({"TotalCount": 1, "ProxySet": rows(&[B, B])})), Ok(true), "the same row twice");
}

#[test]
fn two_rows_that_differ_say_nothing() {
    let two = json!({"TotalCount": 2, "ProxySet": [
        {"ProxyId": B, "Status": "RUNNING"}, {"ProxyId": B, "Status": "DESTROYING"}]});
    assert!(of_b(two).unwrap_err().contains("two things"));
}

#[test]
fn the_account_is_a_number_or_a_text_of_letters_and_digits() {
    let account =
        |account: Value| caller_answer(&bytes(&json!({"Response": {"RequestId": "r", "AccountId": account}})));
    assert_eq!(account(json!("100000000001")).unwrap().0, "100000000001");
    assert_eq!(account(json!(100_000_000_001_i64)).unwrap().0, "100000000001");
    for odd in [json!(null), json!(""), json!([]), json!("1\n2"), json!("../1"), json!("1".repeat(65))] {
        unreadable(account(odd));
    }
}
