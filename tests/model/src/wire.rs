//! The wire and what the cloud makes of a request.

use crate::action::{Delivery, Move};
use crate::cloud::{Accepted, Answer, INTERNAL, LATER, Phase, THROTTLED, UNAUTHORIZED, Whose, repeated};
use crate::operator::answer_send;
use crate::promises::Promise;
use crate::protocol::Protocol;
use crate::scenario::TokenMode;
use crate::state::State;

impl State {
    /// The cloud moves by itself.
    pub fn cloud(&mut self, proxy: usize, step: Move) {
        let proxy = &mut self.proxies[proxy];
        match step {
            Move::On => {
                proxy.phase = match proxy.phase {
                    Phase::Odd => Phase::Running,
                    Phase::Queued(_) => Phase::Destroying,
                    Phase::Destroying => Phase::Gone,
                    still @ (Phase::Running | Phase::Gone) => still,
                }
            }
            Move::TakenBack | Move::NoEffect => proxy.phase = Phase::Running,
            Move::Reused => (proxy.phase, proxy.created, proxy.bound) = (Phase::Running, LATER, false),
        }
    }

    /// A request meets the cloud, and its answer the operator.
    pub fn deliver(&mut self, protocol: &Protocol, place: usize, delivery: Delivery) -> Option<()> {
        let copy = self.wire[place].clone();
        let reaches = matches!(
            delivery,
            Delivery::Normal | Delivery::AnswerLost | Delivery::AnswerLate | Delivery::Twice | Delivery::ErrorTaken
        );
        let answer = if reaches { self.take(place) } else { Answer::Timeout };
        let told = match delivery {
            Delivery::Normal | Delivery::Twice => answer,
            Delivery::RequestLost | Delivery::AnswerLost | Delivery::RequestLate => Answer::Timeout,
            Delivery::AnswerLate => {
                self.wire[place].answer = Some(answer);
                return Some(());
            }
            Delivery::Throttled => THROTTLED,
            Delivery::ErrorNotTaken | Delivery::ErrorTaken => INTERNAL,
            Delivery::FailedSet => self.used(&copy.token, Answer::Failed),
            Delivery::Unauthorized => UNAUTHORIZED,
        };
        if matches!(delivery, Delivery::RequestLate | Delivery::Twice) {
            self.wire[place].waiting = None;
        } else {
            self.wire.remove(place);
        }
        if let Some(operator) = copy.waiting {
            answer_send(self, protocol, operator, copy.slot, told);
        }
        Some(())
    }

    /// The cloud looks at a token: the first answer stays, a later one depends on the mode.
    fn used(&mut self, token: &str, answer: Answer) -> Answer {
        let mode = self.token_mode();
        let known = self.known.iter_mut().find(|known| *known.token == *token);
        match known {
            Some(known) => match known.answer {
                Some(first) => repeated(mode, first, true),
                None => {
                    known.answer = Some(answer);
                    answer
                }
            },
            None => answer,
        }
    }

    /// Two destroys of one proxy that nothing rules out (the gaps in the documentation of this crate): one was sent by a
    /// process that was stopped, and the user has changed Force; or the one resource was let go by Retain right after its request was
    /// sent, and leaves no trace for the other.
    fn is_named_gap(&self, first: Accepted, second: Accepted) -> bool {
        let stopped = (first.orphan || second.orphan) && first.force != second.force;
        let both_there = self.store[first.slot].is_some() && self.store[second.slot].is_some();
        stopped || (first.slot != second.slot && !both_there)
    }

    /// The cloud looks at the request.
    fn take(&mut self, place: usize) -> Answer {
        let copy = self.wire[place].clone();
        if copy.whose == Whose::Others {
            return Answer::Code("ResourceNotFound");
        }
        let known = self.known.iter().find(|known| *known.token == *copy.token);
        if let Some((known, first)) = known.and_then(|known| known.answer.map(|first| (known, first))) {
            let same = (known.slot, known.force, known.attempt) == (copy.slot, copy.force, copy.attempt);
            return repeated(self.token_mode(), first, same);
        }
        let number = self.proxy_of(copy.slot);
        let proxy = self.proxies[number];
        let answer = match proxy.phase {
            Phase::Gone => Answer::Code("ResourceNotFound"),
            Phase::Odd | Phase::Destroying => Answer::InvalidStatus,
            Phase::Running | Phase::Queued(_) if proxy.bound && !copy.force => {
                Answer::Code("FailedOperation.RealServerAlreadyBound")
            }
            Phase::Running | Phase::Queued(_) => Answer::Accepted,
        };
        if answer == Answer::Accepted {
            let accepted = Accepted { slot: copy.slot, force: copy.force, orphan: copy.orphan };
            let second = proxy.last.filter(|_| matches!(proxy.phase, Phase::Queued(_)));
            let kept = second.is_none_or(|first| self.is_named_gap(first, accepted));
            self.judge(Promise::S16, kept);
            self.proxies[number].phase = Phase::Queued(copy.sent);
            self.proxies[number].last = Some(accepted);
        }
        self.used(&copy.token, answer)
    }

    fn token_mode(&self) -> TokenMode {
        self.mode.unwrap_or(TokenMode::Refuse)
    }
}
