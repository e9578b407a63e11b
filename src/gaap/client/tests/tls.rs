//! TLS: only certificates of a trusted issuer, for the right name.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Url;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::destroy;
use crate::gaap::client::ClientConfig;
use crate::gaap::error::CallError;
use crate::gaap::testing::{Server, client_with, config};

/// A server with a certificate for `name`, and the certificate of its issuer.
async fn serve(name: &str) -> (Server, Vec<u8>) {
    let mut of_issuer = CertificateParams::new(Vec::new()).unwrap();
    of_issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(of_issuer, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::tcp(move |listener| async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let body = r#"{"Response":{"RequestId":"r-tls"}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (server, issuer.pem().into_bytes())
}

async fn call(server: &Server, ca_bundle: Option<Vec<u8>>) -> Result<String, CallError> {
    let url = Url::parse(&format!("https://{}", server.url.authority())).unwrap();
    let client = client_with(ClientConfig { ca_bundle, ..config(&url) });
    destroy(&client, &url).await.map(|answer| answer.request_id)
}

#[tokio::test]
async fn an_issuer_in_the_bundle_is_trusted_for_the_right_name_only() {
    let (right, issuer) = serve(&Ipv4Addr::LOCALHOST.to_string()).await;
    assert_eq!(call(&right, Some(issuer.clone())).await.unwrap(), "r-tls");

    let (wrong, its_issuer) = serve("gaap.example.com").await;
    for (server, bundle) in [(&right, None), (&wrong, Some(its_issuer)), (&wrong, Some(issuer))] {
        let error = call(server, bundle).await.unwrap_err();
        assert!(error.is_not_sent() && error.is_transport(), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_nothing() {
    let server = Server::tcp(|listener| async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    assert!(call(&server, None).await.unwrap_err().is_not_sent());
}
