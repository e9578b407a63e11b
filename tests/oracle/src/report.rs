//! The verdict: what was broken, on what evidence, and how much was looked at.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// A promise of docs/design.md §3 that can be judged from the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "Promise::text says what each one is")]
pub enum Promise {
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    S7,
    S8,
    S9,
    S10,
    S11,
    S14,
    S15,
    S16,
    S17,
}

impl Promise {
    /// Every judged promise, in order.
    pub const ALL: [Promise; 15] = [
        Promise::S1,
        Promise::S2,
        Promise::S3,
        Promise::S4,
        Promise::S5,
        Promise::S6,
        Promise::S7,
        Promise::S8,
        Promise::S9,
        Promise::S10,
        Promise::S11,
        Promise::S14,
        Promise::S15,
        Promise::S16,
        Promise::S17,
    ];

    /// What is promised.
    pub fn text(self) -> &'static str {
        match self {
            Promise::S1 => "a destroy has a deleting resource with finalizer and policy Destroy, freshly read",
            Promise::S2 => "the finalizer goes only after proved absence",
            Promise::S3 => "a resend is identical until a definite answer",
            Promise::S4 => "one token, one request",
            Promise::S5 => "no destroy while another living resource claims the id",
            Promise::S6 => "one replica leads at a time",
            Promise::S7 => "every write names the uid",
            Promise::S8 => "Retain and paused resources cause no destroy",
            Promise::S9 => "Force=1 only if the spec says so",
            Promise::S10 => "a bound proxy has its finalizer stored",
            Promise::S11 => "no destroy before the first list is complete",
            Promise::S14 => "the rate limit holds in every second",
            Promise::S15 => "the status is true and holds no secret",
            Promise::S16 => "one accepted destroy at a time per proxy",
            Promise::S17 => "unknown or passing states are waited for",
        }
    }

    /// What the number in the column `checked` counts.
    pub fn unit(self) -> &'static str {
        match self {
            Promise::S1 | Promise::S8 | Promise::S11 | Promise::S17 => "sent ids",
            Promise::S2 => "removals of the finalizer",
            Promise::S3 => "pairs of consecutive sends",
            Promise::S4 => "sends",
            Promise::S5 => "other claims before a send",
            Promise::S6 => "writes of a Lease and, by replica, sends",
            Promise::S7 => "writes",
            Promise::S9 => "sends with Force=1",
            Promise::S10 => "bound writes and ends of objects",
            Promise::S14 => "attempts",
            Promise::S15 => "status writes and texts",
            Promise::S16 => "accepted destroys",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{self:?}"))
    }
}

/// Which log an entry is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The audit log; the number is the place in the list that was handed in, from 0.
    Audit(usize),
    /// The cloud's request log; the number is `seq`.
    Cloud(u64),
    /// A text that was handed in beside the logs, such as an event.
    Text,
}

/// An entry that shows something.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Where it is from.
    pub source: Source,
    /// One line for a reader, without secrets.
    pub line: String,
    /// The entry as it was handed in; null where it holds a secret.
    pub entry: Value,
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Audit(number) => write!(formatter, "audit[{number}] {}", self.line),
            Source::Cloud(number) => write!(formatter, "cloud #{number} {}", self.line),
            Source::Text => formatter.write_str(&self.line),
        }
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// The object or proxy it was broken for.
    pub subject: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The entries that show it.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}) broken for {}: {}", self.promise, self.promise.text(), self.subject, self.message)?;
        for evidence in &self.evidence {
            write!(formatter, "\n    {evidence}")?;
        }
        Ok(())
    }
}

/// Something worth knowing that breaks no promise, such as a finalizer that a person took off.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The object.
    pub subject: String,
    /// What happened.
    pub message: String,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Broken promises, by promise.
    pub violations: Vec<Violation>,
    /// On how many facts each promise was checked; zero means that the logs held nothing it speaks of.
    pub checked: BTreeMap<Promise, usize>,
    /// What else is worth knowing.
    pub notices: Vec<Notice>,
    /// Entries that could not be read, and why.
    pub unreadable: Vec<String>,
}

impl Verdict {
    /// No promise broken, and every entry read.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.unreadable.is_empty()
    }

    /// The violations of one promise.
    pub fn of(&self, promise: Promise) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(move |violation| violation.promise == promise)
    }

    /// On how many facts a promise was checked.
    pub fn checked(&self, promise: Promise) -> usize {
        self.checked.get(&promise).copied().unwrap_or(0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_clean() { "kept" } else { "NOT kept" };
        writeln!(
            formatter,
            "Promises {word}: {} broken, {} unreadable entries",
            self.violations.len(),
            self.unreadable.len()
        )?;
        writeln!(formatter, "{:<5} {:>7} {:>7}  of", "", "checked", "broken")?;
        for promise in Promise::ALL {
            let (checked, broken) = (self.checked(promise), self.of(promise).count());
            let note = if checked == 0 { "  (the logs hold none)" } else { "" };
            writeln!(formatter, "{promise:<5} {checked:>7} {broken:>7}  {}{note}", promise.unit())?;
        }
        for violation in &self.violations {
            writeln!(formatter, "{violation}")?;
        }
        for why in &self.unreadable {
            writeln!(formatter, "unreadable: {why}")?;
        }
        for Notice { subject, message } in &self.notices {
            writeln!(formatter, "notice: {subject}: {message}")?;
        }
        Ok(())
    }
}

/// Collects a verdict.
pub(crate) struct Report {
    violations: Vec<Violation>,
    checked: BTreeMap<Promise, usize>,
    notices: Vec<Notice>,
    unreadable: Vec<String>,
}

impl Report {
    pub fn new(unreadable: Vec<String>) -> Self {
        let checked = Promise::ALL.into_iter().map(|promise| (promise, 0)).collect();
        Self { violations: Vec::new(), checked, notices: Vec::new(), unreadable }
    }

    /// One more fact was looked at.
    pub fn check(&mut self, promise: Promise) {
        *self.checked.entry(promise).or_default() += 1;
    }

    pub fn broken(&mut self, promise: Promise, subject: &str, message: String, evidence: Vec<Evidence>) {
        self.violations.push(Violation { promise, subject: subject.to_owned(), message, evidence });
    }

    pub fn notice(&mut self, subject: &str, message: String) {
        self.notices.push(Notice { subject: subject.to_owned(), message });
    }

    pub fn unreadable(&mut self, why: String) {
        self.unreadable.push(why);
    }

    pub fn finish(mut self) -> Verdict {
        self.violations.sort_by_key(|violation| violation.promise);
        let Report { violations, checked, notices, unreadable } = self;
        Verdict { violations, checked, notices, unreadable }
    }
}
