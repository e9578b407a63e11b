use std::time::Duration;

use serde_json::{Value, json};

use crate::fault::{Fault, Sight};
use crate::kinds::Kind;
use crate::proxies::Tag;
use crate::settings::AbsentAnswer;
use crate::testing::Bench;

fn many(count: usize) -> Bench {
    let mut bench = Bench::new();
    for index in 0..count {
        bench.add(&format!("link-{index:04}"), |_| {});
    }
    bench
}

fn ids_of(body: &serde_json::Map<String, Value>) -> Vec<String> {
    let rows = body["ProxySet"].as_array().expect("a list");
    rows.iter().map(|row| row["ProxyId"].as_str().expect("an id").to_owned()).collect()
}

fn described(bench: &mut Bench, body: Value) -> (i64, Vec<String>) {
    let effect = bench.call("DescribeProxies", body).expect("an answer");
    assert_eq!(effect.body["ProxySet"], effect.body["InstanceSet"], "the old name holds the same");
    (effect.body["TotalCount"].as_i64().expect("a number"), ids_of(&effect.body))
}

fn refused(bench: &mut Bench, body: Value) -> String {
    bench.call("DescribeProxies", body).expect_err("a wrong request").code.into_owned()
}

fn statuses(bench: &mut Bench, id: &str, looks: usize) -> Vec<Option<String>> {
    let look = |bench: &mut Bench| {
        let effect = bench.call("DescribeProxies", json!({"ProxyIds": [id]})).expect("an answer");
        effect.body["ProxySet"].get(0).map(|row| row["Status"].as_str().expect("a status").to_owned())
    };
    (0..looks).map(|_| look(bench)).collect()
}

#[test]
fn twenty_rows_come_unless_more_are_asked_for_and_never_more_than_a_hundred() {
    let mut bench = many(130);
    let ids: Vec<String> = (0..100).map(|index| format!("link-{index:04}")).collect();
    let (total, rows) = described(&mut bench, json!({"ProxyIds": ids}));
    assert_eq!((total, rows.len()), (100, 20), "the limit cuts a question by ids too");
    assert_eq!(described(&mut bench, json!({"ProxyIds": ids, "Limit": 100})).1.len(), 100);
    for limit in [0, -1, 101] {
        assert_eq!(refused(&mut bench, json!({"Limit": limit})), "InvalidParameterValue");
    }
    let too_many: Vec<String> = (0..101).map(|index| format!("link-{index:04}")).collect();
    assert_eq!(refused(&mut bench, json!({"ProxyIds": too_many, "Limit": 100})), "InvalidParameterValue");
}

#[test]
fn pages_in_order_of_the_id_cover_everything_once() {
    let mut bench = many(45);
    let mut all = Vec::new();
    for offset in [0, 20, 40] {
        let page = json!({"Offset": offset, "OrderField": "proxy_id", "Order": "asc"});
        let (total, rows) = described(&mut bench, page);
        assert_eq!(total, 45);
        all.extend(rows);
    }
    assert_eq!(all, (0..45).map(|index| format!("link-{index:04}")).collect::<Vec<_>>());
}

#[test]
fn the_newest_comes_first_unless_another_order_is_asked_for() {
    let mut bench = Bench::new();
    bench.add("link-old", |proxy| proxy.create_time -= 10);
    bench.add("link-new", |proxy| proxy.bandwidth = 1_000);
    assert_eq!(described(&mut bench, json!({})).1, ["link-new", "link-old"]);
    let by_bandwidth = json!({"OrderField": "bandwidth", "Order": "asc"});
    assert_eq!(described(&mut bench, by_bandwidth).1, ["link-old", "link-new"]);
    for body in [json!({"OrderField": "name"}), json!({"Order": "up"})] {
        assert_eq!(refused(&mut bench, body), "InvalidParameterValue");
    }
}

#[test]
fn filters_must_all_match_and_tags_any() {
    let mut bench = Bench::new();
    let tag = |key: &str, value: &str| vec![Tag { key: key.to_owned(), value: value.to_owned() }];
    bench.add("link-a", |proxy| (proxy.group_id, proxy.tags) = (Some("lg-1".to_owned()), tag("team", "a")));
    bench.add("link-b", |proxy| proxy.tags = tag("team", "b"));
    bench.add("link-c", |proxy| proxy.access_region = "Hongkong".to_owned());
    let filter = |name: &str, value: &str| json!({"Name": name, "Values": [value]});
    let singapore = filter("AccessRegion", "Singapore");
    assert_eq!(described(&mut bench, json!({"Filters": [singapore]})).0, 2);
    assert_eq!(described(&mut bench, json!({"Filters": [singapore, filter("GroupId", "lg-1")]})).1, ["link-a"]);
    let tags = json!([{"TagKey": "team", "TagValue": "a"}, {"TagKey": "team", "TagValue": "b"}]);
    assert_eq!(described(&mut bench, json!({"TagSet": tags})).0, 2);
    assert_eq!(described(&mut bench, json!({"Independent": 1})).0, 2);
    assert_eq!(described(&mut bench, json!({"Independent": 0})).1, ["link-a"]);
    for body in [
        json!({"Filters": [filter("ProxyName", "x")]}),
        json!({"Filters": [singapore], "ProxyIds": ["link-a"]}),
        json!({"Independent": 2}),
    ] {
        assert_eq!(refused(&mut bench, body), "InvalidParameterValue");
    }
}

