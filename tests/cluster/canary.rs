//! Planted secrets are seen nowhere, at the finest log level.
//!
//! A search that finds nothing proves little unless it is known to find something: each channel is first shown to
//! carry a planted word through the same collection.

use std::process::Stdio;

use gaap_simulator::{Credential, DEFAULT_UIN, Fault, Kind};
use tokio::process::Command;

use crate::harness::{OTHER, PROXY, World};

const SECRET_ID: &str = "AKIDCANARYcanaryCANARYcanary0000001";
const SECRET_KEY: &str = "canaryKEYcanaryKEYcanaryKEYcanary01";
const TOKEN: &str = "canaryTOKENcanaryTOKENcanaryTOKEN0000000000000001";
/// Not secret: shows that a channel is searched.
const MARK: &str = "MARKmarkMARKmark0001";

/// The name of each channel with what it carries.
async fn channels(world: &World) -> Vec<(&'static str, String)> {
    vec![
        ("output", world.operator().log()),
        ("events", serde_json::to_string(&world.raw_events()).unwrap()),
        ("status", serde_json::to_string(&world.history("marked")).unwrap()),
        ("status of the other", serde_json::to_string(&world.history("echoed")).unwrap()),
        ("metrics", world.operator().metrics().await.text),
    ]
}

fn found(channels: &[(&'static str, String)], words: &[&str]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (channel, text) in channels {
        for word in words {
            if let Some(place) = text.find(word) {
                let from = text[..place]
                    .rfind('\n')
                    .map_or(place.saturating_sub(200), |line| line.max(place.saturating_sub(200)));
                let from = (from..=place).find(|place| text.is_char_boundary(*place)).unwrap_or(place);
                found.push((*channel, format!("…{}«here»", &text[from..place])));
            }
        }
    }
    found
}

/// The token in the kubeconfig of the operator.
fn bearer_token(world: &World) -> String {
    let text = std::fs::read_to_string(world.operator().kubeconfig()).unwrap();
    let kubeconfig: serde_json::Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_secret_is_in_output_events_status_or_metrics_at_the_finest_log_level() {
    for format in ["text", "json"] {
        let world = World::build(&format!("canary {format}")).operator_stopped();
        let world = world.environment("RUST_LOG", "trace").flag("--log-format", format).start().await;
        let expires = k8s_openapi::jiff::Timestamp::now().as_second() + 3_600;
        world.cloud().put_credential(Credential::new(SECRET_ID, SECRET_KEY, DEFAULT_UIN).with_token(TOKEN, expires));
        world.write_credentials(SECRET_ID, SECRET_KEY);
        std::fs::write(world.credentials().join("token"), TOKEN).unwrap();
        world.operator().start().await;

        // The cloud speaks the mark of its own accord; and an endpoint that echoes what it received speaks the secrets.
        let says = |id: &str, message: String| {
            Fault::new(Kind::Error).on("DestroyProxies").for_id(id).with(|with| {
                with.code = Some("FailedOperation.UserNotInWhitelist".to_owned());
                with.message = Some(message);
            })
        };
        world.fault(says(PROXY, format!("the mark {MARK}")));
        world.fault(says(OTHER, format!("you sent {SECRET_ID} and {SECRET_KEY} and {TOKEN}")));
        for (name, proxy) in [("marked", PROXY), ("echoed", OTHER)] {
            world.create(name, proxy).await;
            world.available(name).await;
            world.delete(name).await;
            world.condition(name, "Stalled", "Refused").await;
            world.event(name, "Refused").await;
        }
        let carried = channels(&world).await;
        let marked = found(&carried, &[MARK]);
        for channel in ["output", "events", "status"] {
            assert!(marked.iter().any(|(have, _)| *have == channel), "{format}: the search does not see {channel}");
        }
        // A label is from a closed set, so a word of the cloud that is in it stands for the mark.
        let code = found(&carried, &["FailedOperation.UserNotInWhitelist"]);
        assert!(code.iter().any(|(channel, _)| *channel == "metrics"), "{format}: the search does not see metrics");
        let log = &carried[0].1;
        assert!(log.contains("TRACE"), "{format}: the finest level is on");

        let token = bearer_token(&world);
        let secrets = [SECRET_ID, SECRET_KEY, TOKEN, token.as_str(), "Signature=", "TC3-HMAC-SHA256 Credential"];
        let leaks = found(&carried, &secrets);
        assert!(leaks.is_empty(), "{format}: {leaks:#?}");

        for name in ["marked", "echoed"] {
            world.change_spec(name, serde_json::json!({"deletionPolicy": "Retain"})).await;
            world.gone(name).await;
        }
        let leaks = found(&channels(&world).await, &secrets);
        assert!(leaks.is_empty(), "{format}: {leaks:#?}");
        world.finish().await;
    }
}

/// Names the test below to its own child.
const CHILD: &str = "GAAP_CANARY_PANIC";

/// The program has no panic to be provoked, so what a panic shows is tested where it is made: the same logger, in a
/// child process that holds credentials and panics with a planted word.
#[tokio::test]
async fn a_panic_is_told_in_the_output_and_credentials_have_no_text_to_tell() {
    if std::env::var_os(CHILD).is_some() {
        gaap_operator::process::telemetry::start(gaap_operator::process::telemetry::LogFormat::Text).unwrap();
        let credentials =
            gaap_operator::gaap::Credentials::new(SECRET_ID.to_owned(), SECRET_KEY.to_owned(), Some(TOKEN.to_owned()));
        panic!("{MARK} {credentials:?} {:#?}", credentials.as_ref().unwrap());
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "canary::a_panic_is_told_in_the_output_and_credentials_have_no_text_to_tell",
        "--nocapture",
    ]);
    child.env(CHILD, "1").env("RUST_LOG", "trace").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), child.output()).await.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let carried = [("panic text", said)];
    assert_eq!(found(&carried, &[MARK]).len(), 1, "the search sees panics: {carried:?}");
    let leaks = found(&carried, &[SECRET_ID, SECRET_KEY, TOKEN]);
    assert!(leaks.is_empty(), "{leaks:#?}");
}
