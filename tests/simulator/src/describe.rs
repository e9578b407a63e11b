//! DescribeProxies and DescribeProxiesStatus.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::effect::{Described, Effect, Row};
use crate::errors::ApiError;
use crate::kinds::Kind;
use crate::proxies::{Proxies, Proxy};
use crate::proxy_info::proxy_info;
use crate::settings::{AbsentAnswer, Settings};
use crate::sight::look;
use crate::world::Call;

const MOST_IDS: usize = 100;
const LARGEST_LIMIT: i64 = 100;
const DEFAULT_LIMIT: i64 = 20;
const MOST_FILTERS: usize = 10;
const MOST_VALUES: usize = 5;
const MOST_TAGS: usize = 5;

/// DescribeProxies: by ids, or everything that passes the filters; sorted, then cut into pages.
pub(crate) fn proxies(proxies: &Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    let ids = call.parameters.proxy_ids()?;
    check(call, &ids)?;
    let page = Page::of(call)?;
    let mut seen = if ids.is_empty() { everything(proxies, call) } else { by_ids(proxies, settings, call, &ids)? };
    seen.retain(|proxy| passes_filters(call, proxy) && passes_tags(call, proxy) && passes_independent(call, proxy));
    page.sort(&mut seen);

    let mut total = i64::try_from(seen.len()).unwrap_or(i64::MAX);
    if let Some(hit) = call.plan.get(Kind::AbsentFromPage) {
        let before = seen.len();
        seen.retain(|proxy| !hit.concerns(&proxy.id));
        if hit.parameters.hide_from_total {
            total -= i64::try_from(before - seen.len()).unwrap_or(0);
        }
    }
    if let Some(hit) = call.plan.get(Kind::TotalCountLies) {
        total = hit.parameters.value.unwrap_or(total + hit.parameters.delta.unwrap_or(1));
    }
    let mut rows: Vec<Proxy> = seen.into_iter().skip(page.offset).take(page.limit).collect();
    if let Some(hit) = call.plan.get(Kind::LimitIgnored) {
        rows.truncate(hit.parameters.limit.unwrap_or(DEFAULT_LIMIT.unsigned_abs() as usize));
    }
    let set: Vec<Value> = rows.iter().map(proxy_info).collect();
    let row =
        |proxy: &Proxy| Row { id: proxy.id.clone(), status: proxy.status.clone(), create_time: proxy.create_time };
    let described = Described {
        total_count: total,
        limit: i64::try_from(page.limit).unwrap_or(i64::MAX),
        returned: rows.iter().map(row).collect(),
    };
    let body = json!({"TotalCount": total, "ProxySet": set, "InstanceSet": set});
    Ok(Effect { described: Some(described), ..Effect::answering(body) })
}

/// DescribeProxiesStatus: the states of the ids that are there.
pub(crate) fn statuses(proxies: &Proxies, settings: &Settings, call: Call<'_>) -> Result<Effect, ApiError> {
    let ids = call.parameters.proxy_ids()?;
    if ids.is_empty() {
        return Err(ApiError::about("MissingParameter", "ProxyIds"));
    }
    if ids.len() > MOST_IDS {
        return Err(ApiError::about("InvalidParameterValue", format!("ProxyIds holds at most {MOST_IDS} ids")));
    }
    let seen = by_ids(proxies, settings, call, &ids)?;
    let set: Vec<Value> = seen.iter().map(|proxy| json!({"InstanceId": proxy.id, "Status": proxy.status})).collect();
    Ok(Effect::answering(json!({"InstanceStatusSet": set})))
}

fn check(call: Call<'_>, ids: &[String]) -> Result<(), ApiError> {
    let wrong = |why: &str| Err(ApiError::about("InvalidParameterValue", why));
    let filters = call.parameters.pairs("Filters");
    if ids.len() > MOST_IDS {
        return wrong("ProxyIds holds at most 100 ids");
    }
    if !ids.is_empty() && !filters.is_empty() {
        return wrong("ProxyIds and Filters exclude each other");
    }
    if filters.len() > MOST_FILTERS || filters.iter().any(|(_, values)| values.len() > MOST_VALUES) {
        return wrong("at most 10 Filters of at most 5 Values");
    }
    if let Some((name, _)) = filters.iter().find(|(name, _)| filtered_value(name, None).is_none()) {
        return wrong(&format!("there is no filter named {name}"));
    }
    if call.parameters.pairs("TagSet").len() > MOST_TAGS {
        return wrong("TagSet holds at most 5 tags");
    }
    if !matches!(call.parameters.integer("Independent"), None | Some(0 | 1)) {
        return wrong("Independent is 0 or 1");
    }
    Ok(())
}

