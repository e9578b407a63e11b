use std::sync::Arc;
use std::time::Duration;

use gaap_simulator::{Clock, Config, Fault, Kind, ManualClock, Phase, ProxySpec, Simulator, UnixTime};
use serde_json::json;

use crate::support::{Client, Cloud, LIMIT, OTHER_ID, OTHER_KEY};

#[tokio::test]
async fn twenty_requests_a_second_pass_per_account_and_action() {
    let cloud = Cloud::start(1).await;
    let client = cloud.client();
    for _ in 0..20 {
        assert_eq!(client.code("DescribeProxies", json!({})).await, "OK");
    }
    assert_eq!(client.code("DescribeProxies", json!({})).await, "RequestLimitExceeded");
    assert_eq!(cloud.last_entry().code, "RequestLimitExceeded", "it is in the log");
    assert_eq!(client.code("DescribeProxiesStatus", json!({"ProxyIds": ["link-sim00001"]})).await, "OK");
    let other = Client::new(&cloud, OTHER_ID, OTHER_KEY);
    assert_eq!(other.code("DescribeProxies", json!({})).await, "OK");
    cloud.clock.advance(Duration::from_secs(1));
    assert_eq!(client.code("DescribeProxies", json!({})).await, "OK");
}

#[tokio::test]
async fn a_request_refused_for_its_rate_leaves_its_token_unused_unless_the_setting_says_otherwise() {
    for (used, expected) in [(false, "OK"), (true, "FailedOperation.DuplicatedRequest")] {
        let cloud = Cloud::start(1).await;
        cloud.control.change_settings(|settings| {
            settings.rate_limit = 1;
            settings.token_used_when_throttled = used;
        });
        let client = cloud.client();
        let body = json!({"Force": 0, "ProxyIds": ["link-sim00001"], "ClientToken": "t"});
        client.code("DestroyProxies", json!({"Force": 0, "ProxyIds": ["link-none"]})).await;
        assert_eq!(client.code("DestroyProxies", body.clone()).await, "RequestLimitExceeded");
        cloud.clock.advance(Duration::from_secs(1));
        assert_eq!(client.code("DestroyProxies", body).await, expected);
    }
}

#[tokio::test]
async fn the_log_says_what_came_what_was_done_and_what_was_told() {
    let cloud = Cloud::start(1).await;
    let client = cloud.client();
    let body = json!({"Force": 1, "ProxyIds": ["link-sim00001"], "ClientToken": "token-1"});
    let request_id = client.call("DestroyProxies", body).await["RequestId"].as_str().expect("an id").to_owned();
    client.call("DescribeProxies", json!({"ProxyIds": ["link-sim00001"], "Limit": 100})).await;
    let entries = serde_json::to_value(cloud.control.requests(0)).expect("JSON");
    let created = cloud.clock.now().seconds() - 3_600;
    assert_eq!(
        entries[0],
        json!({
            "seq": 1, "time": "2023-11-14T22:13:20.000000Z", "account": "100000000001", "key": "0001",
            "action": "DestroyProxies", "ids": ["link-sim00001"], "force": 1, "clientToken": "token-1", "code": "OK",
            "requestId": request_id, "acceptedIds": ["link-sim00001"], "acceptedCreateTimes": [created],
            "delivered": true, "completed": true,
        })
    );
    let row = json!({"id": "link-sim00001", "status": "DESTROYING", "createTime": created});
    assert_eq!(entries[1]["describe"], json!({"totalCount": 1, "limit": 100, "returned": [row]}));
    assert_eq!(cloud.control.requests(1).len(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_undo_its_request_and_is_not_told_the_answer() {
    let cloud = Cloud::start(1).await;
    let fault = Fault::new(Kind::Hang).with(|parameters| parameters.phase = Some(Phase::Before));
    let fault = cloud.control.add_fault(fault).expect("a valid fault");
    let client = cloud.client();
    let call = tokio::spawn(async move { client.destroy("link-sim00001").await });
    cloud.entry_where(|entry| !entry.completed).await;
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(cloud.status("link-sim00001").as_deref(), Some("RUNNING"));
    cloud.control.remove_fault(fault);
    let entry = cloud.entry_where(|entry| entry.completed).await;
    assert_eq!((entry.code.as_str(), entry.delivered), ("OK", false));
    assert_eq!(entry.accepted_ids, ["link-sim00001"]);
    assert_eq!(cloud.status("link-sim00001").as_deref(), Some("DESTROYING"));
}

#[tokio::test]
async fn two_hundred_callers_at_once_are_numbered_without_gaps() {
    let cloud = Cloud::start(1).await;
    cloud.control.change_settings(|settings| settings.rate_limit = 0);
    let client = cloud.client();
    let calls = (0..200).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.code("DescribeProxies", json!({})).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("no panic"), "OK");
    }
    let numbers: Vec<u64> = cloud.control.requests(0).iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<u64>>());
    assert!(cloud.control.requests(0).iter().all(|entry| entry.delivered));
}

