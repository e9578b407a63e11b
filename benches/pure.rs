//! The parts that compute and ask nobody: signing a request, one decision, reading an answer of a hundred rows.
//!
//! `cargo bench --workspace --locked --bench pure`. What they cost together bounds what the operator can do on one core;
//! `make bench` measures the whole.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gaap_operator::controller::decide::decide;
use gaap_operator::controller::memory::{LookRecord, Memory, Seen};
use gaap_operator::controller::observation::{Claims, Cloud, Observation, Resource, Timing};
use gaap_operator::crd::{AccountStatus, DeletionPolicy, FINALIZER, GaapProxyStatus, ProxyMirror};
use gaap_operator::gaap::tc3::{CanonicalRequest, SigningKey, StringToSign, authorization};
use gaap_operator::gaap::{Account, DescribeAnswer};
use gaap_operator::process::clock::Now;
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z.
const TIME: i64 = 1_767_225_600;

/// One DescribeProxies of a hundred ids, from the secret key to the header.
fn sign(criterion: &mut Criterion) {
    let ids: Vec<String> = (0..100).map(|number| format!("link-{number:08}")).collect();
    let body = json!({ "ProxyIds": ids, "Limit": 100 }).to_string();
    let headers = [("content-type", "application/json"), ("host", "gaap.tencentcloudapi.com")];
    criterion.bench_function("sign", |bencher| {
        bencher.iter(|| {
            let request = CanonicalRequest::new("POST", "", &headers, black_box(body.as_bytes()));
            let string = StringToSign::new(black_box(TIME), "gaap", &request);
            let signature = SigningKey::derive("secret", TIME, "gaap").unwrap().sign(&string).unwrap();
            authorization("id", &string, &signature)
        });
    });
}

fn observation(deleted: bool) -> Observation {
    let account = Account { id: "100000000001".into(), endpoint: "https://gaap.tencentcloudapi.com".into() };
    let proxy = DescribeAnswer::read(answer(1).as_bytes()).unwrap().rows.remove(0);
    let mirror = ProxyMirror {
        status: Some("RUNNING".into()),
        create_time: proxy.create_time,
        name: proxy.name.clone(),
        ..ProxyMirror::default()
    };
    let seconds = Duration::from_secs;
    let look = LookRecord {
        asked: seconds(10),
        answered: seconds(11),
        account: Some(account.clone()),
        seen: Seen::Present(Box::new(proxy)),
    };
    Observation {
        resource: Resource {
            namespace: "games".into(),
            name: "edge".into(),
            uid: "5c6e0a1e-2f3b-4b7e-9f50-0d9a8a1f6a11".into(),
            resource_version: "1".into(),
            generation: 1,
            created: TIME - 1_000,
            deleted: deleted.then_some(TIME),
            finalizers: vec![FINALIZER.into()],
            paused: false,
            proxy_id: "link-00000000".parse().unwrap(),
            policy: DeletionPolicy::Destroy,
            force: false,
            status: GaapProxyStatus {
                account: Some(AccountStatus { account_id: account.id.clone(), endpoint: account.endpoint.clone() }),
                proxy: Some(mirror),
                ..GaapProxyStatus::default()
            },
        },
        fresh: deleted,
        claims: Claims { complete: true, others: Vec::new() },
        cloud: Cloud::Ready(account),
        memory: Memory { look: Some(look), deleting_since: deleted.then_some(seconds(9)), ..Memory::default() },
        timing: Timing {
            destroy_poll: seconds(5),
            resync: seconds(600),
            minimum_age: seconds(120),
            absence_spacing: seconds(5),
            settle_time: seconds(60),
        },
    }
}

/// One decision for a resource at rest, and one that leads to a request to destroy.
fn decision(criterion: &mut Criterion) {
    let now = Now { monotonic: Duration::from_secs(12), unix: Duration::from_secs(TIME.unsigned_abs()) };
    for (name, observation) in [("decide/at rest", observation(false)), ("decide/destroy", observation(true))] {
        criterion.bench_function(name, |bencher| bencher.iter(|| decide(black_box(&observation), now)));
    }
}

/// An answer with so many rows, each with the members that ProxyInfo has and this program does not read.
fn answer(rows: usize) -> String {
    let region = json!({"RegionId": "Singapore", "RegionName": "Singapore", "RegionArea": "", "RegionAreaName": "",
        "IDCType": "dc", "FeatureBitmap": 1, "SupportFeature": {"NetworkType": ["normal"]}});
    let row = |number: usize| {
        json!({"InstanceId": "", "ProxyId": format!("link-{number:08}"), "CreateTime": TIME - 9_000, "ProjectId": 0,
            "ProxyName": "edge", "AccessRegion": "Singapore", "RealServerRegion": "Frankfurt",
            "AccessRegionInfo": region, "RealServerRegionInfo": region, "Bandwidth": 10, "Concurrent": 2,
            "Status": "RUNNING", "Domain": format!("link-{number:08}.gaapqcloud.com"), "IP": "198.51.100.7",
            "ForwardIP": "10.0.0.1;10.0.0.2", "Version": "3.0", "SupportProtocols": ["TCP", "UDP", "HTTP", "HTTPS"],
            "GroupId": Value::Null, "TagSet": [], "ProxyType": 100, "PackageType": "Thunder", "Scalarable": 1})
    };
    let rows: Vec<Value> = (0..rows).map(row).collect();
    json!({"Response": {"RequestId": "r-1", "TotalCount": rows.len(), "ProxySet": rows}}).to_string()
}

/// The largest answer that is asked for.
fn decode(criterion: &mut Criterion) {
    let body = answer(100);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("100 rows", |bencher| bencher.iter(|| DescribeAnswer::read(black_box(body.as_bytes()))));
    group.finish();
}

criterion_group!(benches, sign, decision, decode);
criterion_main!(benches);