fn everything(proxies: &Proxies, call: Call<'_>) -> Vec<Proxy> {
    let mut ids: Vec<&str> =
        proxies.all().filter(|proxy| proxy.account == call.account).map(|proxy| proxy.id.as_str()).collect();
    // A lagging replica may list what has vanished, if a fault names it.
    let haunted = call.plan.hits.iter().filter(|hit| matches!(hit.kind, Kind::GoneBackGone | Kind::StaleAfterAccept));
    for id in haunted.flat_map(|hit| &hit.ids) {
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    ids.into_iter().filter_map(|id| look(proxies, call.account, id, call.plan)).collect()
}

fn by_ids(proxies: &Proxies, settings: &Settings, call: Call<'_>, ids: &[String]) -> Result<Vec<Proxy>, ApiError> {
    let scripted = call.plan.get(Kind::AbsentAnswer).map(|hit| hit.parameters.absent.unwrap_or(AbsentAnswer::Error));
    let seen: Vec<Proxy> = ids.iter().filter_map(|id| look(proxies, call.account, id, call.plan)).collect();
    let fails = match scripted.unwrap_or(settings.absent_in_describe) {
        AbsentAnswer::Omit => false,
        AbsentAnswer::Error => seen.len() < ids.len(),
        AbsentAnswer::ErrorWhenNoneExists => seen.is_empty(),
    };
    if !fails {
        return Ok(seen);
    }
    let absent: Vec<&str> =
        ids.iter().filter(|id| !seen.iter().any(|proxy| proxy.id == **id)).map(String::as_str).collect();
    Err(ApiError::about("ResourceNotFound", absent.join(", ")))
}

/// What a filter compares; `None` for a filter that does not exist. Without a proxy it only tells that.
fn filtered_value(name: &str, proxy: Option<&Proxy>) -> Option<String> {
    let of = |value: fn(&Proxy) -> String| Some(proxy.map(value).unwrap_or_default());
    match name {
        "ProjectId" => of(|proxy| proxy.project_id.to_string()),
        "AccessRegion" => of(|proxy| proxy.access_region.clone()),
        "RealServerRegion" => of(|proxy| proxy.real_server_region.clone()),
        "GroupId" => of(|proxy| proxy.group_id.clone().unwrap_or_default()),
        "IPAddressVersion" => of(|proxy| proxy.ip_address_version.clone()),
        "PackageType" => of(|proxy| proxy.package_type.clone()),
        _ => None,
    }
}

fn passes_filters(call: Call<'_>, proxy: &Proxy) -> bool {
    let filters = call.parameters.pairs("Filters");
    filters.iter().all(|(name, values)| filtered_value(name, Some(proxy)).is_some_and(|value| values.contains(&value)))
}

/// Several tags mean "any of them", unlike several filters.
fn passes_tags(call: Call<'_>, proxy: &Proxy) -> bool {
    let wanted = call.parameters.pairs("TagSet");
    let has = |(key, values): &(String, Vec<String>)| {
        proxy.tags.iter().any(|tag| tag.key == *key && values.contains(&tag.value))
    };
    wanted.is_empty() || wanted.iter().any(has)
}

fn passes_independent(call: Call<'_>, proxy: &Proxy) -> bool {
    match call.parameters.integer("Independent") {
        Some(1) => proxy.group_id.is_none(),
        Some(0) => proxy.group_id.is_some(),
        _ => true,
    }
}

struct Page {
    offset: usize,
    limit: usize,
    field: fn(&Proxy, &Proxy) -> Ordering,
    ascending: bool,
}

impl Page {
    fn of(call: Call<'_>) -> Result<Self, ApiError> {
        let wrong = |name: &str| ApiError::about("InvalidParameterValue", name);
        let offset = call.parameters.integer("Offset").unwrap_or(0);
        let limit = call.parameters.integer("Limit").unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(wrong("Limit is between 1 and 100"));
        }
        let field: fn(&Proxy, &Proxy) -> Ordering = match call.parameters.text("OrderField").unwrap_or("create_time") {
            "create_time" => |one, other| one.create_time.cmp(&other.create_time),
            "proxy_id" => |one, other| one.id.cmp(&other.id),
            "bandwidth" => |one, other| one.bandwidth.cmp(&other.bandwidth),
            "concurrent_connections" => |one, other| one.concurrent.cmp(&other.concurrent),
            _ => return Err(wrong("OrderField")),
        };
        let ascending = match call.parameters.text("Order").unwrap_or("desc") {
            "asc" => true,
            "desc" => false,
            _ => return Err(wrong("Order is asc or desc")),
        };
        Ok(Self {
            offset: usize::try_from(offset).map_err(|_| wrong("Offset is not negative"))?,
            limit: usize::try_from(limit).map_err(|_| wrong("Limit"))?,
            field,
            ascending,
        })
    }

    fn sort(&self, proxies: &mut [Proxy]) {
        proxies.sort_by(|one, other| {
            let order = (self.field)(one, other).then_with(|| one.id.cmp(&other.id));
            if self.ascending { order } else { order.reverse() }
        });
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
