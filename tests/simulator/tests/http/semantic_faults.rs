//! What each fault inside the service does.

use std::time::Duration;

use gaap_simulator::{AbsentAnswer, Fault, Kind, Sight, TokenMode};
use serde_json::json;

use crate::faults::{DESCRIBE, DESTROY, ID, Scene, on_destroy};

pub async fn clock_skew() {
    let scene = Scene::with(on_destroy(Kind::ClockSkew)).await;
    let (_, headers, body) = scene.destroyed().await;
    assert!(String::from_utf8_lossy(&body).contains("AuthFailure.SignatureExpire"));
    assert_eq!(headers["date"], "Tue, 14 Nov 2023 22:23:20 GMT", "ten minutes ahead");
    assert!(!scene.was_destroyed());
    scene.cloud.control.change_settings(|settings| settings.clock_skew_seconds = -301);
    assert_eq!(scene.code().await, "AuthFailure.SignatureExpire", "as a setting it concerns every request");
}

pub async fn dns_flip() {
    let scene = Scene::with(on_destroy(Kind::DnsFlip)).await;
    assert_eq!(scene.code().await, "AuthFailure.SecretIdNotFound");
    let stranger = on_destroy(Kind::DnsFlip).with(|parameters| parameters.answer = Some("stranger".to_owned()));
    let scene = Scene::with(stranger).await;
    assert_eq!(scene.destroyed().await.0, 404);
    assert!(!scene.was_destroyed());
}

pub async fn throttle() {
    for percent in [1, 50, 100] {
        let scene = Scene::with(on_destroy(Kind::Throttle).times(0).probability(f64::from(percent) / 100.0, 3)).await;
        scene.cloud.control.change_settings(|settings| settings.rate_limit = 0);
        let mut refused = 0;
        for _ in 0..200 {
            let code = scene.client.code(DESTROY, json!({"Force": 0, "ProxyIds": ["link-none"]})).await;
            refused += u32::from(code == "RequestLimitExceeded");
        }
        let expected = percent * 2;
        assert!(refused.abs_diff(expected) <= 25, "{refused} of 200 at {percent} %");
        assert!(percent != 100 || refused == 200);
    }
}

pub async fn partial_sets() {
    let fault = on_destroy(Kind::PartialSets).with(|parameters| {
        parameters.invalid = vec![ID.to_owned()];
        parameters.failed = vec!["link-b".to_owned()];
    });
    let scene = Scene::with(fault).await;
    ["link-b", "link-c"].iter().for_each(|id| scene.cloud.add(id));
    let answer = scene.client.call(DESTROY, json!({"Force": 0, "ProxyIds": [ID, "link-b", "link-c"]})).await;
    assert_eq!(
        (&answer["InvalidStatusInstanceSet"], &answer["OperationFailedInstanceSet"]),
        (&json!([ID]), &json!(["link-b"]))
    );
    assert_eq!(scene.cloud.last_entry().accepted_ids, ["link-c"]);
    assert!(!scene.was_destroyed());
}

pub async fn gone_back_gone() {
    let fault =
        Fault::new(Kind::GoneBackGone).with(|parameters| parameters.pattern = vec![Sight::Absent, Sight::Present]);
    let scene = Scene::with(fault).await;
    assert_eq!(scene.looks(1).await, [Some("RUNNING".to_owned())]);
    assert_eq!(scene.code().await, "OK");
    scene.cloud.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.looks(3).await, [None, Some("DESTROYING".to_owned()), None]);
}

pub async fn stale_after_accept() {
    let scene = Scene::with(Fault::new(Kind::StaleAfterAccept).times(2)).await;
    assert_eq!(scene.code().await, "OK");
    let running = Some("RUNNING".to_owned());
    assert_eq!(scene.looks(3).await, [running.clone(), running, Some("DESTROYING".to_owned())]);
}

pub async fn absent_from_page() {
    let scene = Scene::with(Fault::new(Kind::AbsentFromPage).for_id(ID).times(2)).await;
    scene.cloud.add("link-b");
    let page = scene.client.call(DESCRIBE, json!({"ProxyIds": [ID, "link-b"], "Limit": 100})).await;
    assert_eq!((&page["TotalCount"], page["ProxySet"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    assert_eq!(scene.looks(1).await, [Some("RUNNING".to_owned())]);
}

pub async fn absent_answer() {
    for (absent, expected) in [(None, "ResourceNotFound"), (Some(AbsentAnswer::Omit), "OK")] {
        let scene = Scene::with(Fault::new(Kind::AbsentAnswer).with(|parameters| parameters.absent = absent)).await;
        assert_eq!(scene.client.code(DESCRIBE, json!({"ProxyIds": ["link-none"]})).await, expected);
    }
}

pub async fn destroy_duration() {
    let scene = Scene::with(on_destroy(Kind::DestroyDuration)).await;
    assert_eq!(scene.code().await, "OK");
    assert_eq!(scene.looks(1).await, [None], "no time at all");
}

pub async fn stuck_destroying() {
    let scene = Scene::with(on_destroy(Kind::StuckDestroying)).await;
    assert_eq!(scene.code().await, "OK");
    scene.cloud.clock.advance(Duration::from_secs(200));
    assert!(scene.was_destroyed());
    assert!(scene.cloud.control.remove_proxy(ID), "until someone acts");
}

pub async fn destroy_rejected_late() {
    let scene = Scene::with(on_destroy(Kind::DestroyRejectedLate)).await;
    assert_eq!(scene.code().await, "OK");
    assert_eq!(scene.looks(1).await, [Some("DESTROYING".to_owned())]);
    scene.cloud.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.looks(1).await, [Some("RUNNING".to_owned())]);
    assert_eq!(scene.code().await, "OK", "it can be tried again");
}

pub async fn token_forgotten() {
    let scene = Scene::with(on_destroy(Kind::TokenForgotten).skip(1)).await;
    let body = json!({"Force": 0, "ProxyIds": [ID], "ClientToken": "t"});
    assert_eq!(scene.client.code(DESTROY, body.clone()).await, "OK");
    let again = scene.client.call(DESTROY, body).await;
    assert_eq!(again["InvalidStatusInstanceSet"], json!([ID]), "judged afresh: it is DESTROYING");
}

pub async fn token_mode() {
    for (mode, force, expected) in [
        (TokenMode::Replay, 1, "OK"),
        (TokenMode::Mismatch, 0, "OK"),
        (TokenMode::Mismatch, 1, "InvalidParameterValue"),
        (TokenMode::Refuse, 0, "FailedOperation.DuplicatedRequest"),
    ] {
        let fault = on_destroy(Kind::TokenMode).times(0).with(|parameters| parameters.mode = Some(mode));
        let scene = Scene::with(fault).await;
        let body = |force: i64| json!({"Force": force, "ProxyIds": [ID], "ClientToken": "t"});
        assert_eq!(scene.client.code(DESTROY, body(0)).await, "OK");
        assert_eq!(scene.client.code(DESTROY, body(force)).await, expected, "{mode:?}");
        let entry = scene.cloud.last_entry();
        assert!(entry.accepted_ids.is_empty(), "nothing happens twice");
        assert_eq!(entry.replay_of, (expected == "OK").then_some(1));
    }
}

pub async fn id_reused() {
    let scene = Scene::with(on_destroy(Kind::IdReused)).await;
    let first = scene.cloud.control.proxy(ID).expect("a proxy").create_time;
    assert_eq!(scene.code().await, "OK");
    scene.cloud.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.looks(1).await, [Some("RUNNING".to_owned())]);
    assert_ne!(scene.cloud.control.proxy(ID).expect("another proxy").create_time, first);
}
