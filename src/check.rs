//! `gaap-operator check`: everything that the operator needs, asked for one by one. It changes nothing, in the cluster and
//! in the cloud.
//!
//! `helm test` runs it with the account, the flags and the Secret of the operator. `/readyz` says what keeps the operator
//! from its work now; this says beforehand what would, the missing verb that the first deletion would meet among it.

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{sleep, timeout};

use crate::controller::context::CloudHandle;
use crate::controller::crd_wait::crd_served;
use crate::controller::kube_call::KubeError;
use crate::controller::rights::{Right, own_name};
use crate::gaap::{CallError, Class, ProxyId, Session, SessionState};

/// Permissions that are asked for at the same time.
const AT_ONCE: usize = 8;
/// How long a cloud that gives no answer is asked again: long enough for a name or a route that has just been made.
const PATIENCE: Duration = Duration::from_secs(20);
/// Tries of a call that may pass by itself, and the pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// An id that is asked for and need not exist: that the cloud answers is what counts.
const ANY_PROXY: &str = "link-00000000";

/// What was found out about one need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub subject: String,
    /// Details, or what is wrong and what to do.
    pub outcome: Result<String, String>,
}

impl Finding {
    fn new(subject: impl ToString, outcome: Result<String, String>) -> Self {
        Self { subject: subject.to_string(), outcome }
    }
}

/// One line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, text) = match &self.outcome {
            Ok(detail) => ("ok    ", detail),
            Err(problem) => ("FAILED", problem),
        };
        write!(f, "{mark}  {}: {text}", self.subject)
    }
}

/// The cluster: reached, our resource served, every permission there.
pub async fn cluster(client: Result<kube::Client, String>, needed: &[Right]) -> Vec<Finding> {
    const SERVER: &str = "the API server";
    let client = match client {
        Ok(client) => client,
        Err(error) => return vec![Finding::new(SERVER, Err(error))],
    };
    match own_name(&client).await {
        Ok(name) => {
            let mut findings = vec![Finding::new(SERVER, Ok(format!("knows this program as {name}")))];
            let served = crd_served(&client).await.map(|()| "served".to_owned());
            findings.push(Finding::new("the custom resource definition", served));
            let asked = needed.iter().map(|right| permission(&client, right));
            findings.extend(futures::stream::iter(asked).buffered(AT_ONCE).collect::<Vec<_>>().await);
            findings
        }
        // Nothing else can be asked.
        Err(error) => vec![Finding::new(SERVER, Err(error.to_string()))],
    }
}

async fn permission(client: &kube::Client, right: &Right) -> Finding {
    Finding::new(right, permitted(right, right.lacking(client).await))
}

fn permitted(right: &Right, lacking: Result<Vec<&'static str>, KubeError>) -> Result<String, String> {
    match lacking.map_err(|error| error.to_string())?.as_slice() {
        [] => Ok(format!("may {}", right.verbs())),
        verbs => Err(format!(
            "may not {}; grant it to the account above, as the chart does (templates/rbac.yaml)",
            verbs.join(", ")
        )),
    }
}

/// The cloud: credentials there and taken, and a look allowed.
pub async fn cloud(handle: &CloudHandle) -> Vec<Finding> {
    const LOOK: &str = "DescribeProxies";
    let mut states = handle.identity.subscribe();
    let settled = states.wait_for(|state| !matches!(state, SessionState::Waiting | SessionState::Unreachable(_)));
    // Whether it came to an end or not, the last state is what there is to tell.
    let _ = timeout(PATIENCE, settled).await.map(drop);
    let state = handle.identity.current();
    let look = match &state {
        SessionState::Ready(session) => look(handle, session).await,
        _ => Err("not tried, because there are no credentials that the cloud has taken".to_owned()),
    };
    vec![Finding::new("the credentials", account(&state)), Finding::new(LOOK, look)]
}

