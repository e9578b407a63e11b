use std::time::Duration;

use gaap_simulator::{Clock, Credential, DEFAULT_SECRET_ID};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Cloud, LIMIT, OTHER_ID, OTHER_KEY, OTHER_UIN};

async fn code_of(client: &Client) -> String {
    client.code("DescribeProxies", json!({})).await
}

#[tokio::test]
async fn a_signed_post_is_served_under_the_bare_json_type() {
    let cloud = Cloud::start(1).await;
    let answer = cloud.client().post("DescribeProxies", json!({})).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(body["Response"]["ProxySet"][0]["ProxyId"], "link-sim00001");
}

#[tokio::test]
async fn a_signed_get_is_served_from_its_raw_query() {
    let cloud = Cloud::start(2).await;
    let query = "Limit=1&Offset=0&TagSet.0.TagKey=two+words&TagSet.0.TagValue=a%2Bb";
    let answer = cloud.client().send(Method::GET, "DescribeProxies", query, Vec::new()).await.expect("an answer");
    let body: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(body["Response"]["TotalCount"], 0, "nothing has that tag, and the query was understood: {body}");
    let query = "Force=0&ProxyIds.0=link-sim00001&ClientToken=a+b";
    cloud.client().send(Method::GET, "DestroyProxies", query, Vec::new()).await.expect("an answer");
    let entry = cloud.last_entry();
    assert_eq!((entry.code.as_str(), entry.force, entry.client_token.as_deref()), ("OK", Some(0), Some("a b")));
}

#[tokio::test]
async fn wrong_keys_and_signatures_are_told_apart_and_nothing_is_done() {
    let cloud = Cloud::start(1).await;
    let good = cloud.client();
    let cases = [
        (Client { secret_id: "AKIDNOBODY".to_owned(), ..good.clone() }, "AuthFailure.SecretIdNotFound"),
        (Client { secret_key: "wrong".to_owned(), ..good.clone() }, "AuthFailure.SignatureFailure"),
        (Client { secret_id: OTHER_ID.to_owned(), ..good.clone() }, "AuthFailure.SignatureFailure"),
        (Client { host: "elsewhere.example".to_owned(), ..good.clone() }, "AuthFailure.SignatureFailure"),
        (Client { date: Some("2023-11-13"), ..good.clone() }, "AuthFailure.SignatureFailure"),
        (Client { signed_headers: "content-type", ..good.clone() }, "AuthFailure.InvalidAuthorization"),
        (Client { signed_headers: "host", ..good.clone() }, "AuthFailure.InvalidAuthorization"),
        (Client { token: Some("unasked".to_owned()), ..good.clone() }, "AuthFailure.TokenFailure"),
        (Client { service: "cvm", ..good.clone() }, "NoSuchProduct"),
        (Client { version: "2017-01-01", ..good.clone() }, "NoSuchVersion"),
    ];
    for (client, expected) in cases {
        let body = json!({"Force": 1, "ProxyIds": ["link-sim00001"]});
        assert_eq!(client.code("DestroyProxies", body).await, expected);
        let entry = cloud.last_entry();
        assert_eq!((entry.code.as_str(), entry.delivered), (expected, true), "refused requests are logged");
        assert!(entry.accepted_ids.is_empty());
    }
    assert_eq!(cloud.status("link-sim00001").as_deref(), Some("RUNNING"));
    assert_eq!(code_of(&good).await, "OK");
}

#[tokio::test]
async fn an_unsigned_request_and_a_changed_body_are_refused() {
    let cloud = Cloud::start(1).await;
    let client = cloud.client();
    let bare = client.http.post(&client.url).body("{}").send().await.expect("an answer").text().await.expect("text");
    assert!(bare.contains("AuthFailure.InvalidAuthorization"), "{bare}");
    let mut request = client.http.post(&client.url).body("{\"Limit\": 2}");
    for (name, value) in client.headers(&Method::POST, "DescribeProxies", "", b"{\"Limit\": 1}") {
        request = request.header(name, value);
    }
    let changed = request.send().await.expect("an answer").text().await.expect("text");
    assert!(changed.contains("AuthFailure.SignatureFailure"), "{changed}");
}

#[tokio::test]
async fn a_clock_may_be_off_by_five_minutes_and_not_by_a_second_more() {
    let cloud = Cloud::start(0).await;
    let now = cloud.clock.now().seconds();
    for (difference, expected) in
        [(300, "OK"), (-300, "OK"), (301, "AuthFailure.SignatureExpire"), (-301, "AuthFailure.SignatureExpire")]
    {
        let client = Client { timestamp: now + difference, ..cloud.client() };
        assert_eq!(code_of(&client).await, expected, "{difference} s");
    }
}