#[tokio::test]
async fn a_full_log_says_how_much_it_dropped() {
    let clock = ManualClock::at(UnixTime::from_seconds(1_700_000_000));
    let config = Config { log_capacity: 2, clock: Arc::new(clock.clone()), ..Config::default() };
    let simulator = Simulator::start(config).await.expect("a free port");
    let cloud = Cloud { control: simulator.control(), simulator, clock };
    let client = cloud.client();
    for _ in 0..5 {
        client.code("DescribeProxies", json!({})).await;
    }
    let answer = client.http.get(format!("{}/_sim/requests?after=0", client.url)).send().await.expect("an answer");
    assert_eq!(answer.headers()["x-sim-dropped-requests"], "3");
    assert_eq!(answer.json::<Vec<serde_json::Value>>().await.expect("a list").len(), 2);
}

#[tokio::test]
async fn a_simulator_stops_in_time_although_a_request_hangs_and_frees_its_port() {
    let cloud = Cloud::start(1).await;
    cloud.control.add_fault(Fault::new(Kind::Hang).times(0)).expect("a valid fault");
    let client = cloud.client();
    let call = tokio::spawn(async move { client.destroy("link-sim00001").await });
    cloud.entry_where(|entry| !entry.completed).await;
    let address = cloud.simulator.address();
    tokio::time::timeout(LIMIT, cloud.simulator.stop()).await.expect("stopped in time");
    assert!(call.await.expect("no panic").is_err(), "the hanging request was cut");
    let config = Config { listen: address, ..Config::default() };
    Simulator::start(config).await.expect("the port is free again");
}

#[tokio::test]
async fn a_dropped_simulator_ends_too() {
    let cloud = Cloud::start(0).await;
    let address = cloud.simulator.address();
    drop(cloud);
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("ended");
}

#[tokio::test]
async fn an_account_neither_sees_nor_destroys_what_belongs_to_another() {
    let cloud = Cloud::start(1).await;
    let theirs = ProxySpec { account: Some(crate::support::OTHER_UIN.to_owned()), ..ProxySpec::named("link-theirs") };
    cloud.control.add_proxy(&theirs).expect("a proxy");
    let (own, other) = (cloud.client(), Client::new(&cloud, OTHER_ID, OTHER_KEY));
    assert_eq!(own.look("link-theirs").await, None);
    assert_eq!(other.look("link-theirs").await.as_deref(), Some("RUNNING"));
    let body = json!({"Force": 1, "ProxyIds": ["link-theirs"]});
    assert_eq!(own.code("DestroyProxies", body.clone()).await, "ResourceNotFound");
    assert_eq!(other.code("DestroyProxies", body).await, "OK");
    assert_eq!(cloud.last_entry().account, crate::support::OTHER_UIN);
}

#[tokio::test]
async fn an_error_can_use_the_token_up_without_anything_being_done() {
    let cloud = Cloud::start(1).await;
    let body = json!({"Force": 0, "ProxyIds": ["link-sim00001"], "ClientToken": "t"});
    let fault = Fault::new(Kind::Error).with(|parameters| {
        parameters.code = Some("FailedOperation".to_owned());
        parameters.uses_token = true;
    });
    cloud.control.add_fault(fault.clone()).expect("a valid fault");
    let client = cloud.client();
    assert_eq!(client.code("DestroyProxies", body.clone()).await, "FailedOperation");
    assert_eq!(cloud.status("link-sim00001").as_deref(), Some("RUNNING"));
    assert_eq!(client.code("DestroyProxies", body).await, "FailedOperation.DuplicatedRequest");
    cloud.control.add_fault(fault).expect("a valid fault");
    assert_eq!(client.code("DescribeProxies", json!({})).await, "FailedOperation", "actions without a token as well");
}

#[tokio::test]
async fn what_a_caller_sends_can_not_fill_the_log() {
    let cloud = Cloud::start(0).await;
    let ids: Vec<String> = (0..5_000).map(|index| format!("link-{index}{}", "x".repeat(500))).collect();
    let body = json!({"Force": 0, "ProxyIds": ids, "ClientToken": "t".repeat(100_000)});
    assert_eq!(cloud.client().code("DestroyProxies", body).await, "InvalidParameterValue");
    let entry = cloud.last_entry();
    assert_eq!(entry.ids.len(), 200);
    assert!(entry.ids[0].len() <= 256 && entry.client_token.is_some_and(|token| token.len() <= 256));
}
