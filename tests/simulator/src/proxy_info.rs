//! The `ProxyInfo` object, all members of it.

use serde_json::{Value, json};

use crate::proxies::Proxy;

impl Proxy {
    /// Domain name and address of the entry, as a proxy has them once it is made.
    pub fn entry(&self) -> [String; 2] {
        [format!("{}.gaapqcloud.com", self.id), entry_ip(&self.id)]
    }
}

/// A proxy in the form of `ProxySet`.
pub(crate) fn proxy_info(proxy: &Proxy) -> Value {
    let created = !matches!(proxy.status.as_str(), "CREATING" | "CREATE_FAILED");
    let [domain, ip] = if created { proxy.entry() } else { Default::default() };
    let region = |id: &str| {
        json!({"RegionId": id, "RegionName": id, "RegionArea": "", "RegionAreaName": "", "IDCType": "dc",
               "FeatureBitmap": 1, "SupportFeature": {"NetworkType": ["normal"]}})
    };
    let tags: Vec<Value> = proxy.tags.iter().map(|tag| json!({"TagKey": tag.key, "TagValue": tag.value})).collect();
    let ips = if created { json!([{"IP": ip, "Provider": "BGP", "Bandwidth": proxy.bandwidth}]) } else { json!([]) };
    json!({
        "InstanceId": proxy.id,
        "ProxyId": proxy.id,
        "CreateTime": proxy.create_time,
        "ProjectId": proxy.project_id,
        "ProxyName": proxy.name,
        "AccessRegion": proxy.access_region,
        "RealServerRegion": proxy.real_server_region,
        "AccessRegionInfo": region(&proxy.access_region),
        "RealServerRegionInfo": region(&proxy.real_server_region),
        "Bandwidth": proxy.bandwidth,
        "Concurrent": proxy.concurrent,
        "Status": proxy.status,
        "Domain": domain,
        "IP": ip,
        "ForwardIP": if created { "10.0.0.1;10.0.0.2" } else { "" },
        "Version": "3.0",
        "Scalarable": 1,
        "SupportProtocols": if created { json!(["TCP", "UDP", "HTTP", "HTTPS"]) } else { json!([]) },
        "GroupId": proxy.group_id,
        "PolicyId": null,
        "TagSet": tags,
        "SupportSecurity": 1,
        "BillingType": 0,
        "RelatedGlobalDomains": [],
        "ModifyConfigTime": null,
        "ProxyType": 100,
        "ClientIPMethod": [0, 1],
        "IPAddressVersion": proxy.ip_address_version,
        "NetworkType": "normal",
        "PackageType": proxy.package_type,
        "BanStatus": "RECOVER",
        "IPList": ips,
        "Http3Supported": 0,
        "InBanBlacklist": 0,
        "FeatureBitmap": 1,
        "IsAutoScaleProxy": 0,
        "IsSupportTLSChoice": 0,
    })
}

/// An address of the documentation range that is always the same for an id.
fn entry_ip(id: &str) -> String {
    let sum = id.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    format!("198.51.100.{sum}")
}
