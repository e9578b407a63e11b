//! TC3-HMAC-SHA256 from the server's side, written from the published specification alone.
//!
//! Nothing here is shared with the operator's signer: that the two agree, and that the official SDKs agree with this
//! one, is the proof that both are right.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The only algorithm of API 3.0 that may carry a JSON body.
pub const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The parts of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Which key signed.
    pub secret_id: String,
    /// UTC date of the scope, `YYYY-MM-DD`.
    pub date: String,
    /// Product part of the scope, `gaap` or `sts`.
    pub service: String,
    /// Names of the signed headers, as sent.
    pub signed_headers: Vec<String>,
    /// Lower-case hex.
    pub signature: String,
}

impl Authorization {
    /// Takes a header value apart; `None` when it is not of the documented form.
    pub fn parse(header: &str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            match field.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let mut scope = credential?.split('/');
        let parsed = Self {
            secret_id: scope.next()?.to_owned(),
            date: scope.next()?.to_owned(),
            service: scope.next()?.to_owned(),
            signed_headers: signed_headers?.split(';').map(str::to_owned).collect(),
            signature: signature?.to_owned(),
        };
        let complete = scope.next() == Some("tc3_request") && scope.next().is_none();
        (complete && !parsed.secret_id.is_empty()).then_some(parsed)
    }

    /// Whether the two headers every signature must cover are among the signed ones.
    pub fn covers_required_headers(&self) -> bool {
        ["content-type", "host"].iter().all(|name| self.signed_headers.iter().any(|signed| signed == name))
    }
}

/// What was signed, exactly as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The raw query string; re-encoding it would break form-encoded queries, where a blank is `+`.
    pub query: &'a str,
    /// The exact body bytes.
    pub body: &'a [u8],
    /// Whether `X-TC-Content-SHA256: UNSIGNED-PAYLOAD` was sent.
    pub unsigned_payload: bool,
}

/// The canonical request; `header` looks one up by lower-case name. `None` when a signed header is not there.
pub fn canonical_request<'h>(
    signed: &Signed<'_>,
    authorization: &Authorization,
    header: impl Fn(&str) -> Option<&'h str>,
) -> Option<String> {
    let mut lines = String::new();
    for name in &authorization.signed_headers {
        lines.push_str(name);
        lines.push(':');
        lines.push_str(&header(name)?.trim().to_lowercase());
        lines.push('\n');
    }
    let payload = if signed.unsigned_payload { b"UNSIGNED-PAYLOAD".as_slice() } else { signed.body };
    let names = authorization.signed_headers.join(";");
    let query = if signed.method == "POST" { "" } else { signed.query };
    Some(format!("{}\n/\n{query}\n{lines}\n{names}\n{}", signed.method, sha256_hex(payload)))
}

/// Whether the signature of `authorization` is that of `canonical` under `secret_key`. Compared in constant time.
pub fn is_valid(authorization: &Authorization, canonical: &str, timestamp: i64, secret_key: &str) -> bool {
    let scope = format!("{}/{}/tc3_request", authorization.date, authorization.service);
    let to_sign = format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let Ok(claimed) = hex::decode(&authorization.signature) else { return false };
    let [_, _, signing] = derived_keys(secret_key, &authorization.date, &authorization.service);
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&signing) else { return false };
    mac.chain_update(to_sign.as_bytes()).verify_slice(&claimed).is_ok()
}

fn derived_keys(secret_key: &str, date: &str, service: &str) -> [Vec<u8>; 3] {
    let of_date = keyed(format!("TC3{secret_key}").as_bytes(), date);
    let of_service = keyed(&of_date, service);
    let of_request = keyed(&of_service, "tc3_request");
    [of_date, of_service, of_request]
}