fn account(state: &SessionState) -> Result<String, String> {
    match state {
        SessionState::Ready(session) => {
            let account = session.account();
            Ok(format!("of account {} at {}", account.id, account.endpoint))
        }
        SessionState::Waiting => {
            Err("the cloud has not answered yet; check the way to --sts-endpoint, and try again".to_owned())
        }
        SessionState::Missing(what) => {
            Err(format!("{what}. Make the Secret that credentials.existingSecret names, or fill --credentials-dir"))
        }
        SessionState::Refused(error) | SessionState::Unreachable(error) => Err(advised(error)),
    }
}

fn advised(error: &CallError) -> String {
    format!("{error}. {}", error.advice())
}

async fn look(handle: &CloudHandle, session: &Session) -> Result<String, String> {
    let id = ProxyId::try_from(ANY_PROXY).map_err(|error| error.to_string())?;
    let mut tries = 1;
    loop {
        let answer = handle.client.describe_proxies(session, std::slice::from_ref(&id)).await;
        match answer {
            Err(error) if tries < TRIES && may_pass(&error) => {
                tries += 1;
                sleep(PAUSE).await;
            }
            answer => return looked(answer.err()),
        }
    }
}

fn may_pass(error: &CallError) -> bool {
    !matches!(error.class(), Class::User | Class::Config | Class::Gone)
}

/// That the proxy is not there is an answer as good as any: to give it the cloud had to allow the question.
fn looked(error: Option<CallError>) -> Result<String, String> {
    match error {
        Some(error) if error.class() != Class::Gone => Err(advised(&error)),
        _ => Ok("answered".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::rights::needed;
    use crate::gaap::{Action, ErrorKind};

    fn refused(code: &str) -> CallError {
        let kind = ErrorKind::Api { code: code.to_owned(), message: String::new() };
        CallError { action: Action::DescribeProxies, kind, request_id: None }
    }

    #[test]
    fn a_finding_is_one_line_that_begins_with_its_outcome() {
        let lines =
            [Ok("fine".to_owned()), Err("broken; mend it".to_owned())].map(|outcome| Finding::new("it", outcome));
        assert_eq!(lines.map(|line| line.to_string()), ["ok      it: fine", "FAILED  it: broken; mend it"]);
    }

    #[test]
    fn a_missing_verb_is_named_and_what_to_do() {
        let rights = needed(&[], None, None);
        assert_eq!(permitted(&rights[1], Ok(vec![])), Ok("may patch".to_owned()));
        let said = permitted(&rights[0], Ok(vec!["watch", "patch"])).unwrap_err();
        assert!(said.starts_with("may not watch, patch; grant it"), "{said}");
    }

    #[test]
    fn a_proxy_that_is_not_there_is_a_good_answer_and_a_refusal_is_not() {
        assert!(looked(None).is_ok());
        for code in ["ResourceNotFound", "FailedOperation.ResourceNotFound"] {
            assert!(looked(Some(refused(code))).is_ok(), "{code}");
        }
        for code in ["UnauthorizedOperation", "InternalError", "AuthFailure.SignatureFailure", "Unheard.Of"] {
            let said = looked(Some(refused(code))).unwrap_err();
            assert!(said.contains(code) && said.ends_with('.'), "{said}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (code, again) in [("InternalError", true), ("RequestLimitExceeded", true), ("UnauthorizedOperation", false)]
        {
            assert_eq!(may_pass(&refused(code)), again, "{code}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_credentials_is_told_with_what_to_do() {
        let missing = account(&SessionState::Missing("the file secretId does not exist".to_owned())).unwrap_err();
        assert!(missing.contains("secretId does not exist. Make the Secret"), "{missing}");
        let refused = account(&SessionState::Refused(refused("AuthFailure.SecretIdNotFound"))).unwrap_err();
        assert!(refused.contains("AuthFailure.SecretIdNotFound") && refused.contains("CAM console"), "{refused}");
        assert!(account(&SessionState::Waiting).unwrap_err().contains("--sts-endpoint"));
    }
}
