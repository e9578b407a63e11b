//! The cloud: proxies, tokens, and answers in the types that the shipped client decodes.

use std::sync::Arc;
use std::time::Duration;

use gaap_operator::gaap::{
    Account, Action, CallError, DescribeAnswer, DestroyAnswer, ErrorKind, Proxy, ProxyId, ProxyStatus,
};

use crate::clock::BEGIN_UNIX;
use crate::protocol::{Described, Destroyed};
use crate::scenario::TokenMode;

/// State of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// In a state that this version does not know; it becomes RUNNING.
    Odd,
    /// RUNNING.
    Running,
    /// A destroy was accepted and is in effect, and reads show RUNNING still. Since the tick of the request.
    Queued(u32),
    /// DESTROYING.
    Destroying,
    /// Not there.
    Gone,
}

/// One proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudProxy {
    /// State.
    pub phase: Phase,
    /// createTime: another number is another proxy.
    pub created: i64,
    /// Origin servers are bound.
    pub bound: bool,
    /// The destroy that was accepted last.
    pub last: Option<Accepted>,
}

/// An accepted destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    /// For which resource.
    pub slot: usize,
    /// Force.
    pub force: bool,
    /// Its process was stopped, and sent it after another led: who leads now knows nothing of it.
    pub orphan: bool,
}

/// createTime of a proxy that is old.
pub const OLD: i64 = BEGIN_UNIX - 1000;
/// createTime of a proxy that was made at the beginning.
pub const YOUNG: i64 = BEGIN_UNIX;
/// createTime of another proxy that got the id later.
pub const LATER: i64 = BEGIN_UNIX - 500;

/// An answer to DestroyProxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// No error, the id in neither set.
    Accepted,
    /// The id in InvalidStatusInstanceSet.
    InvalidStatus,
    /// The id in OperationFailedInstanceSet.
    Failed,
    /// An error of the API.
    Code(&'static str),
    /// None before the deadline.
    Timeout,
}

/// The rate limit.
pub const THROTTLED: Answer = Answer::Code("RequestLimitExceeded");
/// Nobody knows what became of it.
pub const INTERNAL: Answer = Answer::Code("InternalError");
/// A refusal before the request was looked at.
pub const UNAUTHORIZED: Answer = Answer::Code("UnauthorizedOperation");

impl Answer {
    /// Nothing was accepted by this request, and the cloud said so.
    pub fn is_definite_refusal(self) -> bool {
        match self {
            Answer::InvalidStatus | Answer::Failed => true,
            Answer::Code(code) => matches!(
                code,
                "UnauthorizedOperation"
                    | "FailedOperation.RealServerAlreadyBound"
                    | "ResourceNotFound"
                    | "InvalidParameterValue"
            ),
            Answer::Accepted | Answer::Timeout => false,
        }
    }

    /// As the shipped client returns it.
    pub fn wire(self, id: &ProxyId) -> Destroyed {
        let sets = |invalid: bool, failed: bool| {
            let listed = |is: bool| if is { vec![id.as_str().to_owned()] } else { Vec::new() };
            Ok(DestroyAnswer { request_id: "r".to_owned(), invalid_status: listed(invalid), failed: listed(failed) })
        };
        match self {
            Answer::Accepted => sets(false, false),
            Answer::InvalidStatus => sets(true, false),
            Answer::Failed => sets(false, true),
            Answer::Code(code) => Err(api_error(Action::DestroyProxies, code)),
            Answer::Timeout => Err(timeout(Action::DestroyProxies)),
        }
    }
}

fn api_error(action: Action, code: &str) -> CallError {
    let kind = ErrorKind::Api { code: code.to_owned(), message: String::new() };
    CallError { action, kind, request_id: Some("r".to_owned()) }
}

fn timeout(action: Action) -> CallError {
    CallError { action, kind: ErrorKind::Timeout { after: Duration::from_secs(10) }, request_id: None }
}

/// A request that the cloud or an operator knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// ClientToken.
    pub token: Arc<str>,
    /// The resource it was made for.
    pub slot: usize,
    /// Force.
    pub force: bool,
    /// Attempt.
    pub attempt: u32,
    /// The answer, once the cloud has looked at it: the token is used then.
    pub answer: Option<Answer>,
}

/// What the cloud answers to a request whose token it has looked at before.
pub fn repeated(mode: TokenMode, first: Answer, same_request: bool) -> Answer {
    match mode {
        TokenMode::Refuse => Answer::Code("FailedOperation.DuplicatedRequest"),
        TokenMode::Mismatch if !same_request => Answer::Code("InvalidParameterValue"),
        TokenMode::Replay | TokenMode::Mismatch => first,
    }
}

/// How a look is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// As it is.
    True,
    /// No answer before the deadline.
    Timeout,
    /// A page without the row, whose TotalCount says that there is one.
    Truncated,
    /// `ResourceNotFound` as an answer to a question for several ids.
    NotFoundOfSeveral,
    /// As it was before a destroy.
    Stale,
    /// Without the proxy, which is there: an index that is behind for less than the spacing of two looks.
    Flap,
    /// In a state that this version does not know.
    Odd,
    /// Without a createTime.
    Timeless,
}

/// The answer to DescribeProxies for one id, as the shipped client returns it, and which ids were asked for.
pub fn described(proxy: &CloudProxy, id: &ProxyId, sight: Sight, account: Whose) -> (Described, Vec<ProxyId>) {
    let row = |status: &str, created: Option<i64>| Proxy {
        id: id.clone(),
        status: ProxyStatus::from(status),
        name: None,
        access_region: None,
        real_server_region: None,
        ip: None,
        domain: None,
        bandwidth_mbps: None,
        concurrent_connections: None,
        group_id: None,
        create_time: created,
    };
    let page = |total: i64, rows: Vec<Proxy>| {
        Ok(DescribeAnswer { request_id: "r".to_owned(), total_count: Some(total), rows, nameless_rows: 0 })
    };
    let status = match proxy.phase {
        Phase::Odd => "NEW_STATE",
        Phase::Running | Phase::Queued(_) => "RUNNING",
        Phase::Destroying => "DESTROYING",
        Phase::Gone => "",
    };
    let mut asked = vec![id.clone()];
    let there = account == Whose::Ours && proxy.phase != Phase::Gone;
    let result = match sight {
        Sight::Timeout => Err(timeout(Action::DescribeProxies)),
        Sight::NotFoundOfSeveral => {
            asked.extend("link-99999999".parse::<ProxyId>());
            Err(api_error(Action::DescribeProxies, "ResourceNotFound"))
        }
        Sight::Truncated => page(1, Vec::new()),
        Sight::Stale => page(1, vec![row("RUNNING", Some(proxy.created))]),
        Sight::Odd => page(1, vec![row("NEW_STATE", Some(proxy.created))]),
        Sight::Timeless => page(1, vec![row(status, None)]),
        Sight::True if there => page(1, vec![row(status, Some(proxy.created))]),
        Sight::True | Sight::Flap => page(0, Vec::new()),
    };
    (result, asked)
}

/// Whose credentials an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those of the account in which the proxies are.
    Ours,
    /// Those of another, which has no proxies.
    Others,
}

impl Whose {
    /// The account as the operator knows it.
    pub fn account(self) -> Account {
        let id = if self == Whose::Ours { "100" } else { "200" };
        Account { id: id.to_owned(), endpoint: "https://gaap.tencentcloudapi.com".to_owned() }
    }
}
