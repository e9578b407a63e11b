//! Where the cloud is: which endpoints are taken, and how they are reached.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{NoProxy, Proxy, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::gaap::client::ClientConfig;

/// Connections kept for the next call. Few: at 18 calls a second of 0.1 s each, two are enough.
const IDLE_CONNECTIONS: usize = 8;
/// Shorter than what gateways keep, so that the far side seldom closes a connection just as it is used again.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// A setting that cannot work, as a sentence that names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// A checked endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// Scheme and host, and the port if it is not the scheme's own.
    pub(super) origin: String,
    /// Value of the header Host: what is signed must be what is sent.
    pub(super) host: String,
}

impl Endpoint {
    /// `flag`: the setting, for the error sentence.
    pub(super) fn check(flag: &str, url: &Url, allow_insecure: bool) -> Result<Self, ConfigError> {
        let wrong = |why: &str| Err(ConfigError(format!("{flag} {why}")));
        let Some(name) = url.host_str().filter(|name| !name.is_empty()) else {
            return wrong("names no host; it is a URL such as https://gaap.tencentcloudapi.com");
        };
        if !matches!(url.scheme(), "https" | "http") {
            return wrong("must begin with https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("must not hold a user name or a password");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return wrong("must be a scheme and a host only: the API is served at /");
        }
        if url.scheme() == "http" && !allow_insecure {
            return wrong(
                "is plain http, which would send signed requests unprotected; use https, or set --allow-insecure-endpoint for a test",
            );
        }
        if is_local(url) && !allow_insecure {
            return wrong("is an address of this machine or link; set --allow-insecure-endpoint if that is meant");
        }
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self { url: url.clone(), origin: format!("{}://{host}", url.scheme()), host })
    }

    fn is_local(&self) -> bool {
        is_local(&self.url)
    }
}

/// Loopback, link-local (cloud metadata services live there) and the unspecified address.
fn is_local(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    match name.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// The STS endpoint that belongs to a GAAP endpoint: the same host with `gaap.` replaced by `sts.`; any other host
/// serves both itself.
pub fn default_sts_endpoint(endpoint: &Url) -> Url {
    let mut sts = endpoint.clone();
    if let Some(rest) = endpoint.host_str().and_then(|host| host.strip_prefix("gaap.")) {
        let replaced = format!("sts.{rest}");
        // A host that was valid stays valid with another first label.
        let _ = sts.set_host(Some(&replaced));
    }
    sts
}

/// The HTTP client. TLS by rustls with ring, given explicitly: a process-wide provider would have to be installed in
/// every test, and without one rustls panics.
pub(super) fn http_client(config: &ClientConfig, endpoints: [&Endpoint; 2]) -> Result<reqwest::Client, ConfigError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(config.ca_bundle.as_deref())?)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        // An attempt that reqwest repeated on its own would escape the pace.
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(config.request_timeout / 2)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIME)
        .no_proxy();
    let outside = endpoints.iter().any(|endpoint| endpoint.url.scheme() == "https" && !endpoint.is_local());
    if outside
        && config.proxy_from_environment
        && let Some(proxy) = proxy_of_environment(|name| std::env::var(name).ok())?
    {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| ConfigError(format!("no HTTP client can be made: {}", cause(&error.without_url()))))
}

