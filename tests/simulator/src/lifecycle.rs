//! CreateProxy, CloseProxies and OpenProxies.

use serde_json::json;

use crate::effect::Effect;
use crate::errors::ApiError;
use crate::proxies::{Next, Proxies, Proxy, Tag, after, status};
use crate::settings::Settings;
use crate::verdicts::Verdicts;
use crate::world::{Call, sets};

const LONGEST_NAME: usize = 30;

pub(crate) fn check_create(call: Call<'_>) -> Result<(), ApiError> {
    let wrong = |name: &str| Err(ApiError::about("InvalidParameterValue", name));
    let parameters = call.parameters;
    if parameters.text("ProxyName").is_none_or(|name| name.is_empty() || name.chars().count() > LONGEST_NAME) {
        return wrong("ProxyName");
    }
    if !parameters.has("RealServerRegion") && !parameters.has("GroupId") {
        return Err(ApiError::about("MissingParameter", "RealServerRegion"));
    }
    if parameters.integer("Bandwidth").is_none_or(|bandwidth| !(1..=10_000).contains(&bandwidth)) {
        return Err(ApiError::new("InvalidParameterValue.InvalidBandwidth"));
    }
    if parameters.integer("Concurrent").is_none_or(|concurrent| !(1..=300).contains(&concurrent)) {
        return Err(ApiError::new("InvalidParameterValue.InvalidConcurrency"));
    }
    let allowed = |name: &str, values: &[&str]| parameters.text(name).is_none_or(|value| values.contains(&value));
    if !allowed("IPAddressVersion", &["IPv4", "IPv6"]) {
        return wrong("IPAddressVersion");
    }
    if !allowed("PackageType", &["Thunder", "Accelerator", "CrossBorder"]) {
        return wrong("PackageType");
    }
    Ok(())
}

/// Makes a proxy: CREATING first, RUNNING later.
pub(crate) fn create(proxies: &mut Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    let parameters = call.parameters;
    if let Some(source) = parameters.text("ClonedProxyId")
        && proxies.of_account(call.account, source).is_none_or(|proxy| proxy.status != status::RUNNING)
    {
        return Err(ApiError::about("ResourceNotFound", source));
    }
    let id = proxies.fresh_id();
    let text = |name: &str, default: &str| parameters.text(name).unwrap_or(default).to_owned();
    let tag = |(key, values): (String, Vec<String>)| Tag { key, value: values.into_iter().next().unwrap_or_default() };
    let base = Proxy::new(&id, call.account, call.now.seconds());
    let running = Next::Status(status::RUNNING.to_owned());
    let proxy = Proxy {
        name: text("ProxyName", ""),
        status: status::CREATING.to_owned(),
        project_id: parameters.integer("ProjectId").unwrap_or(0),
        access_region: text("AccessRegion", ""),
        real_server_region: text("RealServerRegion", &base.real_server_region),
        bandwidth: parameters.integer("Bandwidth").unwrap_or(base.bandwidth),
        concurrent: parameters.integer("Concurrent").unwrap_or(base.concurrent),
        group_id: parameters.text("GroupId").map(str::to_owned),
        ip_address_version: text("IPAddressVersion", &base.ip_address_version),
        package_type: text("PackageType", &base.package_type),
        tags: parameters.pairs("TagSet").into_iter().map(tag).collect(),
        next: Some(after(call.now, settings.transition_duration_ms, running)),
        ..base
    };
    if !proxies.put(proxy) {
        return Err(ApiError::new("LimitExceeded"));
    }
    Ok(Effect { accepted: vec![id.clone()], ..Effect::answering(json!({"InstanceId": id})) })
}

pub(crate) fn check_switch(call: Call<'_>) -> Result<(), ApiError> {
    if call.parameters.proxy_ids()?.is_empty() {
        return Err(ApiError::about("MissingParameter", "ProxyIds"));
    }
    Ok(())
}

/// RUNNING, by way of CLOSING, to CLOSED.
pub(crate) fn close(proxies: &mut Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    switch(proxies, settings, call, [status::RUNNING, status::CLOSING, status::CLOSED])
}

