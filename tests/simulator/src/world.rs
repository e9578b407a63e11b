//! Everything the simulated cloud knows, and the carrying out of one checked request in it.

use serde_json::Value;

use crate::accounts::Accounts;
use crate::clock::UnixTime;
use crate::effect::Effect;
use crate::errors::ApiError;
use crate::faults::{Faults, Plan};
use crate::kinds::Kind;
use crate::limiter::Limiter;
use crate::log::RequestLog;
use crate::proxies::Proxies;
use crate::schema::Action;
use crate::settings::Settings;
use crate::tokens::{Memory, Policy, Tokens};
use crate::wire::Parameters;
use crate::{describe, destroy, identity, lifecycle};

/// The state behind the one lock.
#[derive(Debug)]
pub struct World {
    /// What can be changed at run time.
    pub settings: Settings,
    /// Keys and accounts.
    pub accounts: Accounts,
    /// Proxies.
    pub proxies: Proxies,
    /// ClientTokens.
    pub tokens: Tokens,
    /// Frequency limit.
    pub limiter: Limiter,
    /// Scripted faults.
    pub faults: Faults,
    /// Received requests.
    pub log: RequestLog,
}

/// A request whose caller and parameters are known to be good.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The action.
    pub action: &'static Action,
    /// Who calls, by account.
    pub account: &'a str,
    /// When it is carried out.
    pub now: UnixTime,
    /// Number in the log.
    pub sequence: u64,
    /// Parameters.
    pub parameters: &'a Parameters,
    /// Faults that take part.
    pub plan: &'a Plan,
}

impl Call<'_> {
    /// The error of a fault that lets a request be looked at and its token be used up, but not be carried out.
    fn scripted_error(&self) -> Option<ApiError> {
        self.plan.get(Kind::Error).filter(|hit| hit.parameters.uses_token).map(|hit| hit.error("InternalError"))
    }
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings, log_capacity: usize) -> Self {
        Self {
            settings,
            accounts: Accounts::default(),
            proxies: Proxies::default(),
            tokens: Tokens::default(),
            limiter: Limiter::default(),
            faults: Faults::default(),
            log: RequestLog::with_capacity(log_capacity),
        }
    }

    /// Carries a call out.
    ///
    /// # Errors
    /// The error to be put into the envelope.
    pub fn carry_out(&mut self, call: Call<'_>) -> Result<Effect, ApiError> {
        self.proxies.settle(call.now);
        let is_write = call.action.members.iter().any(|member| member.name == "ClientToken");
        if let (false, Some(error)) = (is_write, call.scripted_error()) {
            return Err(error);
        }
        match call.action.name {
            "GetCallerIdentity" => Ok(identity::caller(call)),
            "DescribeProxies" => describe::proxies(&self.proxies, &self.settings, call),
            "DescribeProxiesStatus" => describe::statuses(&self.proxies, &self.settings, call),
            "DestroyProxies" => self.write(call, destroy::check, destroy::destroy),
            "CreateProxy" => self.write(call, lifecycle::check_create, lifecycle::create),
            "CloseProxies" => self.write(call, lifecycle::check_switch, lifecycle::close),
            "OpenProxies" => self.write(call, lifecycle::check_switch, lifecycle::open),
            other => Err(ApiError::about("InvalidAction", other)),
        }
    }

    /// A write: wrong parameters leave the token unused, whatever comes after uses it up.
    fn write(
        &mut self,
        call: Call<'_>,
        check: fn(Call<'_>) -> Result<(), ApiError>,
        carry_out: fn(&mut Proxies, &Settings, Call<'_>) -> Result<Effect, ApiError>,
    ) -> Result<Effect, ApiError> {
        let token = call.parameters.client_token()?;
        check(call)?;
        let request = format!("{} {}", call.action.name, call.parameters.without("ClientToken"));
        if let Some(token) = &token
            && call.plan.get(Kind::TokenForgotten).is_none()
        {
            let mode = call.plan.get(Kind::TokenMode).map(|hit| hit.parameters.mode.unwrap_or_default());
            let policy = Policy { mode: mode.unwrap_or(self.settings.token_mode), ttl_ms: self.settings.token_ttl_ms };
            if let Memory::Answered(answer) = self.tokens.look_up(call.account, token, &request, call.now, policy) {
                return *answer;
            }
        }
        let outcome = match call.scripted_error() {
            Some(error) => Err(error),
            None => carry_out(&mut self.proxies, &self.settings, call).map(|effect| self.dated(effect)),
        };
        if let Some(token) = &token {
            let answer = Some(outcome.clone());
            self.tokens.remember(call.account, token, &request, call.now, call.sequence, answer);
        }
        outcome
    }

    fn dated(&self, mut effect: Effect) -> Effect {
        let create_time = |id: &String| self.proxies.get(id).map_or(0, |proxy| proxy.create_time);
        effect.accepted_create_times = effect.accepted.iter().map(create_time).collect();
        effect
    }

    /// A write that was refused for its rate may use its token up, by setting.
    pub fn throttled(&mut self, call: Call<'_>) {
        if !self.settings.token_used_when_throttled {
            return;
        }
        if let Ok(Some(token)) = call.parameters.client_token() {
            let request = format!("{} {}", call.action.name, call.parameters.without("ClientToken"));
            self.tokens.remember(call.account, &token, &request, call.now, call.sequence, None);
        }
    }
}

/// The two sets every batch write answers with.
pub(crate) fn sets(invalid: &[String], failed: &[String]) -> Value {
    serde_json::json!({"InvalidStatusInstanceSet": invalid, "OperationFailedInstanceSet": failed})
}
