//! The keys, certificates and tokens of one control plane, made anew for each and gone with its folder.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{Error, Result};
use crate::random;

/// The names a client may use for the API server; the last two are those of a pod of a node.
const NAMES: [&str; 6] = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc", "10.96.0.1", "10.199.0.1"];

/// The files the API server is started with.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// The authority that signed the serving certificate.
    pub(crate) ca_file: PathBuf,
    pub(crate) serving_certificate: PathBuf,
    pub(crate) serving_key: PathBuf,
    /// By which the API server shows the kubelet of a node who it is.
    pub(crate) kubelet_client_certificate: PathBuf,
    pub(crate) kubelet_client_key: PathBuf,
    /// Signs the tokens of ServiceAccounts.
    pub(crate) service_account_key: PathBuf,
    /// Verifies them.
    pub(crate) service_account_public_key: PathBuf,
    /// One line for each static token (`--token-auth-file`).
    pub(crate) tokens: PathBuf,
    /// The administrator's token alone.
    pub(crate) admin_token: PathBuf,
}

impl Credentials {
    /// Makes everything below `folder`, which must exist.
    ///
    /// The API server could make a serving certificate itself; with our own, the authority is known before the server
    /// runs, and elliptic keys are made in no time where its RSA keys take up to a second.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let made = Self {
            ca_file: folder.join("ca.crt"),
            serving_certificate: folder.join("serving.crt"),
            serving_key: folder.join("serving.key"),
            kubelet_client_certificate: folder.join("kubelet-client.crt"),
            kubelet_client_key: folder.join("kubelet-client.key"),
            service_account_key: folder.join("service-account.key"),
            service_account_public_key: folder.join("service-account.pub"),
            tokens: folder.join("tokens.csv"),
            admin_token: folder.join("admin.token"),
        };
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "gaap-operator test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let serving_key = KeyPair::generate()?;
        let mut serving = CertificateParams::new(NAMES.map(String::from))?;
        serving.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        serving.use_authority_key_identifier_extension = true;
        let serving = serving.signed_by(&serving_key, &authority)?;
        let client_key = KeyPair::generate()?;
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "kube-apiserver-kubelet-client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = client.signed_by(&client_key, &authority)?;

        let admin_token = random::hexadecimal::<16>()?;
        write(&made.ca_file, &authority.pem())?;
        write(&made.serving_certificate, &serving.pem())?;
        write(&made.serving_key, &serving_key.serialize_pem())?;
        write(&made.kubelet_client_certificate, &client.pem())?;
        write(&made.kubelet_client_key, &client_key.serialize_pem())?;
        let service_accounts = KeyPair::generate()?;
        write(&made.service_account_key, &service_accounts.serialize_pem())?;
        write(&made.service_account_public_key, &service_accounts.public_key_pem())?;
        write(&made.tokens, &format!("{admin_token},admin,admin,\"system:masters\"\n"))?;
        write(&made.admin_token, &admin_token)?;
        Ok(made)
    }
}

/// Writes a file that only this user can read.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Error::file("write", path, error))
}

/// Reads a file of ours.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))
}

/// Writes a kubeconfig with one cluster, one user and one context.
///
/// It is JSON, which is YAML as well, so nothing has to be quoted by hand.
pub(crate) fn write_kubeconfig(
    path: &Path,
    server_url: &str,
    ca_file: &Path,
    user: &str,
    token: &str,
    namespace: &str,
) -> Result<()> {
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "gaap", "cluster": {"server": server_url, "certificate-authority": ca_file}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "gaap", "context": {"cluster": "gaap", "user": user, "namespace": namespace}}],
        "current-context": "gaap",
    });
    write(path, &format!("{kubeconfig:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_file_is_made_for_this_user_only_and_no_two_tokens_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let made = Credentials::make(folder.path()).unwrap();
        let first = std::fs::read_to_string(&made.admin_token).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        let made = Credentials::make(folder.path()).unwrap();
        assert_ne!(first, std::fs::read_to_string(&made.admin_token).unwrap());
        assert!(std::fs::read_to_string(&made.service_account_key).unwrap().starts_with("-----BEGIN PRIVATE KEY"));
    }
}
