//! What became of one deletion, and the table of all.

use std::fmt;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;

use crate::harness::World;

/// A part of the table, with a name for messages.
pub type Part = (&'static str, LocalBoxFuture<'static, Vec<Row>>);

/// How a deletion under one fault ended.
pub struct Row {
    /// Which effect of the deletion the fault hit.
    pub effect: String,
    /// The fault.
    pub fault: String,
    /// From the moment from which the fault could hit, to the end.
    pub took: Duration,
    /// How many requests to destroy the cloud received, copies made on the way not counted.
    pub sends: usize,
    /// The requests by their tokens: `aa` is one that was sent again, `ab` one that another followed.
    pub tokens: String,
}

/// How long every single deletion may take, on a loaded machine too. The longest fault is a silent watch (60 s).
pub const LONGEST: Duration = Duration::from_secs(90);

/// Waits for the end of a deletion and holds it against what every fault must leave true: the proxy is gone, by one
/// accepted request, and the requests were these.
pub async fn ended(
    world: &World,
    fault: (&str, &str),
    name: &str,
    proxy: &str,
    since: Instant,
    tokens: &[&str],
) -> Row {
    world.gone_within(name, LONGEST).await;
    let (effect, fault) = fault;
    let row = Row {
        effect: effect.to_owned(),
        fault: fault.to_owned(),
        took: since.elapsed(),
        sends: world.tokens(proxy).len(),
        tokens: world.tokens(proxy),
    };
    let destroys = world.destroys(proxy);
    assert_eq!(world.cloud().proxy(proxy), None, "{row}: the proxy is gone");
    assert_eq!(world.accepted(proxy), 1, "{row}: {destroys:#?}");
    assert!(tokens.contains(&row.tokens.as_str()), "{row}: expected {tokens:?}: {destroys:#?}");
    row
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(
            formatter,
            "{:<28} {:<34} ended {seconds:>6.1} s {:>5}  {}",
            self.effect, self.fault, self.sends, self.tokens
        )
    }
}

/// Prints all rows under one head.
pub fn print(rows: &[Row]) {
    println!("{:<28} {:<34} {:<14} {:>5}  tokens", "effect", "fault", "", "sends");
    for row in rows {
        println!("{row}");
    }
}
