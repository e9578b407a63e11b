//! Small values for the unit tests of this room.

use std::time::Duration;

use crate::controller::failure::Failure;
use crate::controller::memory::Memory;
use crate::controller::observation::{Claims, Cloud, Observation, Resource, Timing};
use crate::controller::reasons::Reason;
use crate::crd::{DeletionPolicy, GaapProxyStatus};
use crate::gaap::{Account, Class};

/// A resource that was just made.
pub fn resource() -> Resource {
    Resource {
        namespace: "games".into(),
        name: "edge".into(),
        uid: "uid-a".into(),
        resource_version: "1".into(),
        generation: 1,
        created: 1_000,
        deleted: None,
        finalizers: Vec::new(),
        paused: false,
        proxy_id: "link-11112222".parse().unwrap(),
        policy: DeletionPolicy::Destroy,
        force: false,
        status: GaapProxyStatus::default(),
    }
}

/// The account that everything is seen under.
pub fn account() -> Account {
    Account { id: "100".into(), endpoint: "https://gaap.tencentcloudapi.com".into() }
}

/// The default settings.
pub fn timing() -> Timing {
    Timing {
        destroy_poll: Duration::from_secs(5),
        resync: Duration::from_secs(600),
        minimum_age: Duration::from_secs(120),
        absence_spacing: Duration::from_secs(5),
        settle_time: Duration::from_secs(60),
    }
}

/// A complete observation of a new resource.
pub fn observation() -> Observation {
    Observation {
        resource: resource(),
        fresh: false,
        claims: Claims { complete: true, others: Vec::new() },
        cloud: Cloud::Ready(account()),
        memory: Memory::default(),
        timing: timing(),
    }
}

/// A failure of a class.
pub fn failure(class: Class) -> Failure {
    Failure {
        class,
        reason: Reason::Refused,
        code: "Some.Code".into(),
        request_id: Some("r-1".into()),
        message: "It failed with Some.Code (RequestId r-1)".into(),
        advice: "Do something.".into(),
    }
}
