//! Faults inside the cloud whose story is longer than one call. Every row is a resource of its own, all of a world at
//! once. In one world only one row has a fault of a kind that acts on looks: of one kind the oldest acts, and an answer
//! can be about several proxies.

use futures::future::join_all;
use gaap_simulator::{AbsentAnswer, Entry, Fault, Kind, ProxySpec, Sight, TokenMode};
use serde_json::{Value, json};

use super::{adopt, destroyed_once, proxy, seconds_between, told_first, waits};
use crate::harness::{BOTH, LIMIT, World, in_time, until};

/// Flags beside the times of all.
type Flags = &'static [(&'static str, &'static str)];

/// Until the test has seen what is waited for, and lifted it, no other request is to be made.
const SETTLES_LATE: Flags = &[("--settle-time", "60s")];
/// A first absence is told unless the second look is due already, as it may soon be on a loaded machine. What the cloud
/// shows in between is no reason for another request.
const ABSENT_LONG: Flags = &[("--absence-spacing", "2s"), ("--settle-time", "60s")];

/// The flags of each world, and its rows.
const WORLDS: &[(Flags, &[&str])] = &[
    (
        &[],
        &[
            "partial-sets",
            "partial-sets-failed",
            "error-that-uses-the-token",
            "absent-answer",
            "destroy-duration",
            "destroy-duration-of-none",
            "stuck-destroying",
            "destroy-rejected-late",
            "unknown-status",
            "id-reused",
        ],
    ),
    (SETTLES_LATE, &["stale-after-accept"]),
    (&[], &["token-forgotten", "absent-answer-when-none-exists"]),
    (&[], &["token-mode"]),
    (&[], &["token-mode-mismatch"]),
    // Their looks go alone, so that each fault is a look of the operator, also where an absent id fails a call.
    (ABSENT_LONG, &["gone-back-gone"]),
    (ABSENT_LONG, &["gone-back-running-gone"]),
];

#[tokio::test]
async fn a_cloud_that_changes_its_mind_gets_one_destroy_at_a_time_and_none_too_many() {
    join_all(WORLDS.iter().flat_map(|&(flags, rows)| BOTH.map(|absent| in_a_world(flags, rows, absent)))).await;
}

async fn in_a_world(flags: Flags, rows: &[&'static str], absent: AbsentAnswer) {
    let world = super::world(rows[0], absent);
    let world = flags.iter().fold(world, |world, (flag, value)| world.flag(flag, value)).start().await;
    adopt(&world, rows).await;
    join_all(rows.iter().enumerate().map(async |(place, name)| {
        let row = Row { world: &world, name, proxy: proxy(place) };
        row.walk().await;
    }))
    .await;
    world.finish().await;
}

struct Row<'a> {
    world: &'a World,
    name: &'static str,
    proxy: String,
}

