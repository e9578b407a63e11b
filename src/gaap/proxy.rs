//! A GAAP proxy as this program sees it: its id, its state, what the cloud tells about it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Shortest and longest run of characters after `link-`.
const SUFFIX: std::ops::RangeInclusive<usize> = 4..=32;
const PREFIX: &str = "link-";

/// Id of a proxy: `^link-[0-9a-z]{4,32}$`. A value of this type is safe in a URL, a header and a log line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId(String);

/// Why a text is no id of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxyId {
    /// It does not begin with `link-`.
    #[error("a proxy id begins with \"link-\", as in link-11112222; this one does not: {0:?}")]
    Prefix(String),
    /// Another length than the cloud gives out.
    #[error("a proxy id has 4 to 32 characters after \"link-\"; this one has {0}")]
    Length(usize),
    /// A character the cloud never uses.
    #[error("a proxy id has only digits and lower-case letters after \"link-\"; this one has {0:?}")]
    Character(char),
}

impl ProxyId {
    /// The id as the cloud writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ProxyId {
    type Error = InvalidProxyId;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let Some(suffix) = text.strip_prefix(PREFIX) else {
            return Err(InvalidProxyId::Prefix(text.chars().take(48).collect()));
        };
        if let Some(wrong) = suffix.chars().find(|c| !(c.is_ascii_digit() || c.is_ascii_lowercase())) {
            return Err(InvalidProxyId::Character(wrong));
        }
        if !SUFFIX.contains(&suffix.len()) {
            return Err(InvalidProxyId::Length(suffix.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ProxyId {
    type Err = InvalidProxyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text)
    }
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ProxyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Where a proxy lives: an id means something only within one account, seen through one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// AccountId of STS GetCallerIdentity: the main account of the credentials.
    pub id: String,
    /// Scheme and host of the GAAP endpoint, as in `https://gaap.tencentcloudapi.com`.
    pub endpoint: String,
}

/// What a state means for deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A stable state: the cloud may take a DestroyProxies.
    Destroyable,
    /// It will become another state by itself: wait.
    Transitional,
    /// The cloud is destroying it: only look.
    Destroying,
}

/// State of a proxy. The cloud's set is not closed (CREATE_FAILED is in no field documentation), so this one is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProxyStatus {
    /// In service.
    Running,
    /// Switched off; the base fee goes on.
    Closed,
    /// Suspended, mostly for an overdue account.
    Isolated,
    /// Creation failed.
    CreateFailed,
    /// Being created.
    Creating,
    /// Being switched on.
    Opening,
    /// Being switched off.
    Closing,
    /// Being resized.
    Adjusting,
    /// Being copied.
    Cloning,
    /// Being migrated; may take long.
    Moving,
    /// Under maintenance; may take long.
    Recovering,
    /// Being suspended.
    Isolating,
    /// Being destroyed.
    Destroying,
    /// A state this version does not know; the text is the cloud's, empty when it gave none.
    Unknown(String),
}

/// Each known state with the cloud's name for it.
const NAMES: [(ProxyStatus, &str); 13] = [
    (ProxyStatus::Running, "RUNNING"),
    (ProxyStatus::Closed, "CLOSED"),
    (ProxyStatus::Isolated, "ISOLATED"),
    (ProxyStatus::CreateFailed, "CREATE_FAILED"),
    (ProxyStatus::Creating, "CREATING"),
    (ProxyStatus::Opening, "OPENING"),
    (ProxyStatus::Closing, "CLOSING"),
    (ProxyStatus::Adjusting, "ADJUSTING"),
    (ProxyStatus::Cloning, "CLONING"),
    (ProxyStatus::Moving, "MOVING"),
    (ProxyStatus::Recovering, "RECOVERING"),
    (ProxyStatus::Isolating, "ISOLATING"),
    (ProxyStatus::Destroying, "DESTROYING"),
];

impl From<&str> for ProxyStatus {
    fn from(text: &str) -> Self {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map_or_else(|| Self::Unknown(text.to_owned()), |(status, _)| status.clone())
    }
}

impl ProxyStatus {
    /// The cloud's name for the state.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            known => NAMES.iter().find(|(status, _)| status == known).map_or("", |(_, name)| name),
        }
    }

    /// What the state means for deletion. An unknown state means "present, wait" (S17): a destroy sent in a state
    /// that nobody has read about might be the wrong thing, waiting never is.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Running | Self::Closed | Self::Isolated | Self::CreateFailed => Phase::Destroyable,
            Self::Destroying => Phase::Destroying,
            Self::Creating
            | Self::Opening
            | Self::Closing
            | Self::Adjusting
            | Self::Cloning
            | Self::Moving
            | Self::Recovering
            | Self::Isolating
            | Self::Unknown(_) => Phase::Transitional,
        }
    }
}

impl fmt::Display for ProxyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A proxy as DescribeProxies tells it (ProxyInfo). Everything but the id may be missing: on the international site
/// the documentation allows null nearly everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// ProxyId.
    pub id: ProxyId,
    /// Status.
    pub status: ProxyStatus,
    /// ProxyName.
    pub name: Option<String>,
    /// AccessRegion: where clients enter.
    pub access_region: Option<String>,
    /// RealServerRegion: where the origin servers are.
    pub real_server_region: Option<String>,
    /// IP of the entry.
    pub ip: Option<String>,
    /// Domain of the entry.
    pub domain: Option<String>,
    /// Bandwidth in Mbps.
    pub bandwidth_mbps: Option<i64>,
    /// Concurrent, in connections (the cloud counts in units of 10 000).
    pub concurrent_connections: Option<i64>,
    /// GroupId, when the proxy belongs to a proxy group.
    pub group_id: Option<String>,
    /// CreateTime in Unix seconds. With the id it tells one proxy from another that got the same id later.
    pub create_time: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_form_is_an_id_and_the_error_says_what_is_wrong() {
        for good in ["link-1111", "link-11112222", "link-sim00001", &format!("link-{}", "a".repeat(32))] {
            assert_eq!(good.parse::<ProxyId>().unwrap().as_str(), good);
        }
        for (bad, says) in [
            ("", "begins with"),
            ("lb-11112222", "begins with"),
            ("LINK-11112222", "begins with"),
            ("link-111", "has 3"),
            ("link-", "has 0"),
            ("link-1111222A", "'A'"),
            ("link-1111/../x", "'/'"),
            ("link-1111?a", "'?'"),
            ("link-1111%2f", "'%'"),
            ("link-1111\n", "'\\n'"),
            ("link-１１１１", "'１'"),
        ] {
            let error = bad.parse::<ProxyId>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
        assert!(format!("link-{}", "a".repeat(33)).parse::<ProxyId>().is_err());
    }

    #[test]
    fn every_state_keeps_its_name_and_has_a_phase() {
        let phases = NAMES.map(|(status, name)| {
            assert_eq!(ProxyStatus::from(name), status);
            assert_eq!(status.as_str(), name);
            status.phase()
        });
        assert_eq!(phases.iter().filter(|phase| **phase == Phase::Destroyable).count(), 4);
        assert_eq!(phases.iter().filter(|phase| **phase == Phase::Destroying).count(), 1);
    }

    #[test]
    fn a_state_that_nobody_knows_is_waited_for() {
        for text in ["HIBERNATING", "", "running", "UNKNOWN"] {
            let status = ProxyStatus::from(text);
            assert_eq!(status, ProxyStatus::Unknown(text.into()));
            assert_eq!(status.as_str(), text);
            assert_eq!(status.phase(), Phase::Transitional);
        }
    }
}
