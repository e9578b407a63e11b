use std::collections::BTreeSet;
use std::time::Duration;

use gaap_simulator::{CATALOGUE, ProxySpec};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Cloud, LIMIT};

async fn control(cloud: &Cloud, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let url = format!("{}/_sim/{path}", cloud.simulator.url());
    let answer = cloud.client().http.request(method, url).body(body.to_string()).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

async fn ok(cloud: &Cloud, method: Method, path: &str, body: Value) -> Value {
    let (status, answer) = control(cloud, method, path, body).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

#[tokio::test]
async fn proxies_are_made_changed_and_removed() {
    let cloud = Cloud::start(1).await;
    let spec = json!({"id": "link-a", "status": "CLOSED", "bound": true, "groupId": "lg-1", "ageSeconds": 10,
                      "tags": [{"key": "team", "value": "games"}]});
    let made = ok(&cloud, Method::POST, "proxies", spec).await;
    assert_eq!((&made[0]["status"], &made[0]["groupId"]), (&json!("CLOSED"), &json!("lg-1")));
    let changed = ok(&cloud, Method::PATCH, "proxies/link-a", json!({"status": "RUNNING", "groupId": null})).await;
    assert_eq!(
        (&changed["status"], &changed["groupId"], &changed["bound"]),
        (&json!("RUNNING"), &json!(null), &json!(true))
    );
    let changed = ok(&cloud, Method::PATCH, "proxies", json!({"id": "link-a", "createTime": 7})).await;
    assert_eq!(changed["createTime"], 7);
    assert_eq!(ok(&cloud, Method::GET, "proxies", json!(null)).await.as_array().map(Vec::len), Some(2));
    ok(&cloud, Method::DELETE, "proxies?id=link-a", json!(null)).await;
    ok(&cloud, Method::DELETE, "proxies/link-sim00001", json!(null)).await;
    assert_eq!(cloud.client().look("link-sim00001").await, None);
    let (status, _) = control(&cloud, Method::GET, "proxies/link-a", json!(null)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn many_proxies_can_be_made_at_once() {
    let cloud = Cloud::start(0).await;
    let made = ok(&cloud, Method::POST, "proxies", json!([{"count": 3}, {"id": "link-a"}])).await;
    let ids: BTreeSet<&str> =
        made.as_array().expect("a list").iter().filter_map(|proxy| proxy["id"].as_str()).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_wrong_control_call_gets_a_sentence() {
    let cloud = Cloud::start(1).await;
    for (method, path, body, word) in [
        (Method::POST, "proxies", json!({"id": "link-sim00001"}), "already"),
        (Method::POST, "proxies", json!({"id": "lb-1"}), "link-"),
        (Method::POST, "proxies", json!({"account": "7"}), "account"),
        (Method::POST, "proxies", json!({"colour": "red"}), "colour"),
        (Method::PATCH, "proxies", json!({"id": "link-none"}), "link-none"),
        (Method::DELETE, "proxies", json!(null), "?id="),
        (Method::POST, "settings", json!({"speed": 1}), "speed"),
        (Method::POST, "faults", json!({"kind": "gremlin"}), "gremlin"),
        (Method::POST, "faults", json!({"kind": "error", "probability": 2}), "probability"),
        (Method::POST, "faults", json!({"kind": "error", "parameters": {"colour": 1}}), "colour"),
        (Method::POST, "faults", json!({"kind": "tls-failure"}), "https://"),
        (Method::GET, "requests?after=x", json!(null), "number"),
    ] {
        let (status, answer) = control(&cloud, method, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|sentence| sentence.contains(word)), "{path}: {answer}");
    }
    let (status, _) = control(&cloud, Method::GET, "nothing", json!(null)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_can_be_set_to_happen_later() {
    let cloud = Cloud::start(1).await;
    cloud.add("link-a");
    ok(&cloud, Method::PATCH, "proxies/link-sim00001", json!({"vanishInMs": 5_000})).await;
    let later = json!({"status": "MOVING", "thenStatus": "RUNNING", "afterMs": 5_000});
    ok(&cloud, Method::PATCH, "proxies/link-a", later).await;
    let client = cloud.client();
    assert_eq!(client.look("link-sim00001").await.as_deref(), Some("RUNNING"));
    assert_eq!(client.look("link-a").await.as_deref(), Some("MOVING"));
    cloud.clock.advance(Duration::from_secs(5));
    assert_eq!(client.look("link-sim00001").await, None);
    assert_eq!(client.look("link-a").await.as_deref(), Some("RUNNING"));
}

#[tokio::test]
async fn faults_and_settings_are_posted_listed_and_taken_back() {
    let cloud = Cloud::start(1).await;
    let kinds = ok(&cloud, Method::GET, "faults/kinds", json!(null)).await;
    assert_eq!(kinds.as_array().map(Vec::len), Some(CATALOGUE.len()));
    assert!(kinds[0]["name"].is_string() && kinds[0]["description"].is_string());
    let fault = json!({"kind": "error", "action": "DestroyProxies", "times": 2,
                       "parameters": {"code": "FailedOperation.NonStandardProxy", "message": "special"}});
    let id = ok(&cloud, Method::POST, "faults", fault).await["id"].as_u64().expect("a number");
    let answer = cloud.client().call("DestroyProxies", json!({"Force": 0, "ProxyIds": ["link-sim00001"]})).await;
    assert_eq!(answer["Error"], json!({"Code": "FailedOperation.NonStandardProxy", "Message": "special"}));
    let listed = ok(&cloud, Method::GET, "faults", json!(null)).await;
    assert_eq!((&listed[0]["kind"], &listed[0]["hits"]), (&json!("error"), &json!(1)));
    ok(&cloud, Method::DELETE, &format!("faults/{id}"), json!(null)).await;
    assert_eq!(cloud.client().destroy("link-sim00001").await.expect("an answer").status(), 200);
    assert_eq!(cloud.status("link-sim00001").as_deref(), Some("DESTROYING"));

    let settings = ok(&cloud, Method::POST, "settings", json!({"absentInDescribe": "error"})).await;
    assert_eq!(settings["absentInDescribe"], "error");
    assert_eq!(cloud.client().code("DescribeProxies", json!({"ProxyIds": ["link-none"]})).await, "ResourceNotFound");
    assert_eq!(ok(&cloud, Method::GET, "settings", json!(null)).await["rateLimit"], 20);
}

#[tokio::test]
async fn keys_can_be_added_and_taken_away_and_never_show_their_secret() {
    let cloud = Cloud::start(0).await;
    let key = json!({"secretId": "AKIDNEW", "secretKey": "planted-secret", "uin": "100000000009"});
    ok(&cloud, Method::POST, "credentials", key).await;
    let listed = ok(&cloud, Method::GET, "credentials", json!(null)).await.to_string();
    assert!(listed.contains("AKIDNEW") && !listed.contains("planted-secret"), "{listed}");
    let spec = ProxySpec { account: Some("100000000009".to_owned()), ..ProxySpec::named("link-a") };
    cloud.control.add_proxy(&spec).expect("the account exists now");
    ok(&cloud, Method::DELETE, "credentials/AKIDNEW", json!(null)).await;
}

#[tokio::test]
async fn the_posted_refusal_of_connections_is_answered_first_and_ends() {
    let cloud = Cloud::start(0).await;
    let fault = json!({"kind": "connection-refused", "parameters": {"durationMs": 100}});
    ok(&cloud, Method::POST, "faults", fault).await;
    let address = cloud.simulator.address();
    let refused_then_open = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused_then_open).await.expect("closed, then open again");
    assert_eq!(cloud.client().code("DescribeProxies", json!({})).await, "OK");
}