/// CLOSED, by way of OPENING, to RUNNING.
pub(crate) fn open(proxies: &mut Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    switch(proxies, settings, call, [status::CLOSED, status::OPENING, status::RUNNING])
}

fn switch(
    proxies: &mut Proxies,
    settings: &Settings,
    call: Call<'_>,
    [from, by_way_of, to]: [&str; 3],
) -> Result<Effect, ApiError> {
    let mut verdicts = Verdicts::default();
    for id in call.parameters.proxy_ids()? {
        if verdicts.scripted(&id, call.plan) {
            continue;
        }
        match proxies.of_account(call.account, &id) {
            None => verdicts.refuse(&id, &settings.absent_in_write)?,
            Some(proxy) if proxy.status != from => verdicts.invalid.push(id),
            Some(_) => verdicts.accepted.push(id),
        }
    }
    for id in &verdicts.accepted {
        let next = after(call.now, settings.transition_duration_ms, Next::Status(to.to_owned()));
        proxies.change(id, |proxy| proxy.enter(by_way_of, Some(next)));
    }
    let body = sets(&verdicts.invalid, &verdicts.failed);
    Ok(Effect { accepted: verdicts.accepted, ..Effect::answering(body) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use std::time::Duration;

    fn creation() -> serde_json::Value {
        json!({"ProjectId": 0, "ProxyName": "new", "AccessRegion": "Hongkong", "Bandwidth": 10, "Concurrent": 2,
               "RealServerRegion": "Frankfurt", "TagSet": [{"TagKey": "team", "TagValue": "games"}]})
    }

    #[test]
    fn a_new_proxy_is_creating_first_and_running_later() {
        let mut bench = Bench::new();
        let effect = bench.call("CreateProxy", creation()).expect("created");
        let id = effect.accepted[0].clone();
        assert_eq!(effect.body["InstanceId"], *id);
        assert_eq!(bench.status(&id).as_deref(), Some("CREATING"));
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.status(&id).as_deref(), Some("RUNNING"));
    }

    #[test]
    fn a_repeated_creation_token_makes_no_second_proxy() {
        let mut bench = Bench::new();
        let mut body = creation();
        body["ClientToken"] = json!("once");
        bench.call("CreateProxy", body.clone()).expect("created");
        let error = bench.call("CreateProxy", body).expect_err("a duplicate");
        assert_eq!(error.code, "FailedOperation.DuplicatedRequest");
        assert_eq!(bench.world.proxies.all().count(), 1);
    }

    #[test]
    fn a_creation_without_origin_region_or_with_an_impossible_figure_is_refused() {
        for (name, value, code) in [
            ("RealServerRegion", json!(null), "MissingParameter"),
            ("Bandwidth", json!(0), "InvalidParameterValue.InvalidBandwidth"),
            ("Concurrent", json!(9_999), "InvalidParameterValue.InvalidConcurrency"),
            ("ProxyName", json!("x".repeat(31)), "InvalidParameterValue"),
            ("ClonedProxyId", json!("link-none"), "ResourceNotFound"),
        ] {
            let mut body = creation();
            body[name] = value;
            assert_eq!(Bench::new().call("CreateProxy", body).expect_err(name).code, code);
        }
    }

    #[test]
    fn closing_and_opening_go_by_way_of_a_transition_and_refuse_other_states_per_id() {
        let mut bench = Bench::new();
        bench.add("link-a", |_| {});
        bench.add("link-b", |proxy| proxy.status = "ADJUSTING".to_owned());
        let ids = json!({"ProxyIds": ["link-a", "link-b"]});
        let effect = bench.call("CloseProxies", ids.clone()).expect("per id");
        assert_eq!(
            (effect.accepted, &effect.body["InvalidStatusInstanceSet"]),
            (vec!["link-a".to_owned()], &json!(["link-b"]))
        );
        assert_eq!(bench.status("link-a").as_deref(), Some("CLOSING"));
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.status("link-a").as_deref(), Some("CLOSED"));
        assert_eq!(bench.call("OpenProxies", ids).expect("per id").accepted, ["link-a"]);
        assert_eq!(bench.status("link-a").as_deref(), Some("OPENING"));
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.status("link-a").as_deref(), Some("RUNNING"));
    }
}
