//! Faults of the whole way to the cloud, each in a world of its own.

use std::time::Duration;

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Credential, DEFAULT_UIN, Fault, Kind};
use serde_json::{Value, json};

use super::{adopt, destroyed_once, in_both_modes, proxy, told_first, waits, world};
use crate::harness::{OTHER, PROXY, World, condition, in_time};

const NAMES: &[&str] = &["a", "b", "c", "d"];

async fn delete_all(world: &World) {
    world.kubectl(&["delete", "gaap", "--all", "--wait=false"]).await;
}

async fn end(world: World, expected: impl Fn(&str) -> bool) {
    join_all(NAMES.iter().map(|name| world.gone(name))).await;
    for (place, name) in NAMES.iter().enumerate() {
        let sent = world.tokens(&proxy(place));
        assert!(expected(&sent), "{name}: {sent}");
        destroyed_once(&world, name, &proxy(place), &sent);
    }
    world.finish().await;
}

/// The operator is as ready as before: the cloud's trouble is not its own.
async fn ready(world: &World) {
    assert_eq!(world.operator().readyz().await.unwrap().0, 200);
}

#[tokio::test]
async fn deletions_wait_while_the_endpoint_refuses_connections() {
    in_both_modes("connection-refused", async |world: World| {
        adopt(&world, NAMES).await;
        // For longer than what follows takes.
        world.cloud().refuse_connections(Duration::from_secs(20));
        delete_all(&world).await;
        waits(&world, "CloudUnreachable", 4.0).await;
        ready(&world).await;
        for name in NAMES {
            told_first(&world, name, "CloudUnreachable").await;
        }
        assert!(world.operator().metrics().await.calls("DescribeProxies", "transport_connect") >= 1.0);
        assert!((0..NAMES.len()).all(|place| world.destroys(&proxy(place)).is_empty()));
        end(world, |sent| sent == "a").await;
    })
    .await;
}

#[tokio::test]
async fn a_request_whose_endpoint_vanishes_under_it_is_sent_again_as_it_was() {
    in_both_modes("connection-refused-midway", async |world: World| {
        adopt(&world, NAMES).await;
        let refused = Fault::new(Kind::ConnectionRefused).on("DestroyProxies").for_id(proxy(0));
        let number = world.fault(refused.with(|with| with.duration_ms = Some(1_500)));
        delete_all(&world).await;
        world.fault_hits(number).await;
        let told =
            |object: &Value| condition(object, "Deleting").is_some_and(|(_, reason, _)| reason == "CloudUnreachable");
        world.was("a", "CloudUnreachable", told).await;
        end(world, |sent| matches!(sent, "a" | "aa")).await;
    })
    .await;
}