#[tokio::test]
async fn a_signed_action_header_and_an_unsigned_payload_are_both_accepted() {
    let cloud = Cloud::start(0).await;
    let action_signed = Client { signed_headers: "content-type;host;x-tc-action", ..cloud.client() };
    assert_eq!(code_of(&action_signed).await, "OK");
    let payload_unsigned = Client { unsigned_payload: true, ..cloud.client() };
    assert_eq!(code_of(&payload_unsigned).await, "OK");
}

#[tokio::test]
async fn a_temporary_key_needs_its_token_and_ends() {
    let cloud = Cloud::start(0).await;
    let expires = cloud.clock.now().seconds() + 60;
    let temporary = Credential::new("AKIDTEMPORARY", "temporary-key", OTHER_UIN).with_token("session", expires);
    cloud.control.put_credential(temporary);
    let client = Client::new(&cloud, "AKIDTEMPORARY", "temporary-key");
    assert_eq!(code_of(&client).await, "AuthFailure.TokenFailure");
    let client = Client { token: Some("session".to_owned()), ..client };
    assert_eq!(code_of(&client).await, "OK");
    cloud.clock.advance(Duration::from_secs(60));
    assert_eq!(code_of(&client).await, "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn a_key_that_was_taken_away_is_not_found_any_more() {
    let cloud = Cloud::start(0).await;
    let client = cloud.client();
    cloud.control.put_credential(Credential::new("AKIDNEW", "new-key", "100000000001"));
    assert!(cloud.control.remove_credential(DEFAULT_SECRET_ID));
    assert_eq!(code_of(&client).await, "AuthFailure.SecretIdNotFound");
    assert_eq!(code_of(&Client::new(&cloud, "AKIDNEW", "new-key")).await, "OK");
}

#[tokio::test]
async fn the_caller_learns_its_account_from_sts() {
    let cloud = Cloud::start(0).await;
    let sts = |client: Client| Client { service: "sts", version: "2018-08-13", ..client };
    let own = sts(cloud.client()).call("GetCallerIdentity", json!({})).await;
    assert_eq!(own["AccountId"], "100000000001");
    let other = sts(Client::new(&cloud, OTHER_ID, OTHER_KEY)).call("GetCallerIdentity", json!({})).await;
    assert_eq!(other["AccountId"], OTHER_UIN);
    assert_eq!(sts(cloud.client()).code("DescribeProxies", json!({})).await, "InvalidAction");
    assert_eq!(cloud.client().code("GetCallerIdentity", json!({})).await, "InvalidAction");
}

#[tokio::test]
async fn wrong_requests_get_the_code_of_what_is_wrong() {
    let cloud = Cloud::start(0).await;
    let client = cloud.client();
    assert_eq!(client.code("DestroyEverything", json!({})).await, "InvalidAction");
    assert_eq!(client.code("DescribeProxies", json!({"Page": 1})).await, "UnknownParameter");
    assert_eq!(client.code("DestroyProxies", json!({"ProxyIds": ["link-a"]})).await, "MissingParameter");
    assert_eq!(client.code("DestroyProxies", json!({"Force": "1", "ProxyIds": ["link-a"]})).await, "InvalidParameter");
    let put = client.send(Method::PUT, "DescribeProxies", "", b"{}".to_vec()).await.expect("an answer");
    assert!(put.text().await.expect("text").contains("UnsupportedProtocol"));
    let huge = client.send(Method::POST, "DescribeProxies", "", vec![b' '; 10 * 1024 * 1024 + 1]).await;
    let told = async { huge.ok()?.text().await.ok() }.await;
    // The service may hang up on a body it has not read to its end; if it answers, then with this code.
    assert!(told.is_none_or(|text| text.contains("RequestSizeLimitExceeded") || text.contains("AuthFailure")));
}

#[tokio::test]
async fn messages_are_chinese_unless_english_is_asked_for() {
    let cloud = Cloud::start(0).await;
    let message = |client: Client| async move {
        let answer = client.call("DestroyProxies", json!({"Force": 0, "ProxyIds": ["link-none"]})).await;
        answer["Error"]["Message"].as_str().expect("a message").to_owned()
    };
    assert!(message(cloud.client()).await.starts_with("The resource does not exist"));
    assert!(message(Client { language: None, ..cloud.client() }).await.starts_with("资源不存在"));
}

/// tccli sends `Host: http://127.0.0.1:PORT` and signs exactly that, so the raw header must be what is checked.
#[tokio::test]
async fn a_host_header_with_a_scheme_in_it_is_taken_as_it_is() {
    let cloud = Cloud::start(1).await;
    let client = Client { host: cloud.simulator.url(), ..cloud.client() };
    let mut request = "POST / HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n".to_owned();
    for (name, value) in client.headers(&Method::POST, "DescribeProxies", "", b"{}") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n{}");
    let mut tcp = TcpStream::connect(cloud.simulator.address()).await.expect("a connection");
    tcp.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, tcp.read_to_string(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.contains("\"TotalCount\":1"), "{answer}");
}
