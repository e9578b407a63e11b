//! Who acts: the arithmetic of a lease, and what the rest of the process sees of it.
//!
//! client-go's rules. A lease is expired when this process has seen it unchanged for as long as it says, on its own
//! monotonic clock: times written by others are never compared with ours, so a clock that jumps expires nothing. A
//! renewal counts from the moment before it was asked for. The leader gives up [`RENEW_DEADLINE`] after the last one,
//! before anybody else may take over ([`LEASE_DURATION`]).
//!
//! Nothing here knows where the lease is stored: `controller::lease` reads and writes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long a lease that is not renewed keeps others away.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long after its last renewal a leader goes on acting.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two renewals, and after a write that failed.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// A lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who has it; empty when it was given back.
    pub holder: String,
    /// How long it lasts unchanged.
    pub duration: Duration,
    /// Another one after every write.
    pub version: String,
}

/// What a candidate does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no lease: make one.
    Create,
    /// Write ourselves into the lease that was seen last: to take it, or to renew it.
    Write,
    /// Nothing for so long, unless the lease changes.
    Wait(Duration),
    /// Another has the lease, or it could not be renewed in time: stop acting.
    Lost,
}

/// One process that wants to act, and what it knows of the lease.
#[derive(Debug)]
pub struct Candidate {
    identity: String,
    seen: Option<Record>,
    /// Since when `seen` has been as it is, on the monotonic clock.
    since: Duration,
    /// Moment before the last renewal was asked for. Some: this process leads.
    renewed: Option<Duration>,
    not_before: Duration,
    /// A lease that vanishes tells its holder nothing: until the lease would have expired, that one may go on acting.
    vacant_from: Duration,
    /// The lease, or that there is none, was read once.
    told: bool,
}

impl Candidate {
    /// `identity` must be another one in every process: a restarted container is not the one that held the lease.
    pub fn new(identity: String) -> Self {
        let never = Duration::ZERO;
        Candidate {
            identity,
            seen: None,
            since: never,
            renewed: None,
            not_before: never,
            vacant_from: never,
            told: false,
        }
    }

    /// Who this candidate is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether this process holds the lease, as far as it has written it itself.
    pub fn leads(&self) -> bool {
        self.renewed.is_some()
    }

    /// Takes in the lease as it was read.
    pub fn saw(&mut self, record: Option<Record>, now: Duration) {
        self.told = true;
        if self.seen == record {
            return;
        }
        if let (None, Some(before)) = (&record, &self.seen)
            && !before.holder.is_empty()
        {
            self.vacant_from = self.since + lasts(before);
        }
        self.seen = record;
        self.since = now;
    }

    /// Takes in a write of ours that was asked for at `asked`. A renewal whose answer comes after the end of the term
    /// revives nothing: in between this process did not act, and whatever it put off then would be forgotten.
    pub fn wrote(&mut self, record: Record, asked: Duration, now: Duration) {
        self.saw(Some(record), now);
        if !self.is_over(now) {
            self.renewed = Some(asked);
        }
    }

    fn is_over(&self, now: Duration) -> bool {
        self.renewed.is_some_and(|renewed| renewed + RENEW_DEADLINE <= now)
    }

    /// A write or a read failed: the next try comes after a pause.
    pub fn failed(&mut self, now: Duration, pause: Duration) {
        self.not_before = now + pause;
    }

    /// The next step.
    pub fn next(&self, now: Duration) -> Step {
        if self.is_over(now) {
            return Step::Lost;
        }
        if !self.told {
            return Step::Wait(RETRY_PERIOD);
        }
        let (due, step) = match (&self.seen, self.renewed) {
            (Some(record), Some(_)) if !record.holder.is_empty() && record.holder != self.identity => {
                return Step::Lost;
            }
            (None, Some(_)) => (now, Step::Create),
            (None, None) => (self.vacant_from, Step::Create),
            (Some(record), Some(renewed)) if record.holder == self.identity => (renewed + RETRY_PERIOD, Step::Write),
            // Given back, or ours by a write whose answer was lost.
            (Some(record), _) if record.holder.is_empty() || record.holder == self.identity => (now, Step::Write),
            (Some(record), _) => (self.since + lasts(record), Step::Write),
        };
        match due.max(self.not_before).checked_sub(now).filter(|left| !left.is_zero()) {
            Some(left) => Step::Wait(left),
            None => step,
        }
    }

    /// How long a renewal may take before it is useless; the full duration for one who does not lead.
    pub fn patience(&self, now: Duration) -> Duration {
        self.renewed.map_or(RENEW_DEADLINE, |renewed| (renewed + RENEW_DEADLINE).saturating_sub(now))
    }

