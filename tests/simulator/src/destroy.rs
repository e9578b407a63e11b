//! DestroyProxies.

use crate::effect::Effect;
use crate::errors::ApiError;
use crate::faults::Plan;
use crate::kinds::Kind;
use crate::proxies::{Change, Next, Proxies, Proxy, after, status};
use crate::settings::Settings;
use crate::verdicts::Verdicts;
use crate::world::{Call, sets};

/// The checks that come before the token is looked at.
pub(crate) fn check(call: Call<'_>) -> Result<(), ApiError> {
    if !matches!(call.parameters.integer("Force"), Some(0 | 1)) {
        return Err(ApiError::about("InvalidParameterValue", "Force is 0 or 1"));
    }
    if call.parameters.proxy_ids()?.is_empty() {
        return Err(ApiError::about("MissingParameter", "ProxyIds"));
    }
    Ok(())
}

/// Judges every id, then sets the accepted ones on their way.
pub(crate) fn destroy(proxies: &mut Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    let ids = call.parameters.proxy_ids()?;
    check_batch(proxies, call, &ids)?;
    let mut verdicts = Verdicts::default();
    for id in &ids {
        judge(proxies, settings, call, id, &mut verdicts)?;
    }
    for id in &verdicts.accepted {
        let change = course(settings, call, proxies.get(id));
        proxies.change(id, |proxy| {
            proxy.before_destroy = Some(proxy.status.clone());
            proxy.accepted_destroys += 1;
            proxy.enter(status::DESTROYING, change);
        });
    }
    let body = sets(&verdicts.invalid, &verdicts.failed);
    Ok(Effect { accepted: verdicts.accepted, ..Effect::answering(body) })
}

/// The rules that concern the batch as a whole: one group, and with Force=0 no bound origin anywhere.
fn check_batch(proxies: &Proxies, call: Call<'_>, ids: &[String]) -> Result<(), ApiError> {
    let known: Vec<&Proxy> = ids.iter().filter_map(|id| proxies.of_account(call.account, id)).collect();
    // A mix of standalone and grouped proxies is not documented; it is taken as two groups.
    if known.windows(2).any(|pair| matches!(pair, [one, other] if one.group_id != other.group_id)) {
        return Err(ApiError::new("FailedOperation.BelongDifferentGroup"));
    }
    if call.parameters.integer("Force") == Some(0)
        && let Some(bound) = known.iter().find(|proxy| proxy.bound)
    {
        return Err(ApiError::about("FailedOperation.RealServerAlreadyBound", &bound.id));
    }
    Ok(())
}

fn judge(
    proxies: &Proxies,
    settings: &Settings,
    call: Call<'_>,
    id: &str,
    verdicts: &mut Verdicts,
) -> Result<(), ApiError> {
    if verdicts.scripted(id, call.plan) {
        return Ok(());
    }
    let Some(proxy) = proxies.of_account(call.account, id) else {
        return verdicts.refuse(id, &settings.absent_in_write);
    };
    if proxy.status == status::DESTROYING {
        return verdicts.refuse(id, &settings.already_destroying);
    }
    if !settings.destroyable.contains(&proxy.status) {
        return verdicts.refuse(id, &settings.wrong_status);
    }
    if proxy.age_seconds(call.now) < settings.minimum_age_seconds {
        return verdicts.refuse(id, &settings.too_young);
    }
    verdicts.accepted.push(id.to_owned());
    Ok(())
}

/// What becomes of an accepted proxy; `None` means that it stays DESTROYING.
fn course(settings: &Settings, call: Call<'_>, proxy: Option<&Proxy>) -> Option<Change> {
    let plan: &Plan = call.plan;
    let hit = |kind| plan.get(kind).map(|hit| &hit.parameters);
    if hit(Kind::StuckDestroying).is_some() {
        return None;
    }
    if let Some(parameters) = hit(Kind::DestroyRejectedLate) {
        let old = proxy.map_or(status::RUNNING, |proxy| proxy.status.as_str());
        let back = parameters.status.clone().unwrap_or_else(|| old.to_owned());
        let milliseconds = parameters.after_ms.unwrap_or(settings.destroy_duration_ms);
        return Some(after(call.now, milliseconds, Next::Status(back)));
    }
    let scripted = hit(Kind::DestroyDuration).map(|parameters| parameters.duration_ms.unwrap_or(0));
    let reused = hit(Kind::IdReused);
    let milliseconds =
        reused.and_then(|parameters| parameters.duration_ms).or(scripted).unwrap_or(settings.destroy_duration_ms);
    Some(after(call.now, milliseconds, if reused.is_some() { Next::Replaced } else { Next::Gone }))
}

#[cfg(test)]
#[path = "destroy_tests.rs"]
mod tests;