impl Row<'_> {
    async fn walk(&self) {
        match self.name {
            "partial-sets" => self.named_in_a_set("InvalidStatusInstanceSet").await,
            "partial-sets-failed" => self.named_in_a_set("OperationFailedInstanceSet").await,
            "error-that-uses-the-token" => self.token_used_up_by_an_error().await,
            "gone-back-gone" => self.gone_and_back("DESTROYING").await,
            "gone-back-running-gone" => self.gone_and_back("RUNNING").await,
            "stale-after-accept" => self.stale().await,
            "absent-answer" => self.absent(AbsentAnswer::Error).await,
            "absent-answer-when-none-exists" => self.absent(AbsentAnswer::ErrorWhenNoneExists).await,
            "destroy-duration" => self.lasts(2_500).await,
            "destroy-duration-of-none" => self.lasts(0).await,
            "stuck-destroying" => self.stuck().await,
            "destroy-rejected-late" => self.rejected_late().await,
            "unknown-status" => self.unknown_status().await,
            "token-forgotten" => self.sent_again(Fault::new(Kind::TokenForgotten), "OK").await,
            "token-mode" => self.sent_again(mode(TokenMode::Replay), "OK").await,
            "token-mode-mismatch" => self.sent_again(mode(TokenMode::Mismatch), "OK").await,
            "id-reused" => self.reused().await,
            other => panic!("{other} has no story"),
        }
    }

    fn fault(&self, fault: Fault) -> u64 {
        self.world.fault(fault.for_id(&self.proxy))
    }

    async fn delete(&self) {
        self.world.delete(self.name).await;
    }

    async fn ends(&self, expected: &str) -> Vec<Entry> {
        self.world.gone(self.name).await;
        destroyed_once(self.world, self.name, &self.proxy, expected);
        self.world.destroys(&self.proxy)
    }

    fn steps(&self) -> Vec<String> {
        self.world.reasons(self.name, "Deleting")
    }

    /// A definite "no": the next request is another one.
    async fn named_in_a_set(&self, set: &str) {
        let id = vec![self.proxy.clone()];
        self.fault(Fault::new(Kind::PartialSets).with(|with| match set {
            "InvalidStatusInstanceSet" => with.invalid = id,
            _ => with.failed = id,
        }));
        self.delete().await;
        self.ends("ab").await;
        told_first(self.world, self.name, "WaitingForCloud").await;
        let refused = self.world.was(self.name, set, |object| object["status"]["destroy"]["lastCode"] == set).await;
        assert!(refused["status"]["conditions"].to_string().contains(set), "{refused}");
    }

    /// The repeat is answered with DuplicatedRequest, and nothing happens for the settle time: the token is burnt.
    async fn token_used_up_by_an_error(&self) {
        self.fault(Fault::new(Kind::Error).on("DestroyProxies").with(|with| with.uses_token = true));
        self.delete().await;
        let sent = self.ends("aab").await;
        assert_eq!(sent[1].code, "FailedOperation.DuplicatedRequest");
        assert!(seconds_between(&sent[1], &sent[2]) >= 1.95, "{sent:#?}");
    }

    /// One negative answer is no proof, and a sight after it is no reason to send again.
    async fn gone_and_back(&self, status: &str) {
        let pattern = vec![Sight::Absent, Sight::Present, Sight::Absent, Sight::Present, Sight::Present];
        let fault = Fault::new(Kind::GoneBackGone).on("DescribeProxies");
        self.fault(fault.with(|with| (with.pattern, with.status) = (pattern, Some(status.to_owned()))));
        self.delete().await;
        self.ends("a").await;
        let expected = ["Destroying", "ConfirmingAbsence"].repeat(3);
        let steps = self.steps();
        assert!(steps.iter().all(|step| expected.contains(&step.as_str())), "{}: {steps:?}", self.name);
        in_time(steps == expected, format_args!("{}: {steps:?}", self.name));
    }

    /// RUNNING right after an accepted request means nothing.
    async fn stale(&self) {
        let number = self.fault(Fault::new(Kind::StaleAfterAccept).on("DescribeProxies").times(0));
        self.delete().await;
        let waited_for = |object: &Value| object.to_string().contains("still shows RUNNING; if nothing changes");
        self.world.is(self.name, "told what is waited for", waited_for).await;
        self.world.cloud().remove_fault(number);
        self.ends("a").await;
    }

    /// An absent id makes the call fail, whatever the others are told.
    async fn absent(&self, answer: AbsentAnswer) {
        self.fault(Fault::new(Kind::AbsentAnswer).times(0).with(|with| with.absent = Some(answer)));
        self.delete().await;
        self.ends("a").await;
        told_first(self.world, self.name, "Destroying").await;
    }

    async fn lasts(&self, milliseconds: u64) {
        self.fault(Fault::new(Kind::DestroyDuration).with(|with| with.duration_ms = Some(milliseconds)));
        self.delete().await;
        self.ends("a").await;
        told_first(self.world, self.name, "Destroying").await;
    }

    /// However long it takes, longer than the settle time too, it is only looked at.
    async fn stuck(&self) {
        self.fault(Fault::new(Kind::StuckDestroying));
        self.delete().await;
        let sent = self.world.destroys_reach(&self.proxy, 1).await;
        until("looks for longer than the settle time", LIMIT, async || {
            let looks = self.world.looks(&self.proxy);
            let last = looks.last().ok_or("no look")?;
            let waited = seconds_between(&sent[0], last);
            if waited > 3.0 { Ok(()) } else { Err(format!("{waited} s")) }
        })
        .await;
        self.world.condition(self.name, "Deleting", "Destroying").await;
        self.world
            .cloud()
            .change_proxy(&self.proxy, &ProxySpec { vanish_in_ms: Some(0), ..ProxySpec::default() })
            .unwrap();
        self.ends("a").await;
    }

    /// The cloud takes an accepted destroy back: after the settle time another request is made.
    async fn rejected_late(&self) {
        self.fault(Fault::new(Kind::DestroyRejectedLate).with(|with| with.after_ms = Some(700)));
        self.delete().await;
        self.world.gone(self.name).await;
        let sent = self.world.destroys(&self.proxy);
        assert_eq!((self.world.tokens(&self.proxy).as_str(), self.world.accepted(&self.proxy)), ("ab", 2), "{sent:#?}");
        assert!(seconds_between(&sent[0], &sent[1]) >= 1.95, "{sent:#?}");
        assert_eq!(sent[0].accepted_create_times, sent[1].accepted_create_times, "it is the same proxy");
    }

    async fn unknown_status(&self) {
        let number = self.fault(Fault::new(Kind::UnknownStatus).on("DescribeProxies").times(0));
        self.delete().await;
        let message = self.world.condition(self.name, "Deleting", "WaitingForCloud").await;
        assert!(message.contains("QUIESCING"), "{message}");
        let looks = self.world.looks(&self.proxy).len();
        until("more looks", LIMIT, async || {
            let now = self.world.looks(&self.proxy).len();
            if now >= looks + 4 { Ok(()) } else { Err(format!("{now}")) }
        })
        .await;
        assert!(self.world.destroys(&self.proxy).is_empty(), "nothing is sent while it lasts");
        self.world.cloud().remove_fault(number);
        self.ends("a").await;
        told_first(self.world, self.name, "WaitingForCloud").await;
    }

    /// The answer is lost and the look that follows is stale, so the same request goes again: the cloud may have
    /// forgotten its token, or give the first answer once more.
    async fn sent_again(&self, second: Fault, code: &str) {
        let destroy = |kind| Fault::new(kind).on("DestroyProxies");
        self.fault(destroy(Kind::AnswerLost));
        self.fault(destroy(Kind::DestroyDuration).with(|with| with.duration_ms = Some(12_000)));
        self.fault(second.on("DestroyProxies").skip(1));
        self.fault(Fault::new(Kind::StaleAfterAccept).on("DescribeProxies"));
        self.delete().await;
        let sent = self.ends("aa").await;
        assert_eq!(sent[1].code, code, "{sent:#?}");
        assert_eq!(sent[1].replay_of.is_some(), self.name.starts_with("token-mode"), "{sent:#?}");
        told_first(self.world, self.name, "CloudUnreachable").await;
    }

    /// Another proxy stands under the id: it is nobody's to destroy.
    async fn reused(&self) {
        self.fault(Fault::new(Kind::IdReused).with(|with| with.duration_ms = Some(600)));
        self.delete().await;
        let message = self.world.condition(self.name, "Deleting", "Replaced").await;
        assert!(message.contains(&self.proxy) && message.contains("Retain"), "{message}");
        self.world.condition(self.name, "Stalled", "Replaced").await;
        assert_eq!(self.world.event(self.name, "Replaced").await.kind, "Warning");
        waits(self.world, "Replaced", 1.0).await;
        self.world.change_spec(self.name, json!({"deletionPolicy": "Retain"})).await;
        self.world.gone(self.name).await;
        assert_eq!((self.world.tokens(&self.proxy).as_str(), self.world.accepted(&self.proxy)), ("a", 1));
        assert_eq!(self.world.cloud().proxy(&self.proxy).unwrap().status, "RUNNING", "the other proxy lives");
    }
}

fn mode(mode: TokenMode) -> Fault {
    Fault::new(Kind::TokenMode).with(|with| with.mode = Some(mode))
}