/// `HTTPS_PROXY` with its exceptions in `NO_PROXY`; for https only, so that plain http to a simulator on loopback
/// never leaves the machine.
fn proxy_of_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, ConfigError> {
    let value = |names: [&str; 2]| names.into_iter().find_map(|name| lookup(name).filter(|value| !value.is_empty()));
    let Some(proxy) = value(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
    // The value may hold a password, so the error does not show it.
    let proxy = Proxy::https(proxy)
        .map_err(|_| ConfigError("the environment variable HTTPS_PROXY is no URL of a proxy".to_owned()))?;
    let exceptions = value(["NO_PROXY", "no_proxy"]).and_then(|list| NoProxy::from_string(&list));
    Ok(Some(proxy.no_proxy(exceptions)))
}

fn tls(ca_bundle: Option<&[u8]>) -> Result<rustls::ClientConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    for certificate in ca_bundle.map(certificates).transpose()?.unwrap_or_default() {
        roots
            .add(certificate)
            .map_err(|error| ConfigError(format!("--ca-bundle holds a certificate that cannot be used: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError(format!("no TLS client can be made: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(bundle)
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError(format!("--ca-bundle is no PEM file of certificates: {error}")))?;
    if certificates.is_empty() {
        return Err(ConfigError("--ca-bundle holds no certificate".to_owned()));
    }
    Ok(certificates)
}

/// The innermost causes of an error in one line: reqwest's own text says only which phase failed.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = chain.map(ToString::to_string).collect();
    texts.dedup();
    texts.iter().skip(usize::from(texts.len() > 1)).cloned().collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, allow_insecure: bool) -> Result<Endpoint, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        Endpoint::check("--gaap-endpoint", &url, allow_insecure).map_err(|error| error.0)
    }

    #[test]
    fn an_endpoint_is_https_to_another_machine() {
        for (url, host, origin) in [
            ("https://gaap.tencentcloudapi.com", "gaap.tencentcloudapi.com", "https://gaap.tencentcloudapi.com"),
            ("https://GAAP.example.com:443/", "gaap.example.com", "https://gaap.example.com"),
            ("https://gaap.example.com:8443/", "gaap.example.com:8443", "https://gaap.example.com:8443"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            let endpoint = check(url, false).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.origin.as_str()), (host, origin));
        }
    }

    #[test]
    fn plain_http_and_local_addresses_need_the_flag_and_the_error_names_it() {
        for url in [
            "http://gaap.tencentcloudapi.com",
            "https://localhost:8443",
            "https://sim.localhost",
            "https://localhost.",
            "https://127.0.0.1",
            "https://127.8.8.8:1",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]:8443",
            "https://[::ffff:127.0.0.1]/",
            "https://0.0.0.0",
            "https://169.254.169.254",
            "http://127.0.0.1:9",
        ] {
            let error = check(url, false).unwrap_err();
            assert!(
                error.starts_with("--gaap-endpoint") && error.contains("--allow-insecure-endpoint"),
                "{url}: {error}"
            );
            check(url, true).unwrap();
        }
    }

    #[test]
    fn an_endpoint_is_nothing_but_a_scheme_and_a_host() {
        for url in [
            "ftp://gaap.example.com",
            "data:text/plain,x",
            "https://user:secret@gaap.example.com",
            "https://secret@gaap.example.com",
            "https://gaap.example.com/v3",
            "https://gaap.example.com/?secret",
            "https://gaap.example.com/#secret",
        ] {
            let error = check(url, true).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_sts_endpoint_follows_the_gaap_endpoint() {
        for (gaap, sts) in [
            ("https://gaap.tencentcloudapi.com/", "https://sts.tencentcloudapi.com/"),
            ("https://gaap.intl.tencentcloudapi.com/", "https://sts.intl.tencentcloudapi.com/"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("https://mygaap.example.com/", "https://mygaap.example.com/"),
        ] {
            assert_eq!(default_sts_endpoint(&Url::parse(gaap).unwrap()).as_str(), sts);
        }
    }

    #[test]
    fn a_bundle_without_a_certificate_is_refused_by_name() {
        for bundle in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
            assert!(tls(Some(bundle)).unwrap_err().0.contains("--ca-bundle"));
        }
        assert!(tls(None).is_ok());
    }

    #[test]
    fn a_wrong_proxy_is_named_without_its_password() {
        let environment = |value: &'static str| move |name: &str| (name == "HTTPS_PROXY").then(|| value.to_owned());
        assert!(proxy_of_environment(environment("")).unwrap().is_none());
        assert!(proxy_of_environment(environment("http://proxy.example.com:3128")).unwrap().is_some());
        let error = proxy_of_environment(environment("http://user:canary@:0:0:/")).unwrap_err().0;
        assert!(error.contains("HTTPS_PROXY") && !error.contains("canary"), "{error}");
    }
}