    /// Until when this process may act, and until when nobody else may.
    pub fn term(&self) -> Option<Term> {
        self.renewed.map(|renewed| Term { acts: renewed + RENEW_DEADLINE, alone: renewed + LEASE_DURATION })
    }
}

/// How long a held lease keeps others away: as it says, but not shorter than its holder counts on when somebody has edited
/// it.
fn lasts(record: &Record) -> Duration {
    record.duration.max(LEASE_DURATION)
}

/// The bounds of a leadership on the monotonic clock; every renewal moves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// This process acts until then.
    pub acts: Duration,
    /// No other process acts before then.
    pub alone: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    /// No election: the only replica.
    Alone,
    Standby,
    Leader(Term),
}

/// Whether this process may act. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    standing: watch::Receiver<Standing>,
    /// Keeps the channel open where nobody else does.
    _sender: Option<Arc<watch::Sender<Standing>>>,
}

/// The other end of a [`Leadership`].
#[derive(Debug)]
pub struct LeadershipSender(watch::Sender<Standing>);

impl Leadership {
    /// Without an election this process always acts.
    pub fn without_election() -> Self {
        let (sender, standing) = watch::channel(Standing::Alone);
        Leadership { standing, _sender: Some(Arc::new(sender)) }
    }

    /// With an election it acts once it is told so.
    pub fn by_election() -> (LeadershipSender, Self) {
        let (sender, standing) = watch::channel(Standing::Standby);
        (LeadershipSender(sender), Leadership { standing, _sender: None })
    }

    /// This process may act now.
    pub fn acts(&self, now: Duration) -> bool {
        match *self.standing.borrow() {
            Standing::Alone => true,
            Standing::Standby => false,
            Standing::Leader(term) => now < term.acts,
        }
    }

    /// Nobody else acts for so long, whatever becomes of this process: time for a call that must not overlap with one
    /// of a successor.
    pub fn acts_alone_for(&self, call: Duration, now: Duration) -> bool {
        match *self.standing.borrow() {
            Standing::Alone => true,
            Standing::Standby => false,
            Standing::Leader(term) => now < term.acts && now + call <= term.alone,
        }
    }

    /// Returns once this process may act.
    pub async fn begins(&mut self) {
        let over = self.standing.wait_for(|standing| !matches!(standing, Standing::Standby)).await.is_err();
        if over {
            // The election is over without a leadership: the process is ending.
            std::future::pending::<()>().await;
        }
    }
}

impl LeadershipSender {
    /// This process acts within these bounds.
    pub fn leads(&self, term: Term) {
        self.0.send_replace(Standing::Leader(term));
    }

