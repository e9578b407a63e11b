//! A seed is a script of faults: the same seed, the same script. What becomes of it depends on the machine too, but the
//! faults, and the requests at which they strike, are the same.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use gaap_simulator::{Fault, Kind, Phase, Sight};

use crate::harness::{Call, WatchKind, WireKind, Write};

/// A request of a deletion at which something can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the way to the API server.
    Kube(Call),
    /// On the way to the cloud, by its action.
    Cloud(&'static str),
}

/// The effects of a deletion on both wires.
pub const PLACES: &[Place] = &[
    Place::Kube(Call::Write(Write::AddFinalizer)),
    Place::Kube(Call::Write(Write::Status)),
    Place::Kube(Call::Read),
    Place::Kube(Call::Write(Write::StatusWith("gaap1-"))),
    Place::Kube(Call::Write(Write::RemoveFinalizer)),
    Place::Kube(Call::Event),
    Place::Kube(Call::List),
    Place::Kube(Call::Watch),
    Place::Cloud("DescribeProxies"),
    Place::Cloud("DestroyProxies"),
    Place::Cloud("GetCallerIdentity"),
];

/// Those that a process asks once, at its start.
const RARE: &[Place] = &[Place::Kube(Call::List), Place::Kube(Call::Watch), Place::Cloud("GetCallerIdentity")];

/// Whether a process asks this once, and not for every deletion.
pub fn is_rare(place: Place) -> bool {
    RARE.contains(&place)
}

/// What strikes once, at the request after `skip` others of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// How many requests of this kind pass first.
    pub skip: u64,
    /// What happens.
    pub what: What,
}

impl fmt::Display for Strike {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Kube(call, kind) => write!(formatter, "{kind:?} of {call:?}")?,
            What::Cloud(fault) => {
                let told = serde_json::to_string(&fault.parameters).map_err(|_| fmt::Error)?;
                write!(formatter, "{} {told} of {}", fault.kind.name(), fault.action.as_deref().unwrap_or("any"))?;
            }
            What::Watches(kind) => write!(formatter, "open watches {kind:?}")?,
            What::Kill(place, moment) => write!(formatter, "kill -9 at {place:?}, request {moment:?}")?,
            What::Stop(place, moment, time) => {
                write!(formatter, "SIGSTOP for {time:?} at {place:?}, request {moment:?}")?;
            }
        }
        write!(formatter, " after {}", self.skip)
    }
}

/// What happens to a request, or to the one who sent it.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A fault of the way to the API server.
    Kube(Call, WireKind),
    /// A fault of the cloud, or of the way there.
    Cloud(Box<Fault>),
    /// Every open watch, when the first request of a deletion comes.
    Watches(WatchKind),
    /// `kill -9` of the sender, and a new start.
    Kill(Place, Moment),
    /// SIGSTOP of the sender, SIGCONT after this time. Only where there are two.
    Stop(Place, Moment, Duration),
}

/// Where the request is when its sender is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It never arrives.
    Before,
    /// It arrives later.
    OnItsWay,
    /// It has taken effect, and nothing was answered.
    AfterCommit,
}

/// How many operators there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operators {
    /// One.
    One,
    /// Two that elect a leader.
    Elected,
    /// Two that act at once.
    Both,
}

/// Two faults, and who meets them.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The seed.
    pub seed: u64,
    /// How many operators there are.
    pub operators: Operators,
    /// The cloud answers absent ids with an error, and does not leave them out.
    pub absent_is_an_error: bool,
    /// The two faults.
    pub strikes: [Strike; 2],
}

impl Script {
    /// The script of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let operators = match random.u8(..8) {
            0..5 => Operators::One,
            5..7 => Operators::Both,
            _ => Operators::Elected,
        };
        let strikes = [(); 2].map(|()| strike(&mut random, operators));
        Self { seed, operators, absent_is_an_error: random.bool(), strikes }
    }
}

/// One strike by chance.
fn strike(random: &mut Rng, operators: Operators) -> Strike {
    let what = match random.u8(..10) {
        0..8 => request(random),
        8 if operators != Operators::One => stop(random),
        _ => kill(random),
    };
    let place = match &what {
        What::Kube(call, _) => Some(Place::Kube(*call)),
        What::Kill(place, _) | What::Stop(place, ..) => Some(*place),
        What::Cloud(_) | What::Watches(_) => None,
    };
    // Of the others there are three at least, one for each deletion.
    let rare = place.is_some_and(is_rare);
    Strike { skip: if rare { 0 } else { random.u64(..3) }, what }
}

/// What strikes at a request, or at the watches.
pub fn request(random: &mut Rng) -> What {
    match random.u8(..8) {
        0..4 => kube(random),
        4..7 => What::Cloud(Box::new(cloud(random))),
        _ => What::Watches(one(random, &[WatchKind::CutMidLine, WatchKind::Ended, WatchKind::Gone])),
    }
}

/// What kills the sender of a request.
pub fn kill(random: &mut Rng) -> What {
    What::Kill(one(random, PLACES), moment(random))
}

/// What stops it for a time.
pub fn stop(random: &mut Rng) -> What {
    let (place, moment) = (one(random, PLACES), moment(random));
    // Never answered it would be given up after a minute: too long for a pair, the table has it.
    let moment = if is_rare(place) { Moment::OnItsWay } else { moment };
    What::Stop(place, moment, Duration::from_millis(random.u64(500..4_000)))
}

