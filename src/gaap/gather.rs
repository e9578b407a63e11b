//! Which ids go into the next DescribeProxies. Pure: no call, no clock.
//!
//! First come, first served, so that under throttling no id is passed over for ever. Questions for the same id share
//! one row. An id that was just answered with "not found" goes alone: it is asked a second time soon, and among
//! others it would make their call fail again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::gaap::api::DESCRIBE_LIMIT;
use crate::gaap::proxy::ProxyId;

/// How long an id that was not found goes alone. Longer than the pause between two looks that prove an absence.
const ALONE_FOR: Duration = Duration::from_secs(60);
/// More ids than this are not remembered; forgetting one costs a few calls.
const MOST_ALONE: usize = 4_096;

/// Ids with those who ask for them.
pub(super) type Batch<A> = Vec<(ProxyId, Vec<A>)>;

/// Questions that no call has taken up yet. `A`: who asks.
pub(super) struct Gather<A> {
    order: VecDeque<ProxyId>,
    askers: HashMap<ProxyId, Vec<A>>,
    /// Parts of a call that failed as a whole, to be asked again before anything else.
    parts: Vec<Batch<A>>,
    alone: HashMap<ProxyId, Duration>,
}

impl<A> Default for Gather<A> {
    fn default() -> Self {
        Self { order: VecDeque::new(), askers: HashMap::new(), parts: Vec::new(), alone: HashMap::new() }
    }
}

impl<A> Gather<A> {
    /// Different ids that wait, those of failed calls aside.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.parts.is_empty()
    }

    /// Somebody asks for an id.
    pub(super) fn ask(&mut self, id: ProxyId, asker: A) {
        let askers = self.askers.entry(id.clone()).or_default();
        if askers.is_empty() {
            self.order.push_back(id);
        }
        askers.push(asker);
    }

    /// The next ids to ask for, in one call. `waits`: whether an asker still wants to know; an id that nobody waits
    /// for is dropped.
    pub(super) fn next(&mut self, now: Duration, waits: impl Fn(&A) -> bool) -> Option<Batch<A>> {
        let mut batch = match self.parts.pop() {
            Some(part) => part,
            None => self.fresh(now),
        };
        for (_, askers) in &mut batch {
            askers.retain(&waits);
        }
        batch.retain(|(_, askers)| !askers.is_empty());
        (!batch.is_empty()).then_some(batch)
    }

    fn fresh(&mut self, now: Duration) -> Batch<A> {
        self.alone.retain(|_, since| now.saturating_sub(*since) < ALONE_FOR);
        let (mut ids, mut left) = (Vec::new(), VecDeque::new());
        for id in self.order.drain(..) {
            let alone = self.alone.contains_key(&id);
            let full = ids.len() == DESCRIBE_LIMIT || ids.first().is_some_and(|first| self.alone.contains_key(first));
            if full || (alone && !ids.is_empty()) {
                left.push_back(id);
            } else {
                ids.push(id);
            }
        }
        self.order = left;
        ids.into_iter().filter_map(|id| self.askers.remove_entry(&id)).collect()
    }

    /// A call for several ids failed because one of them does not exist, and does not say which: asks for halves.
    /// Down to one by one where it must be, but a single absent id among 100 costs 14 calls instead of 100.
    pub(super) fn halve(&mut self, mut batch: Batch<A>) {
        let second = batch.split_off(batch.len() / 2);
        self.parts.push(second);
        self.parts.push(batch);
    }

    /// The id was asked for alone and does not exist.
    pub(super) fn not_found(&mut self, id: ProxyId, now: Duration) {
        if self.alone.len() < MOST_ALONE {
            self.alone.insert(id, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn id(number: usize) -> ProxyId {
        format!("link-{number:08}").parse().unwrap()
    }

    /// The numbers of the next call.
    fn next(gather: &mut Gather<u32>, now: Duration) -> Option<Vec<usize>> {
        let batch = gather.next(now, |asker| *asker != 0)?;
        Some(batch.into_iter().map(|(id, _)| id.as_str()[5..].parse().unwrap()).collect())
    }

    fn all(gather: &mut Gather<u32>, now: Duration) -> Vec<Vec<usize>> {
        let mut calls = Vec::new();
        while !gather.is_empty() {
            calls.extend(next(gather, now));
        }
        calls
    }

    #[test]
    fn ids_are_asked_for_in_the_order_of_the_questions_a_hundred_at_a_time() {
        let mut gather = Gather::default();
        let numbers: Vec<usize> = (0..250).rev().collect();
        numbers.iter().for_each(|number| gather.ask(id(*number), 1));
        let calls = all(&mut gather, NOW);
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!(calls.concat(), numbers);
    }

    #[test]
    fn nobody_is_passed_over_by_those_who_ask_again_and_again() {
        let mut gather = Gather::default();
        (0..150).for_each(|number| gather.ask(id(number), 1));
        for number in next(&mut gather, NOW).unwrap() {
            gather.ask(id(number), 1);
        }
        assert_eq!(next(&mut gather, NOW).unwrap()[..50], (100..150).collect::<Vec<_>>());
    }

    #[test]
    fn who_asks_the_same_shares_a_row() {
        let mut gather = Gather::default();
        (1..=3).for_each(|asker| gather.ask(id(7), asker));
        let batch = gather.next(NOW, |_| true).unwrap();
        assert_eq!(batch, [(id(7), vec![1, 2, 3])]);
        assert!(gather.is_empty());
    }

    #[test]
    fn an_id_that_nobody_waits_for_is_dropped() {
        let mut gather = Gather::default();
        gather.ask(id(1), 0);
        gather.ask(id(2), 0);
        gather.ask(id(2), 5);
        assert_eq!(all(&mut gather, NOW), [[2]]);
        gather.ask(id(1), 0);
        assert_eq!(next(&mut gather, NOW), None);
        assert!(gather.is_empty());
    }

    #[test]
    fn a_failed_call_is_asked_again_in_halves_before_anything_else() {
        let mut gather = Gather::default();
        (0..5).for_each(|number| gather.ask(id(number), 1));
        let failed = gather.next(NOW, |_| true).unwrap();
        gather.ask(id(9), 1);
        gather.halve(failed);
        assert_eq!(all(&mut gather, NOW), [vec![0, 1], vec![2, 3, 4], vec![9]]);
    }

    #[test]
    fn an_id_that_was_not_found_goes_alone_for_a_minute_and_keeps_its_place() {
        let mut gather = Gather::default();
        gather.not_found(id(2), NOW);
        let ask = |gather: &mut Gather<u32>| (1..=4).for_each(|number| gather.ask(id(number), 1));
        ask(&mut gather);
        assert_eq!(all(&mut gather, NOW + Duration::from_secs(59)), [vec![1, 3, 4], vec![2]]);
        ask(&mut gather);
        assert_eq!(all(&mut gather, NOW + Duration::from_secs(60)), [vec![1, 2, 3, 4]]);
    }

    #[test]
    fn a_single_absent_id_among_a_hundred_costs_few_calls() {
        let mut gather = Gather::default();
        (0..100).for_each(|number| gather.ask(id(number), 1));
        let mut calls = 0;
        while let Some(batch) = gather.next(NOW, |_| true) {
            calls += 1;
            if batch.len() > 1 && batch.iter().any(|(asked, _)| *asked == id(63)) {
                gather.halve(batch);
            }
        }
        assert!(calls <= 15, "{calls}");
    }
}
