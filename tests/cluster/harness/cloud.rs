//! What the cloud received, read from its own log.

use gaap_simulator::{Entry, Fault};

use super::patience::{LIMIT, until};
use super::world::World;

impl World {
    /// Every request that the cloud received.
    pub fn requests(&self) -> Vec<Entry> {
        self.cloud().requests(0)
    }

    /// The DestroyProxies requests that named this proxy, in order of receipt.
    pub fn destroys(&self, proxy: &str) -> Vec<Entry> {
        self.calls("DestroyProxies", proxy)
    }

    /// The DescribeProxies requests that named this proxy, in order of receipt.
    pub fn looks(&self, proxy: &str) -> Vec<Entry> {
        self.calls("DescribeProxies", proxy)
    }

    /// The requests to destroy a proxy without copies made on the way, each token by a letter in order of its first use:
    /// `aa` is a request that was sent again, `ab` one that a new one followed.
    pub fn tokens(&self, proxy: &str) -> String {
        let mut known: Vec<String> = Vec::new();
        let sent = self.destroys(proxy).into_iter().filter(|entry| entry.duplicate_of.is_none());
        let letters = sent.map(|entry| {
            assert_eq!((entry.ids.as_slice(), entry.force), ([proxy.to_owned()].as_slice(), Some(0)), "{entry:?}");
            let token = entry.client_token.expect("a ClientToken");
            let place = known.iter().position(|have| *have == token).unwrap_or_else(|| {
                known.push(token);
                known.len() - 1
            });
            char::from(b'a' + u8::try_from(place).unwrap())
        });
        letters.collect()
    }

    fn calls(&self, action: &str, proxy: &str) -> Vec<Entry> {
        let fits = |entry: &Entry| entry.action == action && entry.ids.iter().any(|id| id == proxy);
        self.requests().into_iter().filter(fits).collect()
    }

    /// How often the cloud accepted to destroy this proxy.
    pub fn accepted(&self, proxy: &str) -> usize {
        self.requests().iter().filter(|entry| entry.accepted_ids.iter().any(|id| id == proxy)).count()
    }

    /// Waits until the cloud has received so many DestroyProxies for this proxy.
    pub async fn destroys_reach(&self, proxy: &str, count: usize) -> Vec<Entry> {
        until(&format!("{count} DestroyProxies of {proxy}"), LIMIT, async || {
            let destroys = self.destroys(proxy);
            if destroys.len() >= count { Ok(destroys) } else { Err(format!("{destroys:?}")) }
        })
        .await
    }

    /// Scripts a fault; its number.
    pub fn fault(&self, fault: Fault) -> u64 {
        self.cloud().add_fault(fault).unwrap()
    }

    /// Waits until a fault has hit a request.
    pub async fn fault_hits(&self, number: u64) {
        until(&format!("a hit of fault {number}"), LIMIT, async || {
            let faults = self.cloud().faults();
            let report = faults.iter().find(|report| report.id == number).ok_or("no such fault")?;
            if report.hits > 0 { Ok(()) } else { Err(format!("{report:?}")) }
        })
        .await;
    }
}