fn kube(random: &mut Rng) -> What {
    let calls: Vec<Call> =
        PLACES.iter().filter_map(|place| if let Place::Kube(call) = place { Some(*call) } else { None }).collect();
    let call = one(random, &calls);
    // A list or a watch that is never answered is given up after a minute: too long for a pair, the table has it.
    let endless = matches!(call, Call::List | Call::Watch);
    let kinds = [
        WireKind::Refused(409),
        WireKind::Refused(429),
        WireKind::Refused(500),
        WireKind::Refused(503),
        WireKind::ErrorAfterCommit(500),
        WireKind::ErrorAfterCommit(503),
        WireKind::CutBefore,
        WireKind::CutAfter,
        WireKind::Late(Duration::from_secs(3)),
        WireKind::HangBefore,
        WireKind::HangAfter,
        WireKind::Late(Duration::from_secs(12)),
    ];
    What::Kube(call, one(random, if endless { &kinds[..9] } else { &kinds }))
}

/// A fault of the cloud that passes by itself.
fn cloud(random: &mut Rng) -> Fault {
    let action = one(random, &["DescribeProxies", "DestroyProxies", "DestroyProxies"]);
    let phase = one(random, &[Phase::Before, Phase::After]);
    let times = random.u64(1..4);
    let both = [
        Kind::RequestLost,
        Kind::ResetBeforeAnswer,
        Kind::AnswerLost,
        Kind::ResetMidBody,
        Kind::Delay,
        Kind::Hang,
        Kind::DuplicateDelivery,
        Kind::TruncatedBody,
        Kind::TruncatedJson,
        Kind::InvalidJson,
        Kind::EmptyBody,
        Kind::Redirect,
        Kind::WrongContentType,
        Kind::Error,
        Kind::HttpError,
        Kind::HttpErrorAfterCommit,
        Kind::ClockSkew,
        Kind::Throttle,
        Kind::NumbersAsStrings,
        Kind::NullLists,
        Kind::UnknownFields,
        Kind::ConnectionRefused,
    ];
    let of_looks = [Kind::GoneBackGone, Kind::StaleAfterAccept, Kind::UnknownStatus, Kind::TotalCountLies];
    // Not moves-to-isolated: at a resend it takes an accepted destroy back, and another one rightly follows.
    let of_sends = [Kind::DestroyDuration, Kind::TokenForgotten, Kind::TokenMode, Kind::OversizedBody];
    let special = if action == "DestroyProxies" { of_sends } else { of_looks };
    let kind = one(random, &[both.as_slice(), special.as_slice()].concat());
    let delay = one(random, &[500, 2_700, 6_000]);
    // The last one is a definite no, which the next look contradicts: the attempt is raised. To a look it would say that
    // the proxy is gone.
    let codes = ["InternalError", "ResourceUnavailable", "FailedOperation.ActionIsDoing", "ResourceNotFound"];
    let code = one(random, if action == "DestroyProxies" { &codes } else { &codes[..3] });
    let copy_after = one(random, &[None, Some(1_000), Some(6_000)]);
    Fault::new(kind)
        .on(action)
        .with(|with| match kind {
            Kind::Delay => (with.phase, with.delay_ms) = (Some(phase), Some(delay)),
            Kind::Hang | Kind::ResetBeforeAnswer => with.phase = Some(phase),
            Kind::Error => (with.code, with.phase) = (Some(code.to_owned()), Some(Phase::Before)),
            Kind::DuplicateDelivery => with.delay_ms = copy_after,
            // Just larger than what is read.
            Kind::OversizedBody => with.bytes = Some(5 << 20),
            Kind::ClockSkew => with.seconds = Some(900),
            Kind::ConnectionRefused => with.duration_ms = Some(1_000),
            Kind::GoneBackGone => with.pattern = vec![Sight::Absent, Sight::Present, Sight::Absent],
            _ => {}
        })
        .times(if matches!(kind, Kind::Throttle | Kind::StaleAfterAccept | Kind::UnknownStatus) { times } else { 1 })
}

fn moment(random: &mut Rng) -> Moment {
    one(random, &[Moment::Before, Moment::OnItsWay, Moment::AfterCommit])
}

fn one<T: Clone>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())].clone()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_seed_is_the_same_script(seed: u64) {
            prop_assert_eq!(Script::of(seed), Script::of(seed));
        }
    }

    #[test]
    fn some_thousand_seeds_strike_at_every_place_in_every_way() {
        let scripts: Vec<Script> = (0..4_000).map(Script::of).collect();
        let strikes = || scripts.iter().flat_map(|script| &script.strikes);
        let ways: BTreeSet<String> = strikes().map(|strike| format!("{:?}", strike.what)).collect();
        assert!(ways.len() > 200, "{}", ways.len());
        for place in PLACES {
            for moment in [Moment::Before, Moment::OnItsWay, Moment::AfterCommit] {
                assert!(strikes().any(|strike| strike.what == What::Kill(*place, moment)), "{place:?} {moment:?}");
            }
        }
        for operators in [Operators::One, Operators::Elected, Operators::Both] {
            assert!(scripts.iter().any(|script| script.operators == operators), "{operators:?}");
        }
    }
}
