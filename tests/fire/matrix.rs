//! The table of single faults.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Instant;

use futures::future::{FutureExt, join_all};

use crate::table::{Part, print};
use crate::{cloud_wire, kills, kube_wire, processes, two};

#[tokio::test]
async fn every_single_fault_at_every_effect_of_a_deletion_ends_with_one_accepted_request() {
    let begun = Instant::now();
    let mut parts: Vec<Part> =
        vec![("requests to destroy", cloud_wire::sends().boxed_local()), ("looks", cloud_wire::looks().boxed_local())];
    // The longest first.
    parts.splice(0..0, processes::parts().into_iter().rev().chain(kube_wire::parts()));
    parts.extend(two::parts());
    parts.extend(kills::parts());
    let ends = parts.into_iter().map(async |(part, rows)| (part, AssertUnwindSafe(rows).catch_unwind().await));
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (part, end) in join_all(ends).await {
        match end {
            Ok(ended) => rows.extend(ended),
            Err(panic) => failed.push((part, panic)),
        }
    }
    print(&rows);
    println!("{} single faults ended in {:.0} s", rows.len(), begun.elapsed().as_secs_f64());
    // No assertion of its own: what a part said when it failed tells a slow one from a wrong one (scripts/patiently.sh).
    for (part, _) in &failed {
        println!("failed, as told above: {part}");
    }
    if let Some((_, panic)) = failed.pop() {
        resume_unwind(panic);
    }
}
