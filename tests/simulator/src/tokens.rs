//! The memory of ClientTokens.
//!
//! By the evidence there is, GAAP counts a token as used by any request it has looked at, also by one that failed with
//! a per-id set or an error code; only requests that never reached the action (wrong parameters, signature, rate) leave
//! it unused. The scope taken here is the account, across actions.

use std::collections::{HashMap, VecDeque};

use crate::clock::UnixTime;
use crate::effect::Effect;
use crate::errors::ApiError;
use crate::settings::TokenMode;

const MAXIMUM_TOKENS: usize = 200_000;

#[derive(Clone, Debug)]
struct Used {
    at: UnixTime,
    sequence: u64,
    request: String,
    // None: used up by a request that was refused before it had an answer worth repeating.
    answer: Option<Result<Effect, ApiError>>,
}

/// Tokens of all accounts, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct Tokens {
    used: HashMap<(String, String), Used>,
    order: VecDeque<(String, String)>,
}

/// What the memory says about a request before it is carried out.
#[derive(Debug)]
pub enum Memory {
    /// Carry it out.
    Fresh,
    /// Answer this instead.
    Answered(Box<Result<Effect, ApiError>>),
}

/// How a token is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What a repeat leads to.
    pub mode: TokenMode,
    /// How long a token counts, milliseconds; 0 means for ever.
    pub ttl_ms: u64,
}

impl Tokens {
    /// Looks a token up. `request` is the canonical form of action and parameters.
    pub fn look_up(&self, account: &str, token: &str, request: &str, now: UnixTime, policy: Policy) -> Memory {
        let Some(used) = self.used.get(&(account.to_owned(), token.to_owned())) else { return Memory::Fresh };
        let age_ms = (now.0 - used.at.0) / 1_000;
        if policy.ttl_ms > 0 && age_ms >= i64::try_from(policy.ttl_ms).unwrap_or(i64::MAX) {
            return Memory::Fresh;
        }
        let duplicated = || Err(ApiError::new("FailedOperation.DuplicatedRequest"));
        let replayed = || match &used.answer {
            // Said again, but it has no effect a second time.
            Some(Ok(effect)) => Ok(effect.replayed(used.sequence)),
            Some(Err(error)) => Err(error.clone()),
            None => duplicated(),
        };
        Memory::Answered(Box::new(match policy.mode {
            TokenMode::Refuse => duplicated(),
            TokenMode::Replay => replayed(),
            TokenMode::Mismatch if used.request == request => replayed(),
            TokenMode::Mismatch => {
                Err(ApiError::about("InvalidParameterValue", "ClientToken was used with other parameters"))
            }
        }))
    }

    /// Marks a token as used by the request of this sequence number.
    pub fn remember(
        &mut self,
        account: &str,
        token: &str,
        request: &str,
        now: UnixTime,
        sequence: u64,
        answer: Option<Result<Effect, ApiError>>,
    ) {
        let key = (account.to_owned(), token.to_owned());
        let used = Used { at: now, sequence, request: request.to_owned(), answer };
        if self.used.insert(key.clone(), used).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MAXIMUM_TOKENS {
            if let Some(oldest) = self.order.pop_front() {
                self.used.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_EVER: u64 = 0;

    fn used() -> Tokens {
        let mut tokens = Tokens::default();
        let answer = Ok(Effect { accepted: vec!["link-a".to_owned()], ..Effect::default() });
        tokens.remember("1", "t", "request", UnixTime(0), 7, Some(answer));
        tokens
    }

    fn answer(memory: Memory) -> Result<Effect, ApiError> {
        match memory {
            Memory::Answered(answer) => *answer,
            Memory::Fresh => panic!("the token is known"),
        }
    }

    fn look_up(mode: TokenMode, request: &str) -> Result<Effect, ApiError> {
        answer(used().look_up("1", "t", request, UnixTime(1), Policy { mode, ttl_ms: FOR_EVER }))
    }

    #[test]
    fn in_refuse_mode_a_repeat_is_a_duplicated_request_whatever_it_asks() {
        for request in ["request", "other"] {
            let error = look_up(TokenMode::Refuse, request).expect_err("a duplicate");
            assert_eq!(error.code, "FailedOperation.DuplicatedRequest");
        }
    }

    #[test]
    fn in_replay_mode_the_first_answer_comes_again_and_nothing_is_accepted_twice() {
        let effect = look_up(TokenMode::Replay, "other").expect("the first answer");
        assert!(effect.accepted.is_empty());
        assert_eq!(effect.replay_of, Some(7));
    }

    #[test]
    fn in_mismatch_mode_only_the_same_parameters_get_the_first_answer() {
        assert!(look_up(TokenMode::Mismatch, "request").is_ok());
        let error = look_up(TokenMode::Mismatch, "other").expect_err("other parameters");
        assert_eq!(error.code, "InvalidParameterValue");
    }

    #[test]
    fn a_token_is_known_to_its_account_only_and_forgotten_after_its_time() {
        let policy = Policy { mode: TokenMode::Refuse, ttl_ms: 10 };
        assert!(matches!(used().look_up("2", "t", "request", UnixTime(0), policy), Memory::Fresh));
        assert!(matches!(used().look_up("1", "t", "request", UnixTime(9_999), policy), Memory::Answered(_)));
        assert!(matches!(used().look_up("1", "t", "request", UnixTime(10_000), policy), Memory::Fresh));
    }
}
