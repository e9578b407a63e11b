//! The pace by itself, under throttling, and beside another user of the same account, measured where it is received.

use std::time::Duration;

use gaap_simulator::{DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, Fault, Kind};
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};

use super::measure::{
    LONG, Make, Stopwatch, Times, adopted, at, count, densest, make, names, proxy_of, received, seconds, tell,
};
use crate::harness::{World, in_time, until};

/// Enough for the pace to be used from the first to the last measurement.
const IN_LINE: usize = 300;
/// Deletions beside another user of the account: enough for the first meeting with the limit, in which a few requests are
/// throttled one after the other, not to be all that is measured.
const SHARED: usize = 90;
/// Seconds over which a rate is measured.
const WINDOW: f64 = 2.0;

async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn destroys(world: &World) -> Vec<f64> {
    received(&world.requests(), "DestroyProxies")
}

/// Throttles a share of the requests for a while; how many attempts came in the last second of it.
async fn throttled(world: &World, percent: u32) -> usize {
    let fault = Fault::new(Kind::Throttle).on("DestroyProxies").times(0);
    let number = world.fault(fault.probability(f64::from(percent) / 100.0, 11));
    let began = seconds(Timestamp::now());
    pass(Duration::from_millis(2_500)).await;
    let (now, requests) = (seconds(Timestamp::now()), world.requests());
    world.cloud().remove_fault(number);
    let last = count(&received(&requests, "DestroyProxies"), now - 1.0, 1.0);
    let hit = requests.iter().filter(|entry| at(entry) > began && entry.code == "RequestLimitExceeded").count();
    tell(&format!(
        "pace     | {percent:>3} % throttled for 2.5 s: {hit} requests; {last} attempts in the last second of it"
    ));
    last
}

/// How long after `end` a time began in which nine tenths of the pace were back.
async fn recovers(world: &World, all: &[String], end: f64, full: usize) -> f64 {
    let wanted = (0.9 * full as f64).floor() as usize;
    until("the pace to be back", LONG, async || {
        in_time(all.iter().any(|name| world.object(name).is_some()), "the line ended before the pace was back");
        let times = destroys(world);
        let last = times.last().copied().unwrap_or_default();
        let starts = times.iter().copied().filter(|time| *time >= end && time + WINDOW <= last);
        let most = starts.clone().map(|start| count(&times, start, WINDOW)).max();
        let mut starts = starts.filter(|start| count(&times, *start, WINDOW) >= wanted);
        starts.next().map(|start| start - end).ok_or_else(|| format!("{most:?} in {WINDOW} s, {wanted} wanted"))
    })
    .await
}

#[tokio::test]
async fn sixty_deletions_at_once_never_make_more_than_twenty_calls_in_a_second_and_use_the_pace() {
    const COUNT: usize = 60;
    let world = World::build("pace").proxies(0).cloud(|cloud| cloud.rate_limit = 0).alone().start().await;
    let all = names("pace", COUNT);
    make(&world, world.namespace(), &all, Make::New).await;
    adopted(&world, COUNT).await;
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    world.delete_at_once(world.namespace(), &all).await;
    stopwatch.times(&all).await;
    let (sends, looks) = (destroys(&world), received(&world.requests(), "DescribeProxies"));
    let most = [densest(&sends), densest(&looks)];
    assert!(most.iter().all(|most| *most <= 20), "{most:?} calls in one second");
    assert_eq!(sends.len(), COUNT, "one request each");
    let took = sends[COUNT - 1] - sends[0];
    tell(&format!("pace     | {COUNT} deletions at once: their requests within {took:.1} s, {} looks", looks.len()));
    // At 18 a second it is 3.3.
    in_time(took < 15.0, format_args!("{COUNT} requests took {took:.1} s"));
    assert!(looks.len() < 6 * COUNT, "looks share calls: {} for {COUNT} resources", looks.len());
    world.finish().await;
}

#[tokio::test]
async fn throttling_cuts_the_pace_and_it_is_back_within_ten_seconds() {
    // A limit that the cloud would not enforce by itself: what is measured is the operator's own pace.
    let world = World::build("throttling").proxies(0).cloud(|cloud| cloud.rate_limit = 0).alone().operator_stopped();
    let world = world.start().await;
    let all = names("line", IN_LINE);
    make(&world, world.namespace(), &all, Make::Deleted).await;
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    world.operator().start().await;
    // What this machine makes of 18 a second is the whole pace here.
    let full = until("the whole pace", LONG, async || {
        let times = destroys(&world);
        let most = times.iter().map(|from| count(&times, *from, WINDOW)).max().unwrap_or(0);
        if times.len() >= 50 { Ok(most) } else { Err(format!("{} requests", times.len())) }
    })
    .await;
    let (little, some, all_of_them) =
        (throttled(&world, 1).await, throttled(&world, 30).await, throttled(&world, 100).await);
    let back = recovers(&world, &all, seconds(Timestamp::now()), full).await;
    let before = full as f64 / WINDOW;
    tell(&format!("pace     | nine tenths of {before:.1} requests a second are back {back:.1} s after the end of it"));
    // A machine too busy to send as fast as the cut pace allows does not show the smaller cut.
    let shows = before >= 15.5;
    if !shows {
        tell("pace     | the cut at 30 % is not looked at: this machine does not make the whole pace");
    }
    let cut = !shows || (some as f64) < 0.8 * before;
    in_time(cut, format_args!("cut at 30 %: {little}, then {some} of {before:.1} a second"));
    in_time((all_of_them as f64) < 0.6 * before, format_args!("cut at 100 %: {all_of_them} of {before:.1} a second"));
    in_time(back <= 10.0, format_args!("nine tenths of the pace came back after {back:.1} s only"));
    let times = stopwatch.times(&all).await;
    tell(&format!("pace     | {IN_LINE} deletions in line: median {:.1?}, p95 {:.1?}", times.median(), times.p95()));
    let requests = world.requests();
    for name in &all {
        let sent: Vec<_> = requests.iter().filter(|entry| entry.ids == [proxy_of(name)]).collect();
        let sent: Vec<_> = sent.into_iter().filter(|entry| entry.action == "DestroyProxies").collect();
        assert!(sent.iter().all(|entry| entry.client_token == sent[0].client_token), "{sent:?}");
    }
    assert_eq!(requests.iter().map(|entry| entry.accepted_ids.len()).sum::<usize>(), IN_LINE);
    assert!(densest(&destroys(&world)) <= 20);
    world.finish().await;
}

