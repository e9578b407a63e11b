//! TC3-HMAC-SHA256, the signature of the Tencent Cloud API (v3). Pure: no clock, no I/O, one type per stage, so that
//! a test says which stage is wrong.
//!
//! ```text
//! CanonicalRequest -> StringToSign -> (SigningKey) -> Authorization
//! ```

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use sha2::digest::InvalidLength;
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const TERMINATOR: &str = "tc3_request";

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], message: &[u8]) -> Result<Zeroizing<[u8; 32]>, InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(message);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// First stage: what of the request is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalRequest {
    text: String,
    signed_headers: String,
}

impl CanonicalRequest {
    /// `query`: exactly as sent, empty for POST. `headers`: names and values as on the wire, in any order. `body`:
    /// the bytes sent.
    pub fn new(method: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_ascii_lowercase()))
            .collect();
        headers.sort();
        let block: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<String> = headers.into_iter().map(|(name, _)| name).collect();
        let signed_headers = names.join(";");
        let text = [method, "/", query, &block, &signed_headers, &sha256_hex(body)].join("\n");
        Self { text, signed_headers }
    }

    /// The hash that goes into the string to sign.
    pub fn hash(&self) -> String {
        sha256_hex(self.text.as_bytes())
    }
}

/// Second stage: the canonical request bound to a time and a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringToSign {
    text: String,
    scope: String,
    signed_headers: String,
}

impl StringToSign {
    /// `timestamp`: Unix seconds, the same as in `X-TC-Timestamp`. `service`: `gaap`, `sts`.
    pub fn new(timestamp: i64, service: &str, request: &CanonicalRequest) -> Self {
        let scope = format!("{}/{service}/{TERMINATOR}", utc_date(timestamp));
        let text = format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", request.hash());
        Self { text, scope, signed_headers: request.signed_headers.clone() }
    }
}

/// Third stage: the key of one day and one service. Never printed.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// # Errors
    /// Never in practice: HMAC takes keys of any length, but its interface allows for others.
    pub fn derive(secret_key: &str, timestamp: i64, service: &str) -> Result<Self, InvalidLength> {
        let [_, _, signing] = Self::chain(secret_key, timestamp, service)?;
        Ok(Self(signing))
    }

    /// kDate, kService, kSigning.
    fn chain(secret_key: &str, timestamp: i64, service: &str) -> Result<[Zeroizing<[u8; 32]>; 3], InvalidLength> {
        let secret = Zeroizing::new(format!("TC3{secret_key}"));
        let date = hmac(secret.as_bytes(), utc_date(timestamp).as_bytes())?;
        let of_service = hmac(date.as_slice(), service.as_bytes())?;
        let signing = hmac(of_service.as_slice(), TERMINATOR.as_bytes())?;
        Ok([date, of_service, signing])
    }

    /// The signature, in hexadecimal.
    ///
    /// # Errors
    /// As [`SigningKey::derive`].
    pub fn sign(&self, string: &StringToSign) -> Result<String, InvalidLength> {
        Ok(hex::encode(hmac(self.0.as_slice(), string.text.as_bytes())?.as_slice()))
    }
}

/// Value of the header `Authorization`.
pub fn authorization(secret_id: &str, string: &StringToSign, signature: &str) -> String {
    let StringToSign { scope, signed_headers, .. } = string;
    format!("{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}")
}

/// `YYYY-MM-DD` in UTC of a Unix time. Taken from the very timestamp that is sent: a local date is wrong for some
/// hours of every day, and a second look at the clock is wrong at midnight.
///
/// A time that no calendar holds becomes 1970, which the cloud refuses as it would that time.
fn utc_date(timestamp: i64) -> String {
    Timestamp::from_second(timestamp).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%F").to_string()
}

#[cfg(test)]
mod tests;