fn keyed(key: &[u8], message: &str) -> Vec<u8> {
    // An HMAC key may have any length, so the error arm cannot be reached; an empty key would only fail the check.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message.as_bytes()).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const CVM_BODY: &str = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
    const G1_BODY: &str = r#"{"Force": 0, "ProxyIds": ["link-11112222"]}"#;
    const G2_BODY: &str = r#"{"Force": 1, "ClientToken": "gaap-operator-0f8fad5b-d9cb-469f-a165-70867728950e", "ProxyIds": ["link-11112222", "link-11113333"]}"#;

    struct Vector {
        name: &'static str,
        method: &'static str,
        host: &'static str,
        content_type: &'static str,
        action: Option<&'static str>,
        query: &'static str,
        body: &'static str,
        key: &'static str,
        timestamp: i64,
        date: &'static str,
        service: &'static str,
        canonical_hash: &'static str,
        keys: Option<[&'static str; 3]>,
        signature: &'static str,
    }

    fn vectors() -> Vec<Vector> {
        let cvm = |name, key, action, canonical_hash, keys, signature| Vector {
            name,
            method: "POST",
            host: "cvm.tencentcloudapi.com",
            content_type: "application/json; charset=utf-8",
            action,
            query: "",
            body: CVM_BODY,
            key,
            timestamp: 1_551_113_065,
            date: "2019-02-25",
            service: "cvm",
            canonical_hash,
            keys: Some(keys),
            signature,
        };
        let gaap = |name, host, body, key, timestamp, date, canonical_hash, keys, signature| Vector {
            name,
            method: "POST",
            host,
            content_type: JSON,
            action: None,
            query: "",
            body,
            key,
            timestamp,
            date,
            service: "gaap",
            canonical_hash,
            keys,
            signature,
        };
        let chinese_host = "gaap.tencentcloudapi.com";
        let first_key = "fakefakefakefakefakefakefake0001";
        let second_key = "fakefakefakefakefakefakefake0002";
        let g2_hash = "857f1e271e9cd250c0c10057df976a3ba8cd8ca4d1e1eeacdd535856a425fa00";
        vec![
            cvm(
                "A",
                "Gu5t9xGARNpq86cd98joQYCN3*******",
                None,
                "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
                [
                    "f1cb4d518a0eda9d5cbbfdb7850983f1e603eeae484edea76e4dd8d8deb5556e",
                    "e7c609ce81bea53546bed2cc904778bef9ca14082e48e67883443ed64e227cd7",
                    "8aa8ab5755582f576e94bcfe383b8e29325b0ca90c3590d569221c6a63a091ed",
                ],
                "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c",
            ),
            cvm(
                "B",
                "********************************",
                Some("DescribeInstances"),
                "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
                [
                    "da98fb70dcf6b112dc21038d1eeeb3a95c74b4dcb12c1131f864f6066bd02be0",
                    "8d70cbefb03939f929db64d32dc2ba89b1095620119fe3e050e2b18c5bd2752f",
                    "b596b923aad85185e2d1f6659d2a062e0a86731226e021e61bfe06f7ed05f5af",
                ],
                "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
            ),
            cvm(
                "C",
                "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
                None,
                "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
                [
                    "d1308c81fe71cfd4e06437bbc067b2b8a3d2d8c0e375d547f15c41d5214b395a",
                    "3c7cb7c7795393edc14fd2e0e6434a518564b4504b88e94f5d11bf59ba3e7050",
                    "ac658d5dde49e9bfdd14e04e062f66b05d9f637d44b8a8d845327d4a77f666b1",
                ],
                "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
            ),
            Vector {
                name: "D",
                method: "GET",
                host: "cvm.tencentcloudapi.com",
                content_type: FORM,
                action: None,
                query: "Limit=10&Offset=0",
                body: "",
                key: "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
                timestamp: 1_539_084_154,
                date: "2018-10-09",
                service: "cvm",
                canonical_hash: "91c9c192c14460df6c1ffc69e34e6c5e90708de2a6d282cccf957dbf1aa7f3a7",
                keys: None,
                signature: "5da7a33f6993f0614b047e5df4582db9e9bf4672ba50567dba16c6ccf174c474",
            },
            gaap(
                "G1",
                chinese_host,
                G1_BODY,
                first_key,
                1_700_000_000,
                "2023-11-14",
                "ffc6764e3b21cb550eb7a55cd7e9474936fb5f3c95343de3ddd76e723435a07a",
                Some([
                    "61cc10614cdbdb8e71a0330018beefa565a136f20d3263fee8002061a1148342",
                    "e1590e612358b95b6d89ed8a59fa482d705d24cbbd566ff23bdba66488ef2163",
                    "4902d719b9a349df4ce8af42fdb9c6cda8a8f8257c8d55aeda25e633734e4460",
                ]),
                "d91f40bca01b6c0f1fa4a4655e9bc0ccbb6778e55164a38db27b528a7d013465",
            ),
            gaap(
                "G2",
                chinese_host,
                G2_BODY,
                second_key,
                1_709_251_199,
                "2024-02-29",
                g2_hash,
                Some([
                    "1d3ec76aa6daa9f7632bf243f5d1839797fe59054cf5792bf56bef5ed60d5cac",
                    "5d3ec8831497beae4a625f4095ac75b77d9f398b317fedef54d0f322db2ecc9f",
                    "fa0d9acfaec44efb8bbf69cac27ea37f4cca78c5734887d33758fcce60b0d223",
                ]),
                "76c44134d77cd736b915ec074eeb90e423f25d48b9013c9af9897f0a5dd53bfa",
            ),
            gaap(
                "G2b",
                chinese_host,
                G2_BODY,
                second_key,
                1_709_251_200,
                "2024-03-01",
                g2_hash,
                Some([
                    "9c08a18a7d23833c464b1ad1cebcbd15cb6d3487e4acf7e609e723d70190a826",
                    "25b7ad03457f24cae2af832b9344f391ef22829e6a1e9e238a40c57992560642",
                    "865a9f8acc565f511297ec4881349007da156f7739dd8a9b270fa231fb8b55df",
                ]),
                "786b098a71dfe3c32e59093ec8b986506278844d626fc723155c6d729e98d1d0",
            ),
            gaap(
                "G3",
                "gaap.intl.tencentcloudapi.com",
                G2_BODY,
                second_key,
                1_709_251_199,
                "2024-02-29",
                "417db4c6a64feab770c57d9a0db10f6fc40e43fdd3e63471e5c86323056d3719",
                None,
                "2ce8819c5d60806e594e5b027e6740f54af1c7367a649fda233b29c8153a7ba3",
            ),
            Vector {
                method: "GET",
                content_type: FORM,
                query: "Force=1&ProxyIds.0=link-11112222&ProxyIds.1=link-11113333",
                ..gaap(
                    "G4",
                    chinese_host,
                    "",
                    first_key,
                    1_700_000_000,
                    "2023-11-14",
                    "f550893bc3fbfefdd653bfbe6dc4c4e7a1e6d87e1eba11502aecd968ef5bfb1d",
                    None,
                    "4287f17d8ec4803fbfbb43238eac15d3773ecbfda260bec1858ce6809e110d85",
                )
            },
        ]
    }

    fn authorization(vector: &Vector, signature: &str) -> Authorization {
        let signed = if vector.action.is_some() { "content-type;host;x-tc-action" } else { "content-type;host" };
        Authorization::parse(&format!(
            "{ALGORITHM} Credential=AKIDTEST/{}/{}/tc3_request, SignedHeaders={signed}, Signature={signature}",
            vector.date, vector.service
        ))
        .expect("a well-formed header")
    }

    fn canonical(vector: &Vector, authorization: &Authorization) -> String {
        let signed = Signed {
            method: vector.method,
            query: vector.query,
            body: vector.body.as_bytes(),
            unsigned_payload: false,
        };
        canonical_request(&signed, authorization, |name| match name {
            "content-type" => Some(vector.content_type),
            "host" => Some(vector.host),
            "x-tc-action" => vector.action,
            _ => None,
        })
        .expect("every signed header is there")
    }

    #[test]
    fn every_published_vector_is_accepted_stage_by_stage() {
        for vector in vectors() {
            let authorization = authorization(&vector, vector.signature);
            let canonical = canonical(&vector, &authorization);
            assert_eq!(sha256_hex(canonical.as_bytes()), vector.canonical_hash, "canonical request of {}", vector.name);
            if let Some(expected) = vector.keys {
                let derived = derived_keys(vector.key, vector.date, vector.service).map(hex::encode);
                for (derived, expected) in derived.iter().zip(expected) {
                    assert_eq!(derived, expected, "a derived key of {}", vector.name);
                }
            }
            assert!(is_valid(&authorization, &canonical, vector.timestamp, vector.key), "signature of {}", vector.name);
        }
    }

    #[test]
    fn a_signature_is_refused_when_any_part_of_the_request_differs() {
        for vector in vectors() {
            let authorization = authorization(&vector, vector.signature);
            let canonical = canonical(&vector, &authorization);
            assert!(!is_valid(&authorization, &format!("{canonical} "), vector.timestamp, vector.key));
            assert!(!is_valid(&authorization, &canonical, vector.timestamp + 1, vector.key));
            assert!(!is_valid(&authorization, &canonical, vector.timestamp, "another key"));
        }
    }

    #[test]
    fn an_authorization_header_of_another_form_is_not_parsed() {
        for header in [
            "",
            "SKIP",
            "TC3-HMAC-SHA256",
            "TC3-HMAC-SHA256 Credential=/2024-01-01/gaap/tc3_request, SignedHeaders=host, Signature=00",
            "TC3-HMAC-SHA256 Credential=A/2024-01-01/gaap, SignedHeaders=host, Signature=00",
            "TC3-HMAC-SHA256 Credential=A/2024-01-01/gaap/tc3_request, SignedHeaders=host",
            "TC3-HMAC-SHA256 Credential=A/2024-01-01/gaap/tc3_request/more, SignedHeaders=host, Signature=00",
            "TC3-HMAC-SHA1 Credential=A/2024-01-01/gaap/tc3_request, SignedHeaders=host, Signature=00",
        ] {
            assert_eq!(Authorization::parse(header), None, "{header}");
        }
    }
}
