//! Every published vector and every vector made with the official Python SDK, stage by stage.

use super::*;

struct Vector {
    name: &'static str,
    secret: (&'static str, &'static str),
    method: &'static str,
    host: &'static str,
    service: &'static str,
    content_type: &'static str,
    action: Option<&'static str>,
    timestamp: i64,
    date: &'static str,
    query: &'static str,
    body: &'static str,
    signed_headers: &'static str,
    payload: Option<&'static str>,
    canonical: &'static str,
    /// kDate, kService, kSigning.
    keys: Option<[&'static str; 3]>,
    signature: &'static str,
}

const CVM_BODY: &str = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
const CVM_PAYLOAD: Option<&str> = Some("35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
const EMPTY_PAYLOAD: Option<&str> = Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
const JSON: &str = "application/json";
const JSON_UTF8: &str = "application/json; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";
const TWO: &str = "content-type;host";
const G2_BODY: &str = r#"{"Force": 1, "ClientToken": "gaap-operator-0f8fad5b-d9cb-469f-a165-70867728950e", "ProxyIds": ["link-11112222", "link-11113333"]}"#;
const G2_PAYLOAD: Option<&str> = Some("8b2fa85cd532da2122358a799854282aa1e58c6de3d750ed40d0cbfb2310854d");
const C_KEY: (&str, &str) = ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
const G1_KEY: (&str, &str) = ("AKIDFAKEFAKEFAKEFAKEFAKEFAKE0001", "fakefakefakefakefakefakefake0001");
const G2_KEY: (&str, &str) = ("AKIDFAKEFAKEFAKEFAKEFAKEFAKE0002", "fakefakefakefakefakefakefake0002");
const G2_KEYS: Option<[&str; 3]> = Some([
    "1d3ec76aa6daa9f7632bf243f5d1839797fe59054cf5792bf56bef5ed60d5cac",
    "5d3ec8831497beae4a625f4095ac75b77d9f398b317fedef54d0f322db2ecc9f",
    "fa0d9acfaec44efb8bbf69cac27ea37f4cca78c5734887d33758fcce60b0d223",
]);

const CVM: Vector = Vector {
    name: "",
    secret: ("", ""),
    method: "POST",
    host: "cvm.tencentcloudapi.com",
    service: "cvm",
    content_type: JSON_UTF8,
    action: None,
    timestamp: 1_551_113_065,
    date: "2019-02-25",
    query: "",
    body: CVM_BODY,
    signed_headers: TWO,
    payload: CVM_PAYLOAD,
    canonical: "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
    keys: None,
    signature: "",
};

const G2: Vector = Vector {
    name: "G2",
    secret: G2_KEY,
    method: "POST",
    host: "gaap.tencentcloudapi.com",
    service: "gaap",
    content_type: JSON,
    action: None,
    timestamp: 1_709_251_199,
    date: "2024-02-29",
    query: "",
    body: G2_BODY,
    signed_headers: TWO,
    payload: G2_PAYLOAD,
    canonical: "857f1e271e9cd250c0c10057df976a3ba8cd8ca4d1e1eeacdd535856a425fa00",
    keys: G2_KEYS,
    signature: "76c44134d77cd736b915ec074eeb90e423f25d48b9013c9af9897f0a5dd53bfa",
};

const VECTORS: [Vector; 9] = [
    Vector {
        name: "A",
        secret: ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******"),
        keys: Some([
            "f1cb4d518a0eda9d5cbbfdb7850983f1e603eeae484edea76e4dd8d8deb5556e",
            "e7c609ce81bea53546bed2cc904778bef9ca14082e48e67883443ed64e227cd7",
            "8aa8ab5755582f576e94bcfe383b8e29325b0ca90c3590d569221c6a63a091ed",
        ]),
        signature: "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c",
        ..CVM
    },
    Vector {
        name: "B",
        secret: ("AKID********************************", "********************************"),
        action: Some("DescribeInstances"),
        signed_headers: "content-type;host;x-tc-action",
        canonical: "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
        keys: Some([
            "da98fb70dcf6b112dc21038d1eeeb3a95c74b4dcb12c1131f864f6066bd02be0",
            "8d70cbefb03939f929db64d32dc2ba89b1095620119fe3e050e2b18c5bd2752f",
            "b596b923aad85185e2d1f6659d2a062e0a86731226e021e61bfe06f7ed05f5af",
        ]),
        signature: "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
        ..CVM
    },
    Vector {
        name: "C",
        secret: C_KEY,
        keys: Some([
            "d1308c81fe71cfd4e06437bbc067b2b8a3d2d8c0e375d547f15c41d5214b395a",
            "3c7cb7c7795393edc14fd2e0e6434a518564b4504b88e94f5d11bf59ba3e7050",
            "ac658d5dde49e9bfdd14e04e062f66b05d9f637d44b8a8d845327d4a77f666b1",
        ]),
        signature: "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
        ..CVM
    },
    Vector {
        name: "D",
        secret: C_KEY,
        method: "GET",
        content_type: FORM,
        timestamp: 1_539_084_154,
        date: "2018-10-09",
        query: "Limit=10&Offset=0",
        body: "",
        payload: EMPTY_PAYLOAD,
        canonical: "91c9c192c14460df6c1ffc69e34e6c5e90708de2a6d282cccf957dbf1aa7f3a7",
        signature: "5da7a33f6993f0614b047e5df4582db9e9bf4672ba50567dba16c6ccf174c474",
        ..CVM
    },
    Vector {
        name: "G1",
        secret: G1_KEY,
        timestamp: 1_700_000_000,
        date: "2023-11-14",
        body: r#"{"Force": 0, "ProxyIds": ["link-11112222"]}"#,
        payload: Some("4838c01f8bda6f9219200b36a2ceaddfc048e62c40f875be99f3a474c75f2d86"),
        canonical: "ffc6764e3b21cb550eb7a55cd7e9474936fb5f3c95343de3ddd76e723435a07a",
        keys: Some([
            "61cc10614cdbdb8e71a0330018beefa565a136f20d3263fee8002061a1148342",
            "e1590e612358b95b6d89ed8a59fa482d705d24cbbd566ff23bdba66488ef2163",
            "4902d719b9a349df4ce8af42fdb9c6cda8a8f8257c8d55aeda25e633734e4460",
        ]),
        signature: "d91f40bca01b6c0f1fa4a4655e9bc0ccbb6778e55164a38db27b528a7d013465",
        ..G2
    },
    G2,
    Vector {
        name: "G2b",
        timestamp: 1_709_251_200,
        date: "2024-03-01",
        keys: Some([
            "9c08a18a7d23833c464b1ad1cebcbd15cb6d3487e4acf7e609e723d70190a826",
            "25b7ad03457f24cae2af832b9344f391ef22829e6a1e9e238a40c57992560642",
            "865a9f8acc565f511297ec4881349007da156f7739dd8a9b270fa231fb8b55df",
        ]),
        signature: "786b098a71dfe3c32e59093ec8b986506278844d626fc723155c6d729e98d1d0",
        ..G2
    },
    Vector {
        name: "G3",
        host: "gaap.intl.tencentcloudapi.com",
        canonical: "417db4c6a64feab770c57d9a0db10f6fc40e43fdd3e63471e5c86323056d3719",
        signature: "2ce8819c5d60806e594e5b027e6740f54af1c7367a649fda233b29c8153a7ba3",
        ..G2
    },
    Vector {
        name: "G4",
        secret: G1_KEY,
        method: "GET",
        content_type: FORM,
        timestamp: 1_700_000_000,
        date: "2023-11-14",
        query: "Force=1&ProxyIds.0=link-11112222&ProxyIds.1=link-11113333",
        body: "",
        payload: EMPTY_PAYLOAD,
        canonical: "f550893bc3fbfefdd653bfbe6dc4c4e7a1e6d87e1eba11502aecd968ef5bfb1d",
        keys: None,
        signature: "4287f17d8ec4803fbfbb43238eac15d3773ecbfda260bec1858ce6809e110d85",
        ..G2
    },
];

#[test]
fn every_known_vector_agrees_stage_by_stage() {
    for v in VECTORS {
        let name = v.name;
        let mut headers = vec![("Host", v.host), ("Content-Type", v.content_type)];
        headers.extend(v.action.map(|action| ("X-TC-Action", action)));
        if let Some(payload) = v.payload {
            assert_eq!(sha256_hex(v.body.as_bytes()), payload, "{name}: payload");
        }
        let request = CanonicalRequest::new(v.method, v.query, &headers, v.body.as_bytes());
        assert_eq!(request.signed_headers, v.signed_headers, "{name}: signed headers");
        assert_eq!(request.hash(), v.canonical, "{name}: canonical request");
        assert_eq!(utc_date(v.timestamp), v.date, "{name}: date");
        let string = StringToSign::new(v.timestamp, v.service, &request);
        let scope = format!("{}/{}/tc3_request", v.date, v.service);
        assert_eq!(
            string.text,
            format!("TC3-HMAC-SHA256\n{}\n{scope}\n{}", v.timestamp, v.canonical),
            "{name}: string to sign"
        );
        if let Some(keys) = v.keys {
            let chain = SigningKey::chain(v.secret.1, v.timestamp, v.service).unwrap();
            assert_eq!(chain.map(|key| hex::encode(key.as_slice())), keys, "{name}: kDate, kService, kSigning");
        }
        let signature = SigningKey::derive(v.secret.1, v.timestamp, v.service).unwrap().sign(&string).unwrap();
        assert_eq!(signature, v.signature, "{name}: signature");
        assert_eq!(
            authorization(v.secret.0, &string, &signature),
            format!(
                "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
                v.secret.0, v.signed_headers, v.signature
            ),
            "{name}: header"
        );
    }
}

#[test]
fn a_canonical_request_has_the_six_parts_of_the_documentation() {
    let request = CanonicalRequest::new("POST", "", &[("Host", " Example.COM "), ("Content-Type", JSON)], b"{}");
    assert_eq!(
        request.text,
        format!(
            "POST\n/\n\ncontent-type:application/json\nhost:example.com\n\ncontent-type;host\n{}",
            sha256_hex(b"{}")
        )
    );
}

#[test]
fn the_date_is_that_of_utc_on_every_kind_of_day() {
    for (timestamp, date) in [
        (0, "1970-01-01"),
        (86_399, "1970-01-01"),
        (86_400, "1970-01-02"),
        (951_782_400, "2000-02-29"),
        (1_709_164_800, "2024-02-29"),
        (1_735_689_599, "2024-12-31"),
        (1_735_689_600, "2025-01-01"),
        (4_107_542_400, "2100-03-01"),
        (-1, "1969-12-31"),
    ] {
        assert_eq!(utc_date(timestamp), date);
    }
}
