//! The cluster of somebody else's kubeconfig (kind, k3d, a real one), used instead of a control plane of our own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::binaries::Clients;
use crate::credentials::write;
use crate::error::{Error, Result, tail};
use crate::guard::Guard;
use crate::random;

/// The variable that chooses the cluster of the tests; `kubeconfig` means that of `KUBECONFIG`.
///
/// `KUBECONFIG` alone is not enough: many people have it set all day to a cluster that no test should touch.
pub const TEST_CLUSTER: &str = "GAAP_TEST_CLUSTER";

/// A cluster may be far away, and its credentials may come from a program that asks yet another service.
const LIMIT: Duration = Duration::from_secs(60);

/// What we have of such a cluster: a folder of ours with its kubeconfig.
#[derive(Debug)]
pub(crate) struct Foreign {
    guard: Guard,
    kubeconfig: PathBuf,
    /// Its entry in the kubeconfig, with certificates and all, but without a user.
    cluster: Value,
    clients: Clients,
}

/// The kubeconfig that the environment names for the tests, if it does.
pub(crate) fn asked_for() -> Result<Option<OsString>> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    match set(TEST_CLUSTER) {
        None => Ok(None),
        Some(value) if value == "kubeconfig" => {
            set("KUBECONFIG").map(Some).ok_or_else(|| unusable("KUBECONFIG is not set"))
        }
        Some(value) => Err(unusable(&format!("{} is no value it has; the only one is 'kubeconfig'", value.display()))),
    }
}

impl Foreign {
    /// Takes the current context of this kubeconfig, a path or a list of paths.
    pub(crate) async fn attach(kubeconfig: &OsStr) -> Result<Self> {
        let clients = Clients::find_or_build().await?;
        let guard = Guard::new(&std::env::temp_dir(), "gaap-cluster").await?;
        for name in ["kubeconfigs", "cache"] {
            let folder = guard.folder().join(name);
            std::fs::create_dir(&folder).map_err(|error| Error::file("make", &folder, error))?;
        }
        let mut command = Command::new(&clients.kubectl);
        command.env("KUBECONFIG", kubeconfig);
        // Flattened, because certificates may be in files beside the original.
        let text = output(command.args(["config", "view", "--minify", "--flatten", "--raw", "--output=json"])).await?;
        let parsed: Value = serde_json::from_str(&text).map_err(|error| unusable(&error.to_string()))?;
        let cluster = parsed.pointer("/clusters/0/cluster").cloned().unwrap_or_default();
        let foreign = Self { kubeconfig: guard.folder().join("admin.kubeconfig"), guard, cluster, clients };
        write(&foreign.kubeconfig, &text)?;
        output(foreign.client(&foreign.clients.kubectl).args(["get", "--raw", "/version"])).await?;
        Ok(foreign)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.guard.folder()
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(crate) fn server_url(&self) -> &str {
        self.cluster.get("server").and_then(Value::as_str).unwrap_or_default()
    }

    /// kubectl or helm. The user's environment stays, because programs that fetch credentials need it; what is written
    /// on the way goes to our folder.
    pub(crate) fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let cache = self.folder().join("cache");
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", cache.join("kubectl"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, cache.join(name));
        }
        command.env_remove("HELM_NAMESPACE").env_remove("HELM_KUBECONTEXT");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub(crate) async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
    ) -> Result<String> {
        let mut command = self.client(&self.clients.kubectl);
        command.args(["create", "token", name, "--namespace", namespace, "--duration"]);
        let text = output(command.arg(format!("{}s", lifetime.as_secs()))).await?;
        Ok(text.trim().to_owned())
    }

    /// Writes a kubeconfig of this cluster with another user.
    pub(crate) fn write_kubeconfig(&self, user: &str, token: &str, namespace: &str) -> Result<PathBuf> {
        let path = self.folder().join("kubeconfigs").join(random::hexadecimal::<8>()?);
        write(&path, &format!("{:#}\n", with_user(&self.cluster, user, token, namespace)))?;
        Ok(path)
    }

    /// Removes our folder; the cluster stays.
    pub(crate) async fn end(self) -> Result<()> {
        self.guard.end().await
    }
}

fn with_user(cluster: &Value, user: &str, token: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "gaap", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "gaap", "context": {"cluster": "gaap", "user": user, "namespace": namespace}}],
        "current-context": "gaap",
    })
}

async fn output(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output())
        .await
        .map_err(|_| unusable(&format!("no answer within {} s", LIMIT.as_secs())))?
        .map_err(|error| unusable(&error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(unusable(&tail(&String::from_utf8_lossy(&output.stderr))))
}

fn unusable(reason: &str) -> Error {
    Error::ForeignCluster { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_gets_the_cluster_as_it_is_and_nothing_of_the_first_user() {
        let cluster = json!({"server": "https://192.0.2.1:6443", "insecure-skip-tls-verify": true});
        let made = with_user(&cluster, "games:operator", "token", "games");
        assert_eq!(made.pointer("/clusters/0/cluster"), Some(&cluster));
        assert_eq!(made.pointer("/users/0/user"), Some(&json!({"token": "token"})));
        assert_eq!(made.pointer("/contexts/0/context/namespace"), Some(&json!("games")));
    }
}