/// Absent ids cannot matter where nothing is ever answered.
#[tokio::test]
async fn an_endpoint_without_tls_is_told_and_nothing_is_sent_to_it_in_clear() {
    let world = world("tls-failure", AbsentAnswer::Omit).proxies(2).https().operator_stopped().start().await;
    world.operator().spawn().await;
    world.create("destroyed", PROXY).await;
    world.create_with("retained", OTHER, json!({"deletionPolicy": "Retain"})).await;
    let message = world.condition("destroyed", "Ready", "CloudUnreachable").await;
    assert!(message.contains("GetCallerIdentity could not be sent") && message.contains("--ca-bundle"), "{message}");
    world.delete("destroyed").await;
    world.condition("destroyed", "Deleting", "CloudUnreachable").await;
    told_first(&world, "destroyed", "CloudUnreachable").await;
    waits(&world, "CloudUnreachable", 1.0).await;
    ready(&world).await;
    assert!(world.operator().metrics().await.calls("GetCallerIdentity", "transport_connect") >= 1.0);

    // To keep a proxy, no cloud is needed.
    world.delete("retained").await;
    world.gone("retained").await;
    assert!(world.object("destroyed").is_some(), "what cannot be seen is not gone");
    world.change_spec("destroyed", json!({"deletionPolicy": "Retain"})).await;
    world.gone("destroyed").await;
    assert_eq!(world.requests(), [], "the handshake comes before the request");
    assert_eq!(world.cloud().proxies().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_node_whose_clock_is_wrong_signs_with_the_time_of_the_cloud() {
    in_both_modes("clock-skew", async |world: World| {
        adopt(&world, NAMES).await;
        world.fault(Fault::new(Kind::ClockSkew).times(0).with(|with| with.seconds = Some(900)));
        delete_all(&world).await;
        join_all(NAMES.iter().map(|name| world.gone(name))).await;
        let refused = world.requests().into_iter().filter(|entry| entry.code == "AuthFailure.SignatureExpire").count();
        assert!((1..=NAMES.len()).contains(&refused), "{refused} requests were signed with the wrong time");
        end(world, |sent| sent == "a").await;
    })
    .await;
}

/// One of the cloud's servers has a wrong clock: whoever takes its time over is refused by all others.
#[tokio::test]
async fn one_answer_from_a_server_with_a_wrong_clock_holds_nobody_up() {
    in_both_modes("clock-skew-once", async |world: World| {
        adopt(&world, NAMES).await;
        world.fault(Fault::new(Kind::ClockSkew).with(|with| with.seconds = Some(900)));
        delete_all(&world).await;
        join_all(NAMES.iter().map(|name| world.gone(name))).await;
        for name in NAMES {
            let stalled = world.history(name).into_iter().find(|object| object.to_string().contains("Stalled"));
            assert_eq!(stalled, None, "{name}: nobody has to act");
        }
        end(world, |sent| matches!(sent, "a" | "aa")).await;
    })
    .await;
}

#[tokio::test]
async fn throttled_requests_keep_their_tokens_and_all_deletions_end() {
    in_both_modes("throttle", async |world: World| {
        adopt(&world, NAMES).await;
        // The first request of each is throttled for sure, every other one by chance.
        for place in 0..NAMES.len() {
            world.fault(Fault::new(Kind::Throttle).on("DestroyProxies").for_id(proxy(place)));
        }
        world.fault(Fault::new(Kind::Throttle).on("DescribeProxies").times(20).probability(0.3, 7));
        delete_all(&world).await;
        waits(&world, "Throttled", 1.0).await;
        ready(&world).await;
        join_all(NAMES.iter().map(|name| world.event(name, "Throttled"))).await;
        assert!(world.operator().metrics().await.calls("DestroyProxies", "RequestLimitExceeded") >= 1.0);
        end(world, |sent| sent == "aa").await;
    })
    .await;
}

/// The name leads to a cloud that does not know the key. That is for a person to solve, and nothing is lost meanwhile.
#[tokio::test]
async fn another_cloud_under_the_same_name_is_told_and_believed_in_nothing() {
    in_both_modes("dns-flip", async |world: World| {
        adopt(&world, NAMES).await;
        let flip = world.fault(Fault::new(Kind::DnsFlip).times(0));
        delete_all(&world).await;
        for name in NAMES {
            let message = world.condition(name, "Deleting", "CredentialsInvalid").await;
            assert!(message.contains("AuthFailure.SecretIdNotFound"), "{message}");
            world.condition(name, "Stalled", "CredentialsInvalid").await;
            let reasons = world.reasons(name, "Deleting");
            let allowed = ["CredentialsInvalid", "CloudUnreachable"];
            assert!(reasons.iter().all(|reason| allowed.contains(&reason.as_str())), "{name}: {reasons:?}");
            in_time(reasons == allowed[..1], format_args!("{name}: {reasons:?}"));
            assert_eq!(world.event(name, "CredentialsInvalid").await.kind, "Warning");
        }
        let metrics = world.operator().metrics().await;
        assert!(metrics.calls("DescribeProxies", "AuthFailure.SecretIdNotFound") >= 1.0);
        waits(&world, "CredentialsInvalid", 4.0).await;
        assert!((0..NAMES.len()).all(|place| world.destroys(&proxy(place)).is_empty()));

        assert!(world.cloud().remove_fault(flip));
        world.cloud().put_credential(Credential::new(NEW_KEY.0, NEW_KEY.1, DEFAULT_UIN));
        world.write_credentials(NEW_KEY.0, NEW_KEY.1);
        end(world, |sent| sent == "a").await;
    })
    .await;
}

/// Another key of the same account.
const NEW_KEY: (&str, &str) = ("AKIDSIMULATOR00000000000000000000003", "simulatorsimulatorsimulator00003");
