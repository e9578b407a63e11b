//! Every promise against logs that break it and logs that keep it.
//!
//! The two logs of a pair come from one story with one switch, so they differ in one fact. The bad one must be refused
//! for the promise and the object it is about; the good one must be accepted by every promise. If a pair fails, the
//! oracle has become blind to a real defect, or cries out at a sound operator.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole crate is a test, and clippy's exception for tests covers only their functions"
)]

mod absence;
mod authority;
mod claims;
mod effects;
mod leases;
mod life;
mod requests;
mod status;
mod story;
mod two;
mod writes;

use oracle::{Promise, Verdict};

use crate::story::Story;

/// A story with a switch.
pub struct Twin {
    pub promise: Promise,
    pub sentence: &'static str,
    pub story: fn(&mut Story, bool),
}

impl Twin {
    fn verdict(&self, bad: bool) -> Verdict {
        let mut story = Story::new();
        (self.story)(&mut story, bad);
        story.judged()
    }

    /// Why the oracle judges this pair wrongly; none when it is right.
    fn misjudged(&self) -> Option<String> {
        let (bad, good) = (self.verdict(true), self.verdict(false));
        if !good.is_clean() {
            return Some(format!("{}: the good log was refused\n{good}", self.sentence));
        }
        if good.checked(self.promise) == 0 {
            return Some(format!("{}: nothing was looked at in the good log\n{good}", self.sentence));
        }
        let named = |text: &str| {
            [story::EDGE, story::ID, story::ACCOUNT, "stdout", "lease gaap-system/gaap-operator"]
                .iter()
                .any(|name| text.contains(name))
        };
        let named = bad.of(self.promise).any(|violation| named(&violation.subject) && !violation.evidence.is_empty());
        let refused = named && bad.to_string().contains(&format!("{} (", self.promise));
        (!refused).then(|| format!("{}: the bad log was accepted, or the object not named\n{bad}", self.sentence))
    }
}

/// Defines pairs: a test for each, and the list of them all.
macro_rules! twins {
    ($($promise:ident $sentence:ident($story:ident, $bad:ident) $body:block)+) => {
        pub const TWINS: &[$crate::Twin] = &[$($crate::Twin {
            promise: oracle::Promise::$promise,
            sentence: stringify!($sentence),
            story: |$story: &mut $crate::story::Story, $bad: bool| $body,
        }),+];
        $(
            #[test]
            fn $sentence() {
                $crate::judge_twin(TWINS, stringify!($sentence));
            }
        )+
    };
}
pub(crate) use twins;

pub fn judge_twin(twins: &[Twin], sentence: &str) {
    let twin = twins.iter().find(|twin| twin.sentence == sentence).expect("the macro lists it");
    if let Some(why) = twin.misjudged() {
        panic!("{why}");
    }
}

/// Prints promise by promise how many bad logs were refused and good ones accepted.
#[test]
fn every_promise_refuses_its_bad_logs_and_accepts_their_good_twins() {
    let all = [
        absence::TWINS,
        authority::TWINS,
        claims::TWINS,
        effects::TWINS,
        leases::TWINS,
        requests::TWINS,
        status::TWINS,
        two::TWINS,
        writes::TWINS,
    ];
    let twins: Vec<&Twin> = all.into_iter().flatten().collect();
    println!("{:<5} {:>11} {:>13}", "", "bad refused", "good accepted");
    let mut wrong = Vec::new();
    for promise in Promise::ALL {
        let of_promise: Vec<_> = twins.iter().filter(|twin| twin.promise == promise).collect();
        let refused = of_promise.iter().filter(|twin| twin.verdict(true).of(promise).count() > 0).count();
        let accepted = of_promise.iter().filter(|twin| twin.verdict(false).is_clean()).count();
        println!(
            "{promise:<5} {refused:>5} of {:<2} {accepted:>7} of {:<2}  {}",
            of_promise.len(),
            of_promise.len(),
            promise.text()
        );
        assert!(!of_promise.is_empty(), "{promise} has no pair of logs");
        wrong.extend(of_promise.into_iter().filter_map(|twin| twin.misjudged()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
