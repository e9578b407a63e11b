//! Who may call: keys, the accounts they belong to, and the check of a signed request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::errors::ApiError;
use crate::signature::{self, Authorization, Signed};

/// A key. Several keys may belong to one account, as when one is being replaced by another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// Public part.
    pub secret_id: String,
    /// Secret part; never shown again once it is here.
    #[serde(skip_serializing)]
    pub secret_key: String,
    /// The account, the `AccountId` of GetCallerIdentity.
    pub uin: String,
    /// Present for a temporary key: the value `X-TC-Token` must have.
    #[serde(default, skip_serializing)]
    pub token: Option<String>,
    /// When a temporary key ends, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl Credential {
    /// A long-lived key.
    pub fn new(secret_id: impl Into<String>, secret_key: impl Into<String>, uin: impl Into<String>) -> Self {
        Self { secret_id: secret_id.into(), secret_key: secret_key.into(), uin: uin.into(), token: None, expires: None }
    }

    /// The same key as a temporary one.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>, expires: i64) -> Self {
        self.token = Some(token.into());
        self.expires = Some(expires);
        self
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("secret_id", &self.secret_id)
            .field("uin", &self.uin)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// All keys the simulator knows.
#[derive(Debug, Default)]
pub struct Accounts {
    credentials: Vec<Credential>,
}

/// The headers of a request the check needs, as they came.
pub struct Presented<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-TC-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `X-TC-Token`.
    pub token: Option<&'a str>,
    /// Method, raw query and body.
    pub method: &'a str,
    /// Raw query string.
    pub query: &'a str,
    /// Body bytes.
    pub body: &'a [u8],
    /// Whether the payload was declared unsigned.
    pub unsigned_payload: bool,
}

impl Accounts {
    /// Adds a key or replaces the one of the same id.
    pub fn put(&mut self, credential: Credential) {
        self.remove(&credential.secret_id);
        self.credentials.push(credential);
    }

    /// Takes a key out of service; whether it was there.
    pub fn remove(&mut self, secret_id: &str) -> bool {
        let before = self.credentials.len();
        self.credentials.retain(|credential| credential.secret_id != secret_id);
        self.credentials.len() < before
    }

    /// All keys.
    pub fn all(&self) -> &[Credential] {
        &self.credentials
    }

    /// The account that proxies belong to unless another is named: that of the first key.
    pub fn first_uin(&self) -> Option<String> {
        self.credentials.first().map(|credential| credential.uin.clone())
    }

    /// Whether any key belongs to this account.
    pub fn knows(&self, uin: &str) -> bool {
        self.credentials.iter().any(|credential| credential.uin == uin)
    }

    /// The key of this id.
    pub fn find(&self, secret_id: &str) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.secret_id == secret_id)
    }

    /// Checks form, clock, key, signature and session token, in this order.
    ///
    /// # Errors
    /// The `AuthFailure` code of the first thing that is wrong.
    pub fn authenticate<'h>(
        &self,
        presented: &Presented<'_>,
        server_now: UnixTime,
        maximum_skew_seconds: i64,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Result<(Credential, Authorization), ApiError> {
        let malformed = |why: &str| ApiError::about("AuthFailure.InvalidAuthorization", why);
        let authorization = presented.authorization.and_then(Authorization::parse);
        let authorization = authorization.ok_or_else(|| malformed("no TC3-HMAC-SHA256 credential"))?;
        if !authorization.covers_required_headers() {
            return Err(malformed("content-type and host must be signed"));
        }
        let timestamp = presented.timestamp.ok_or_else(|| ApiError::about("MissingParameter", "X-TC-Timestamp"))?;
        let timestamp: i64 =
            timestamp.parse().map_err(|_| ApiError::about("InvalidParameter", "X-TC-Timestamp is not a number"))?;
        if (server_now.seconds() - timestamp).abs() > maximum_skew_seconds {
            return Err(ApiError::new("AuthFailure.SignatureExpire"));
        }
        let credential =
            self.find(&authorization.secret_id).ok_or_else(|| ApiError::new("AuthFailure.SecretIdNotFound"))?;
        if authorization.date != UnixTime::from_seconds(timestamp).utc_date() {
            return Err(ApiError::about("AuthFailure.SignatureFailure", "the date is not that of X-TC-Timestamp"));
        }
        let signed = Signed {
            method: presented.method,
            query: presented.query,
            body: presented.body,
            unsigned_payload: presented.unsigned_payload,
        };
        let canonical = signature::canonical_request(&signed, &authorization, header)
            .ok_or_else(|| malformed("a signed header is missing"))?;
        if !signature::is_valid(&authorization, &canonical, timestamp, &credential.secret_key) {
            return Err(ApiError::new("AuthFailure.SignatureFailure"));
        }
        let expired = credential.expires.is_some_and(|expires| server_now.seconds() >= expires);
        if credential.token.as_deref() != presented.token || expired {
            return Err(ApiError::new("AuthFailure.TokenFailure"));
        }
        Ok((credential.clone(), authorization))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_shows_its_secret() {
        let credential = Credential::new("AKIDTEST", "very-secret", "1").with_token("also-secret", 7);
        let shown = format!("{credential:?} {}", serde_json::to_string(&credential).expect("serialises"));
        assert!(shown.contains("AKIDTEST"));
        assert!(!shown.contains("very-secret") && !shown.contains("also-secret"), "{shown}");
    }

    #[test]
    fn two_keys_may_serve_one_account_and_one_can_be_taken_away() {
        let mut accounts = Accounts::default();
        accounts.put(Credential::new("old", "a", "1"));
        accounts.put(Credential::new("new", "b", "1"));
        assert!(accounts.remove("old"));
        assert!(!accounts.remove("old"));
        assert!(accounts.knows("1"));
    }
}