fn keyed(key: &[u8], message: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(message.as_bytes()).finalize().into_bytes().to_vec()
}

/// The headers of somebody else's request with the same key. Signed by itself: a fault of the operator's signer must
/// not be shared by who judges it.
fn signed(host: &str, action: &str, body: &str) -> Vec<(&'static str, String)> {
    let now = Timestamp::now();
    let (date, time) = (now.strftime("%Y-%m-%d").to_string(), now.as_second().to_string());
    let hash = |text: &str| hex::encode(Sha256::digest(text));
    let canonical =
        format!("POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{}", hash(body));
    let scope = format!("{date}/gaap/tc3_request");
    let text = format!("TC3-HMAC-SHA256\n{time}\n{scope}\n{}", hash(&canonical));
    let key = keyed(format!("TC3{DEFAULT_SECRET_KEY}").as_bytes(), &date);
    let signature = keyed(&keyed(&keyed(&key, "gaap"), "tc3_request"), &text);
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={DEFAULT_SECRET_ID}/{scope}, SignedHeaders=content-type;host, Signature={}",
        hex::encode(signature)
    );
    vec![
        ("content-type", "application/json".to_owned()),
        ("authorization", authorization),
        ("x-tc-action", action.to_owned()),
        ("x-tc-version", "2018-05-29".to_owned()),
        ("x-tc-timestamp", time),
    ]
}

/// Somebody else who makes six of the account's twenty requests a second, of each action, without end.
async fn other_user(url: String) {
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let mut turns = interval(Duration::from_secs_f64(1.0 / 6.0));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        turns.tick().await;
        for action in ["DestroyProxies", "DescribeProxies"] {
            let body = json!({"ProxyIds": ["link-foreign1"], "Force": 0, "Limit": 1}).to_string();
            let body = if action == "DestroyProxies" {
                body.replace(",\"Limit\":1", "")
            } else {
                body.replace("\"Force\":0,", "")
            };
            let request = signed(&host, action, &body)
                .into_iter()
                .fold(http.post(&url), |request, (name, value)| request.header(name, value));
            // Refused or not, it is counted; the log of the cloud tells.
            let _ = request.body(body).send().await;
        }
    }
}

#[tokio::test]
async fn another_user_of_the_account_is_given_way_to() {
    let world = World::build("other user").alone().start().await;
    let (alone, beside) = (names("alone", SHARED), names("beside", SHARED));
    make(&world, world.namespace(), &[alone.clone(), beside.clone()].concat(), Make::New).await;
    adopted(&world, alone.len() + beside.len()).await;
    let stopwatch = Stopwatch::start(&world, &[world.namespace()]);
    let deleted = async |group: &[String]| -> Times {
        world.delete_at_once(world.namespace(), group).await;
        stopwatch.times(group).await
    };
    let before = deleted(&alone).await;
    let from = world.requests().len() as u64;
    let joined = seconds(Timestamp::now());
    let other = tokio::spawn(other_user(world.cloud_url()));
    let meanwhile = deleted(&beside).await;
    other.abort();
    let requests = world.cloud().requests(from);
    // The first two seconds are those in which the operator learns that there is another.
    let (met, later): (Vec<_>, Vec<_>) = requests.iter().partition(|entry| at(entry) < joined + 2.0);
    let (ours, theirs): (Vec<_>, Vec<_>) = later.into_iter().partition(|entry| entry.client.is_some());
    let share = |entries: &[&gaap_simulator::Entry]| {
        let throttled = entries.iter().filter(|entry| entry.code == "RequestLimitExceeded").count();
        (throttled, entries.len(), 100.0 * throttled as f64 / entries.len().max(1) as f64)
    };
    let (own, foreign) = (share(&ours), share(&theirs));
    tell(&format!(
        "pace     | another user takes 30 % of the quota: {} of our {} requests throttled ({:.1} %), {} of their {}",
        own.0, own.1, own.2, foreign.0, foreign.1
    ));
    meanwhile.within_twice(&before, &format!("another user takes 30 % of the quota ({SHARED} deletions)"));
    assert!(theirs.iter().any(|entry| entry.code == "ResourceNotFound"), "it took part");
    // A machine that stands still for a moment lets requests arrive all at once.
    in_time(foreign.1 > 50, format_args!("it took part: {foreign:?}"));
    in_time(own.2 < 5.0, format_args!("throttled answers are rare: {own:?}"));
    let met = share(&met.into_iter().filter(|entry| entry.client.is_some()).collect::<Vec<_>>());
    in_time(met.2 < 50.0, format_args!("and no more than half when the other one comes: {met:?}"));
    world.finish().await;
}
