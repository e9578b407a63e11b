use futures::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::gaap::testing::TestClock;

const DESTROY: Action = Action::DestroyProxies;

/// A pace whose first second is over.
async fn pace(rate: f64) -> (Arc<Pace>, Arc<TestClock>) {
    let clock = TestClock::shared();
    let pace = Arc::new(Pace::new(clock.clone(), rate));
    sleep(WINDOW).await;
    (pace, clock)
}

/// Sends one attempt that takes so long, and tells when it was sent.
async fn attempt(pace: &Pace, clock: &TestClock, takes: Duration) -> Duration {
    let attempt = pace.turn(DESTROY).await.start().await;
    let sent = clock.now().monotonic;
    sleep(takes).await;
    drop(attempt);
    sent
}

fn most_in_a_second(sends: &[Duration]) -> usize {
    let count = |from: &Duration| sends.iter().filter(|sent| **sent >= *from && **sent < *from + WINDOW).count();
    sends.iter().map(count).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_callers_is_sent_evenly_and_in_order() {
    let (pace, clock) = pace(18.0).await;
    let sends = join_all((0..100).map(|_| attempt(&pace, &clock, Duration::from_millis(20)))).await;
    assert!(sends.is_sorted(), "first come, first served");
    assert!(sends.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs_f64(1.0 / 18.0)));
    assert!(most_in_a_second(&sends) <= 19);
    let took = sends[99] - sends[0];
    assert!(took < Duration::from_millis(5_900), "no slower than it must be: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_in_the_first_second_of_a_process() {
    let clock = TestClock::shared();
    sleep(Duration::from_millis(300)).await;
    let pace = Pace::new(clock.clone(), 18.0);
    let sent = attempt(&pace, &clock, Duration::ZERO).await;
    assert!(sent >= WINDOW && sent < WINDOW + Duration::from_millis(10), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_in_the_first_second_of_a_leadership() {
    let (pace, clock) = pace(18.0).await;
    sleep(Duration::from_secs(3_600)).await;
    let begun = clock.now().monotonic;
    pace.start_empty();
    assert!(attempt(&pace, &clock, Duration::ZERO).await >= begun + WINDOW);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_dropped_costs_nothing() {
    let (pace, clock) = pace(18.0).await;
    let begun = clock.now().monotonic;
    for _ in 0..1_000 {
        drop(pace.turn(DESTROY).await);
    }
    assert_eq!(attempt(&pace, &clock, Duration::ZERO).await, begun);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_does_not_hold_up_the_others() {
    let (pace, clock) = pace(18.0).await;
    let held = pace.turn(DESTROY).await;
    let impatient = tokio::time::timeout(Duration::from_millis(10), pace.turn(DESTROY)).await;
    assert!(impatient.is_err(), "a turn is exclusive");
    drop(held);
    let begun = clock.now().monotonic;
    assert_eq!(attempt(&pace, &clock, Duration::ZERO).await, begun);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_handed_over_shortly_before_its_moment_so_that_a_check_is_fresh() {
    let (pace, clock) = pace(1.0).await;
    let sent = attempt(&pace, &clock, Duration::ZERO).await;
    let turn = pace.turn(DESTROY).await;
    let handed = clock.now().monotonic;
    assert!(handed >= sent + Duration::from_millis(800) && handed < sent + Duration::from_secs(1), "{handed:?}");
    turn.due().await;
    assert!(clock.now().monotonic >= sent + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn actions_do_not_wait_for_one_another() {
    let (pace, _) = pace(18.0).await;
    let _held = pace.turn(DESTROY).await;
    let other = tokio::time::timeout(Duration::from_millis(1), pace.turn(Action::DescribeProxies)).await;
    assert!(other.is_ok());
}

#[tokio::test(start_paused = true)]
async fn attempts_without_an_answer_use_up_the_places_and_a_second_after_their_end_they_are_free() {
    let (pace, clock) = pace(19.0).await;
    let hang = Duration::from_secs(10);
    let sends = join_all((0..21).map(|_| attempt(&pace, &clock, hang))).await;
    assert!(sends[19] - sends[0] < Duration::from_secs(2));
    assert!(sends[20] >= sends[0] + hang + WINDOW, "the 21st waits for the first to be surely counted");
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_down_and_nine_tenths_are_back_within_ten_seconds() {
    let (pace, clock) = pace(18.0).await;
    for _ in 0..30 {
        attempt(&pace, &clock, Duration::ZERO).await;
        sleep(Duration::from_millis(500)).await;
        pace.throttled(DESTROY);
    }
    let last = clock.now().monotonic;
    let first = attempt(&pace, &clock, Duration::ZERO).await;
    let second = attempt(&pace, &clock, Duration::ZERO).await;
    assert!(second - first > Duration::from_millis(300), "slow at first: {:?}", second - first);
    let mut sends = Vec::new();
    while clock.now().monotonic < last + Duration::from_secs(10) {
        sends.push(attempt(&pace, &clock, Duration::ZERO).await);
    }
    let in_the_tenth = sends.iter().filter(|sent| **sent >= last + Duration::from_secs(9)).count();
    assert!(in_the_tenth >= 16, "{in_the_tenth} in the tenth second");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_second_holds_more_than_twenty_sends_whatever_the_callers_do(
        rate in 1.0..=Pace::MAX_RATE,
        callers in prop::collection::vec((0..3_000u64, 0..200u64, any::<bool>()), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let sends = runtime.block_on(async {
            let (pace, clock) = pace(rate).await;
            join_all(callers.into_iter().map(|(starts, takes, throttled)| {
                let (pace, clock) = (pace.clone(), clock.clone());
                async move {
                    sleep(Duration::from_millis(starts)).await;
                    let sent = attempt(&pace, &clock, Duration::from_millis(takes)).await;
                    if throttled { pace.throttled(DESTROY) }
                    sent
                }
            })).await
        });
        prop_assert!(most_in_a_second(&sends) <= 20);
    }
}
