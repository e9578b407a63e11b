//! Gathering what is known of a resource.

use crate::controller::context::Context;
use crate::controller::failure::Failure;
use crate::controller::observation::{Cloud, Observation, Resource};
use crate::controller::reasons::Reason;
use crate::gaap::{Class, SessionState};
use crate::process::clock::Now;

/// Everything `decide` needs, without asking anybody.
pub fn observe(context: &Context, resource: &Resource, fresh: bool, now: Now) -> Observation {
    context.memories.update(resource, |memory| memory.notice(resource, now.monotonic));
    Observation {
        resource: resource.clone(),
        fresh,
        claims: context.claims.beside(resource.proxy_id.as_str(), &resource.uid),
        cloud: cloud(&context.cloud.identity.current()),
        memory: context.memories.get(resource, now.monotonic),
        timing: context.timing,
    }
}

/// The state of the credentials in the words of the controller.
pub fn cloud(state: &SessionState) -> Cloud {
    match state {
        SessionState::Waiting => Cloud::Asking,
        SessionState::Ready(session) => Cloud::Ready(session.account().clone()),
        SessionState::Missing(what) => Cloud::Blocked(Failure {
            class: Class::User,
            reason: Reason::CredentialsInvalid,
            code: "credentials_missing".to_owned(),
            request_id: None,
            message: format!("The operator has no credentials: {what}"),
            advice: "Give it a Secret with secretId and secretKey.".to_owned(),
        }),
        SessionState::Refused(error) | SessionState::Unreachable(error) => Cloud::Blocked(error.into()),
    }
}
