//! The order of questions.

use super::*;

const NOW: Duration = Duration::from_secs(100);

fn id(number: usize) -> ProxyId {
    format!("link-{number:08}").parse().unwrap()
}

fn patient(group: &str) -> Priority {
    Priority { group: group.to_owned(), urgent: false }
}

fn urgent(group: &str) -> Priority {
    Priority { group: group.to_owned(), urgent: true }
}

fn ask(gather: &mut Gather<u32>, numbers: impl IntoIterator<Item = usize>, priority: &Priority) {
    numbers.into_iter().for_each(|number| gather.ask(id(number), priority.clone(), 1));
}

fn numbers(batch: &Batch<u32>) -> Vec<usize> {
    batch.iter().map(|row| row.id.as_str()[5..].parse().unwrap()).collect()
}

/// The numbers of the next call.
fn next_at(gather: &mut Gather<u32>, now: Duration) -> Option<Vec<usize>> {
    gather.next(now, |asker| *asker != 0).map(|call| numbers(&call.batch))
}

fn next(gather: &mut Gather<u32>) -> Option<Vec<usize>> {
    next_at(gather, NOW)
}

fn absent(gather: &mut Gather<u32>, number: usize, group: &str, now: Duration) {
    gather.set_apart(&Row { id: id(number), priority: urgent(group), askers: vec![1] }, now);
}

/// Makes calls to a cloud that fails as a whole for an absent id, until nobody waits; how many.
fn calls_of(gather: &mut Gather<u32>, is_absent: impl Fn(usize) -> bool) -> usize {
    let mut calls = 0;
    while let Some(Call { batch, .. }) = gather.next(NOW, |_| true) {
        calls += 1;
        match (numbers(&batch).into_iter().any(&is_absent), batch.len()) {
            (true, 1) => gather.set_apart(&batch[0], NOW),
            (true, _) => gather.split(batch),
            (false, _) => {}
        }
    }
    calls
}

fn all(gather: &mut Gather<u32>) -> Vec<Vec<usize>> {
    let mut calls = Vec::new();
    while !gather.is_empty() {
        calls.extend(next(gather));
    }
    calls
}

#[test]
fn ids_are_asked_for_in_the_order_of_the_questions_a_hundred_at_a_time() {
    let mut gather = Gather::default();
    let numbers: Vec<usize> = (0..250).rev().collect();
    ask(&mut gather, numbers.clone(), &patient("a"));
    let calls = all(&mut gather);
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(calls.concat(), numbers);
}

#[test]
fn nobody_is_passed_over_by_those_who_ask_again_and_again() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..150, &patient("a"));
    let asked = next(&mut gather).unwrap();
    ask(&mut gather, asked, &patient("a"));
    assert_eq!(next(&mut gather).unwrap()[..50], (100..150).collect::<Vec<_>>());
}

#[test]
fn a_deletion_is_looked_at_before_thousands_that_are_only_looked_after() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..5_000, &patient("a"));
    ask(&mut gather, [9_001, 9_002], &urgent("a"));
    let call = next(&mut gather).unwrap();
    assert_eq!(call[..2], [9_001, 9_002]);
    assert_eq!(call.len(), 100, "the room that is left is used");
}

#[test]
fn the_only_question_of_a_group_goes_with_the_next_call_however_many_another_group_has() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..1_000, &urgent("many"));
    ask(&mut gather, [9_001], &urgent("one"));
    assert!(next(&mut gather).unwrap().contains(&9_001));
}

#[test]
fn what_is_not_urgent_goes_with_every_fourth_call_at_the_latest() {
    let mut gather = Gather::default();
    ask(&mut gather, [9_001], &patient("a"));
    let mut calls = 0;
    loop {
        ask(&mut gather, 0..200, &urgent("a"));
        calls += 1;
        if next(&mut gather).unwrap().contains(&9_001) {
            break;
        }
    }
    assert_eq!(calls, 4);
}

#[test]
fn an_urgent_question_hurries_one_that_waits_already() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..500, &patient("a"));
    ask(&mut gather, [450], &urgent("a"));
    let batch = gather.next(NOW, |_| true).unwrap().batch;
    assert_eq!((batch[0].id.clone(), batch[0].askers.len()), (id(450), 2), "both are answered by one row");
}

#[test]
fn who_asks_the_same_shares_a_row() {
    let mut gather = Gather::default();
    (1..=3).for_each(|asker| gather.ask(id(7), patient("a"), asker));
    let batch = gather.next(NOW, |_| true).unwrap().batch;
    assert_eq!(batch, [Row { id: id(7), priority: patient("a"), askers: vec![1, 2, 3] }]);
    assert!(gather.is_empty());
}

#[test]
fn an_id_that_nobody_waits_for_is_dropped() {
    let mut gather = Gather::default();
    for (number, asker) in [(1, 0), (2, 0), (2, 5)] {
        gather.ask(id(number), patient("a"), asker);
    }
    assert_eq!(all(&mut gather), [[2]]);
    gather.ask(id(1), patient("a"), 0);
    assert_eq!(next(&mut gather), None);
    assert!(gather.is_empty());
}

#[test]
fn the_parts_of_a_failed_call_take_turns_with_the_questions_of_other_groups() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..5, &patient("a"));
    let failed = gather.next(NOW, |_| true).unwrap().batch;
    ask(&mut gather, [9], &patient("b"));
    gather.split(failed);
    assert_eq!(all(&mut gather), [vec![9], vec![0, 1], vec![2, 3, 4]]);
}

