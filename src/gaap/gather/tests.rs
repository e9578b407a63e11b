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
    numbers.into_iter().for_each(|number| gather.ask(id(number), priority, 1, NOW));
}

/// The numbers of the next call.
fn next(gather: &mut Gather<u32>) -> Option<Vec<usize>> {
    let batch = gather.next(|asker| *asker != 0)?;
    Some(batch.into_iter().map(|(id, _)| id.as_str()[5..].parse().unwrap()).collect())
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
    ask(&mut gather, [450], &urgent("b"));
    let batch = gather.next(|_| true).unwrap();
    assert_eq!(batch[0], (id(450), vec![1, 1]), "both are answered by one row");
}

#[test]
fn who_asks_the_same_shares_a_row() {
    let mut gather = Gather::default();
    (1..=3).for_each(|asker| gather.ask(id(7), &patient("a"), asker, NOW));
    let batch = gather.next(|_| true).unwrap();
    assert_eq!(batch, [(id(7), vec![1, 2, 3])]);
    assert!(gather.is_empty());
}

#[test]
fn an_id_that_nobody_waits_for_is_dropped() {
    let mut gather = Gather::default();
    for (number, asker) in [(1, 0), (2, 0), (2, 5)] {
        gather.ask(id(number), &patient("a"), asker, NOW);
    }
    assert_eq!(all(&mut gather), [[2]]);
    gather.ask(id(1), &patient("a"), 0, NOW);
    assert_eq!(next(&mut gather), None);
    assert!(gather.is_empty());
}

#[test]
fn the_halves_of_a_failed_call_take_turns_with_new_questions() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..5, &patient("a"));
    let failed = gather.next(|_| true).unwrap();
    ask(&mut gather, [9], &patient("a"));
    gather.halve(failed);
    assert_eq!(all(&mut gather), [vec![0, 1], vec![9], vec![2, 3, 4]]);
}

#[test]
fn an_id_that_was_not_found_goes_alone_for_a_minute_and_does_not_keep_others_waiting() {
    let questions = |now| {
        let mut gather = Gather::default();
        gather.not_found(id(2), NOW);
        (1..=4).for_each(|number| gather.ask(id(number), &patient("a"), 1, now));
        all(&mut gather)
    };
    assert_eq!(questions(NOW + Duration::from_secs(59)), [vec![1, 3, 4], vec![2]]);
    assert_eq!(questions(NOW + Duration::from_secs(60)), [vec![1, 2, 3, 4]]);
}

#[test]
fn a_crowd_of_ids_that_go_alone_leaves_every_second_call_to_the_others() {
    let mut gather = Gather::default();
    (0..50).for_each(|number| gather.not_found(id(number), NOW));
    ask(&mut gather, 0..50, &urgent("many"));
    ask(&mut gather, [9_001], &urgent("one"));
    let calls: Vec<_> = (0..2).filter_map(|_| next(&mut gather)).collect();
    assert!(calls.contains(&vec![9_001]), "{calls:?}");
}

#[test]
fn a_single_absent_id_among_a_hundred_costs_few_calls() {
    let mut gather = Gather::default();
    ask(&mut gather, 0..100, &patient("a"));
    let mut calls = 0;
    while let Some(batch) = gather.next(|_| true) {
        calls += 1;
        if batch.len() > 1 && batch.iter().any(|(asked, _)| *asked == id(63)) {
            gather.halve(batch);
        }
    }
    assert!(calls <= 15, "{calls}");
}

#[test]
fn what_is_remembered_of_absent_ids_is_bounded_and_makes_room() {
    let mut gather = Gather::<u32>::default();
    (0..2 * MOST_ALONE).for_each(|number| gather.not_found(id(number), NOW));
    assert_eq!(gather.not_found.len(), MOST_ALONE);
    gather.not_found(id(99_999), NOW + ALONE_FOR);
    assert_eq!(gather.not_found.len(), 1);
}