    /// This process does not act any more.
    pub fn ends(&self) {
        self.0.send_replace(Standing::Standby);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn record(holder: &str, version: u64) -> Record {
        Record { holder: holder.to_owned(), duration: LEASE_DURATION, version: version.to_string() }
    }

    fn candidate() -> Candidate {
        Candidate::new("me".to_owned())
    }

    fn leader(renewed: u64) -> Candidate {
        let mut candidate = candidate();
        candidate.wrote(record("me", 1), at(renewed), at(renewed));
        candidate
    }

    #[test]
    fn a_lease_that_is_not_there_is_made_and_one_given_back_is_taken_at_once() {
        let mut candidate = candidate();
        assert_eq!(candidate.next(at(0)), Step::Wait(RETRY_PERIOD), "nobody has looked yet");
        candidate.saw(None, at(0));
        assert_eq!(candidate.next(at(0)), Step::Create);
        candidate.saw(Some(record("", 1)), at(0));
        assert_eq!(candidate.next(at(0)), Step::Write);
    }

    #[test]
    fn another_ones_lease_is_taken_when_it_was_seen_unchanged_for_its_duration() {
        let mut candidate = candidate();
        candidate.saw(Some(record("other", 1)), at(100));
        assert_eq!(candidate.next(at(100)), Step::Wait(LEASE_DURATION));
        candidate.saw(Some(record("other", 2)), at(110));
        assert_eq!(candidate.next(at(115)), Step::Wait(at(10)), "a renewal starts the time anew");
        candidate.saw(Some(record("other", 2)), at(120));
        assert_eq!(candidate.next(at(124)), Step::Wait(at(1)), "the same again is no renewal");
        assert_eq!(candidate.next(at(125)), Step::Write);
    }

    #[test]
    fn a_longer_duration_that_the_holder_wrote_counts_and_a_shorter_one_does_not() {
        for (written, left) in [(60, 45), (20, 5), (1, 0)] {
            let mut candidate = candidate();
            candidate.saw(Some(Record { duration: at(written), ..record("other", 1) }), at(0));
            let expected = if left == 0 { Step::Write } else { Step::Wait(at(left)) };
            assert_eq!(candidate.next(at(15)), expected, "{written}");
        }
    }

    #[test]
    fn a_leader_renews_every_retry_period_and_stops_at_the_renew_deadline() {
        let mut leader = leader(50);
        assert_eq!(leader.next(at(50)), Step::Wait(RETRY_PERIOD));
        assert_eq!(leader.next(at(52)), Step::Write);
        assert_eq!(leader.patience(at(53)), at(7));
        leader.failed(at(53), RETRY_PERIOD);
        assert_eq!(leader.next(at(54)), Step::Wait(at(1)));
        assert_eq!(leader.next(at(59)), Step::Write);
        assert_eq!(leader.next(at(60)), Step::Lost);
        leader.wrote(record("me", 2), at(58), at(59));
        assert_eq!(leader.next(at(60)), Step::Write, "it counts from before it was asked for");
        leader.wrote(record("me", 3), at(60), at(68));
        assert_eq!(leader.next(at(68)), Step::Lost, "an answer after the end of the term revives nothing");
    }

    #[test]
    fn a_leader_whose_lease_was_deleted_makes_it_again_and_one_whose_lease_another_has_stops() {
        let mut leader = leader(0);
        leader.saw(None, at(1));
        assert_eq!(leader.next(at(1)), Step::Create);
        leader.saw(Some(record("other", 9)), at(1));
        assert_eq!(leader.next(at(1)), Step::Lost);
        leader.saw(Some(record("", 10)), at(1));
        assert_eq!(leader.next(at(1)), Step::Write, "emptied by hand");
    }

    #[test]
    fn a_deleted_lease_is_left_to_its_holder_until_it_would_have_expired() {
        let mut candidate = candidate();
        candidate.saw(Some(record("other", 1)), at(100));
        candidate.saw(None, at(101));
        assert_eq!(candidate.next(at(101)), Step::Wait(at(14)));
        assert_eq!(candidate.next(at(115)), Step::Create);
        candidate.saw(Some(record("", 2)), at(102));
        candidate.saw(None, at(103));
        assert_eq!(candidate.next(at(115)), Step::Create, "given back before");
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_written_again() {
        let mut candidate = candidate();
        candidate.saw(Some(record("me", 4)), at(3));
        assert_eq!(candidate.next(at(3)), Step::Write);
        assert!(!candidate.leads());
    }

    #[tokio::test]
    async fn the_rest_of_the_process_sees_a_leadership_end_by_itself() {
        let (sender, mut leadership) = Leadership::by_election();
        assert!(!leadership.acts(at(0)));
        sender.leads(leader(100).term().unwrap());
        leadership.begins().await;
        assert!(leadership.acts(at(109)) && !leadership.acts(at(110)));
        assert!(leadership.acts_alone_for(at(10), at(105)));
        assert!(!leadership.acts_alone_for(at(10), at(106)), "the call could end after another began to act");
        sender.ends();
        assert!(!leadership.acts(at(100)));
        assert!(Leadership::without_election().acts_alone_for(at(3600), at(0)));
    }

    proptest! {
        /// Two candidates, one store with compare-and-swap; watches and answers late or lost, pauses of any length. At
        /// no moment do both act.
        #[test]
        fn two_candidates_never_act_at_the_same_time(
            moves in prop::collection::vec((0..2usize, 0..6_000u64, 0..3u8), 1..300),
        ) {
            let mut candidates = [Candidate::new("a".into()), Candidate::new("b".into())];
            let (mut store, mut version, mut now): (Option<Record>, u64, Duration) = (None, 0, Duration::ZERO);
            for (who, pause, luck) in moves {
                now += Duration::from_millis(pause);
                let candidate = &mut candidates[who];
                let step = candidate.next(now);
                let may_write = match step {
                    Step::Create => store.is_none(),
                    Step::Write => store == candidate.seen,
                    Step::Lost => {
                        *candidate = Candidate::new(candidate.identity.clone() + "+");
                        continue;
                    }
                    Step::Wait(_) => false,
                };
                if may_write && luck != 2 {
                    version += 1;
                    let written = Record { holder: candidate.identity.clone(), ..record("", version) };
                    store = Some(written.clone());
                    if luck == 0 {
                        candidate.wrote(written, now, now);
                    } else {
                        candidate.failed(now, RETRY_PERIOD);
                    }
                } else if luck != 1 {
                    candidate.saw(store.clone(), now);
                }
                let acting = candidates.iter().filter(|one| one.term().is_some_and(|term| now < term.acts)).count();
                prop_assert!(acting <= 1, "at {now:?}: {candidates:?}");
            }
        }
    }
}