#[test]
fn a_failed_call_is_split_between_groups_where_it_can_be() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..60, &urgent("many"));
    ask(&mut gather, [9_001], &urgent("one"));
    let failed = gather.next(NOW, |_| true).unwrap().batch;
    assert_eq!(failed.len(), 61);
    gather.split(failed);
    let calls = all(&mut gather);
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [60, 1]);
}

#[test]
fn an_id_that_was_not_found_goes_alone_for_a_minute() {
    let questions = |now| {
        let mut gather = Gather::default();
        absent(&mut gather, 2, "a", NOW);
        ask(&mut gather, 1..=4, &patient("a"));
        std::iter::from_fn(|| next_at(&mut gather, now)).collect::<Vec<_>>()
    };
    assert_eq!(questions(NOW + Duration::from_secs(59)), [vec![1, 3, 4], vec![2]]);
    assert_eq!(questions(NOW + Duration::from_secs(60)), [vec![1, 2, 3, 4]]);
}

#[test]
fn a_group_with_absent_ids_keeps_to_itself() {
    let mut gather = Gather::default();
    absent(&mut gather, 2, "many", NOW);
    ask(&mut gather, 0..30, &urgent("many"));
    ask(&mut gather, 100..110, &urgent("one"));
    ask(&mut gather, 200..210, &patient("other"));
    let calls: Vec<usize> = all(&mut gather).iter().map(Vec::len).collect();
    assert_eq!(calls, [29, 20, 1], "many without its absent one; both others; the absent one");
}

#[test]
fn a_crowd_of_absent_ids_leaves_every_second_call_to_another_group() {
    let mut gather = Gather::default();
    (0..50).for_each(|number| absent(&mut gather, number, "many", NOW));
    ask(&mut gather, 0..50, &urgent("many"));
    ask(&mut gather, [9_001], &urgent("one"));
    let calls: Vec<_> = (0..2).filter_map(|_| next(&mut gather)).collect();
    assert!(calls.contains(&vec![9_001]), "{calls:?}");
}

/// Parts that are pushed aside by the parts of later calls would wait without end.
#[test]
fn failing_calls_do_not_push_one_that_waits_aside() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..200, &urgent("many"));
    ask(&mut gather, [9_001], &urgent("one"));
    for calls in 0.. {
        assert!(calls < 20, "it waits behind the parts of others");
        let batch = gather.next(NOW, |_| true).unwrap().batch;
        if batch.len() == 1 && batch[0].id == id(9_001) {
            break;
        }
        match batch.len() {
            1 => gather.set_apart(&batch[0], NOW),
            _ => gather.split(batch),
        }
        ask(&mut gather, 200..400, &urgent("many"));
    }
}

#[test]
fn a_single_absent_id_among_a_hundred_costs_few_calls() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..100, &patient("a"));
    let calls = calls_of(&mut gather, |number| number == 63);
    assert!(calls <= 15, "{calls}");
}

#[test]
fn a_hundred_groups_of_one_are_asked_for_together_and_split_in_the_middle() {
    let mut gather = Gather::default();
    (0..100).for_each(|number| gather.ask(id(number), patient(&format!("{number:03}")), 1));
    let calls = calls_of(&mut gather, |number| number == 63);
    assert!(calls <= 15, "{calls}");
}

#[test]
fn what_is_remembered_of_absent_ids_is_bounded_and_makes_room() {
    let mut gather = Gather::<u32>::default();
    (0..2 * MOST_ALONE).for_each(|number| absent(&mut gather, number, "a", NOW));
    assert_eq!(gather.apart.len(), MOST_ALONE);
    absent(&mut gather, 99_999, "a", NOW + ALONE_FOR);
    assert_eq!(gather.apart.len(), 1);
}

#[test]
fn what_cannot_share_a_call_is_found_behind_what_can_and_groups_still_take_turns() {
    let mut gather = Gather::default();
    for (number, group) in [(1, "a"), (2, "a"), (11, "b")] {
        absent(&mut gather, number, group, NOW);
    }
    ask(&mut gather, [50, 1, 2], &urgent("a"));
    ask(&mut gather, [60, 11], &patient("b"));
    let mut alone = || gather.next_alone(NOW, |_| true).map(|call| (numbers(&call.batch), call.shared));
    assert_eq!([alone(), alone()], [Some((vec![1], false)), Some((vec![2], false))]);
    assert_eq!([alone(), alone()], [Some((vec![11], false)), None]);
    let shared = gather.next(NOW, |_| true).unwrap();
    assert_eq!((shared.batch.len(), shared.shared, gather.is_empty()), (1, true, false), "{shared:?}");
}

#[test]
fn a_part_of_a_failed_call_does_not_wait_for_others() {
    let mut gather = Gather::default();
    ask(&mut gather, 1..=4, &urgent("a"));
    let failed = gather.next(NOW, |_| true).unwrap().batch;
    ask(&mut gather, [9], &urgent("a"));
    assert_eq!(gather.next_alone(NOW, |_| true), None);
    gather.split(failed);
    let parts: Vec<_> = std::iter::from_fn(|| gather.next_alone(NOW, |_| true)).collect();
    assert_eq!(parts.iter().map(|call| numbers(&call.batch)).collect::<Vec<_>>(), [[1, 2], [3, 4]]);
    assert!(parts.iter().all(|call| !call.shared));
}
