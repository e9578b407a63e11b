//! Whether RBAC gave the operator all it asked for, from the audit log of the API server.

use serde_json::Value;

use crate::error::{Result, promise};

/// Counts the requests of this user, and checks that none was refused.
///
/// # Errors
/// A sentence that names the request that was refused, or says that the log does not know the user.
pub fn nothing_refused(entries: &[Value], user: &str) -> Result<usize> {
    let text = |entry: &Value, pointer: &str| entry.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut requests = 0;
    for entry in entries.iter().filter(|entry| text(entry, "/user/username").as_deref() == Some(user)) {
        requests += 1;
        let refused = text(entry, "/annotations/authorization.k8s.io~1decision").as_deref() == Some("forbid");
        promise(!refused, || {
            let [verb, uri] = ["/verb", "/requestURI"].map(|pointer| text(entry, pointer).unwrap_or_default());
            format!("RBAC refused the operator: {verb} {uri}")
        })?;
    }
    promise(requests > 0, || format!("the audit log does not know {user}"))?;
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(user: &str, decision: &str) -> Value {
        json!({
            "verb": "list",
            "requestURI": "/api/v1/secrets",
            "user": {"username": user},
            "annotations": {"authorization.k8s.io/decision": decision},
        })
    }

    #[test]
    fn a_refused_request_is_named_and_those_of_others_do_not_count() {
        let fine = [entry("operator", "allow"), entry("operator", "allow"), entry("somebody", "forbid")];
        assert_eq!(nothing_refused(&fine, "operator").unwrap(), 2);
        let refused = [entry("operator", "allow"), entry("operator", "forbid")];
        let sentence = nothing_refused(&refused, "operator").unwrap_err().to_string();
        assert!(sentence.ends_with("RBAC refused the operator: list /api/v1/secrets"), "{sentence}");
    }

    #[test]
    fn a_user_whom_the_log_does_not_know_proves_nothing() {
        assert!(nothing_refused(&[entry("somebody", "allow")], "operator").is_err());
    }
}