#[test]
fn an_absent_id_is_left_out_or_is_an_error_by_setting() {
    let mut bench = many(1);
    let (mixed, none) = (json!({"ProxyIds": ["link-0000", "link-none"]}), json!({"ProxyIds": ["link-none"]}));
    assert_eq!(described(&mut bench, mixed.clone()).1, ["link-0000"]);
    assert_eq!(described(&mut bench, none.clone()), (0, Vec::new()));
    bench.world.settings.absent_in_describe = AbsentAnswer::Error;
    assert_eq!(refused(&mut bench, mixed.clone()), "ResourceNotFound");
    assert_eq!(refused(&mut bench, none.clone()), "ResourceNotFound");
    bench.world.settings.absent_in_describe = AbsentAnswer::ErrorWhenNoneExists;
    assert_eq!(described(&mut bench, mixed).0, 1);
    assert_eq!(refused(&mut bench, none), "ResourceNotFound");
}

#[test]
fn an_account_sees_only_its_own() {
    let mut bench = many(2);
    let other = "100000000002";
    bench.add("link-other", |proxy| proxy.account = other.to_owned());
    let effect = bench.call_as(other, "DescribeProxies", json!({})).expect("an answer");
    assert_eq!(ids_of(&effect.body), ["link-other"]);
    let effect = bench.call_as(other, "DescribeProxies", json!({"ProxyIds": ["link-0000"]})).expect("an answer");
    assert!(ids_of(&effect.body).is_empty());
}

#[test]
fn statuses_are_told_by_id() {
    let mut bench = many(2);
    let effect = bench.call("DescribeProxiesStatus", json!({"ProxyIds": ["link-0001", "link-none"]}));
    let expected = json!([{"InstanceId": "link-0001", "Status": "RUNNING"}]);
    assert_eq!(effect.expect("an answer").body["InstanceStatusSet"], expected);
    assert_eq!(bench.call("DescribeProxiesStatus", json!({})).expect_err("no ids").code, "MissingParameter");
}

#[test]
fn after_an_accepted_destroy_looks_can_be_stale_for_a_while() {
    let mut bench = many(1);
    bench.fault(Fault::new(Kind::StaleAfterAccept).times(2));
    assert_eq!(statuses(&mut bench, "link-0000", 3), vec![Some("RUNNING".to_owned()); 3], "nothing is used up yet");
    bench.call("DestroyProxies", json!({"Force": 0, "ProxyIds": ["link-0000"]})).expect("accepted");
    bench.advance(Duration::from_secs(60));
    let running = Some("RUNNING".to_owned());
    assert_eq!(statuses(&mut bench, "link-0000", 3), [running.clone(), running, None]);
}

#[test]
fn a_proxy_can_be_gone_back_and_gone() {
    let mut bench = many(1);
    bench.fault(Fault::new(Kind::GoneBackGone).with(|parameters| {
        parameters.pattern = vec![Sight::Absent, Sight::Absent, Sight::Present, Sight::Absent];
    }));
    bench.call("DestroyProxies", json!({"Force": 0, "ProxyIds": ["link-0000"]})).expect("accepted");
    let destroying = Some("DESTROYING".to_owned());
    assert_eq!(statuses(&mut bench, "link-0000", 5), [None, None, destroying.clone(), None, destroying]);
    bench.advance(Duration::from_secs(60));
    assert_eq!(statuses(&mut bench, "link-0000", 1), [None]);
}

#[test]
fn a_page_can_miss_what_the_question_for_the_id_finds() {
    let mut bench = many(3);
    bench.fault(Fault::new(Kind::AbsentFromPage).for_id("link-0001").times(0));
    let sweep = json!({"ProxyIds": ["link-0000", "link-0001", "link-0002"], "Limit": 100});
    let (total, rows) = described(&mut bench, sweep);
    assert_eq!((total, rows.len()), (3, 2), "the total gives it away");
    assert_eq!(described(&mut bench, json!({"ProxyIds": ["link-0001"]})).1, ["link-0001"]);
}

#[test]
fn totals_can_lie_limits_can_be_ignored_and_statuses_can_be_new() {
    let mut bench = many(50);
    bench.fault(Fault::new(Kind::TotalCountLies).with(|parameters| parameters.delta = Some(-1)));
    assert_eq!(described(&mut bench, json!({"Limit": 100})).0, 49);
    bench.fault(Fault::new(Kind::LimitIgnored));
    let (total, rows) = described(&mut bench, json!({"Limit": 100}));
    assert_eq!((total, rows.len()), (50, 20));
    bench.fault(Fault::new(Kind::UnknownStatus));
    assert_eq!(statuses(&mut bench, "link-0000", 1), [Some("QUIESCING".to_owned())]);
}

#[test]
fn the_log_is_told_what_the_caller_is_told() {
    let mut bench = many(2);
    bench.fault(Fault::new(Kind::TotalCountLies).with(|parameters| parameters.value = Some(7)));
    let effect = bench.call("DescribeProxies", json!({"ProxyIds": ["link-0000"], "Limit": 100})).expect("an answer");
    let told = effect.described.expect("a look");
    assert_eq!((told.total_count, told.limit, told.returned.len()), (7, 100, 1));
    assert_eq!(told.returned[0].status, "RUNNING");
}
