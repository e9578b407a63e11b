//! What both stories show: the samples, a deletion and what the cloud received of it.

use std::path::Path;
use std::time::Duration;

use control_plane::Position;

use crate::error::{Result, promise};
use crate::patience::until;
use crate::received::{Destruction, HEADER, destroyed_once, rows};
use crate::rights::nothing_refused;
use crate::screen::Screen;
use crate::simulator::{Proxy, Simulator};
use crate::terminal::Terminal;

/// Release, ServiceAccount and Secret are in this namespace.
pub const NAMESPACE: &str = "gaap-system";
/// The release, and with it the ServiceAccount.
pub const RELEASE: &str = "gaap-operator";
/// The Secret with the credentials.
pub const SECRET: &str = "gaap-credentials";
/// The chart.
pub const CHART: &str = "deploy/helm/gaap-operator";

/// Nothing in the demo takes longer on a machine that works.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A resource of deploy/samples.
#[derive(Debug)]
pub struct Sample {
    /// The name of the resource.
    pub name: &'static str,
    /// `spec.proxyId`.
    pub proxy: &'static str,
    /// `spec.force`.
    pub force: bool,
}

/// The plain case.
pub const EDGE: Sample = Sample { name: "edge-sg", proxy: "link-sim00001", force: false };
/// With `force: true`.
pub const FORCED: Sample = Sample { name: "forced", proxy: "link-sim00002", force: true };
/// With `deletionPolicy: Retain`.
pub const KEPT: Sample = Sample { name: "kept", proxy: "link-sim00003", force: false };
/// Plain as well: the request to destroy it has to be repeated.
pub const REPEATED: Sample = Sample { name: "edge-jp", proxy: "link-sim00004", force: false };

/// Writes the credentials into a Secret of the release's namespace.
pub async fn make_secret(terminal: &Terminal<'_>, credentials: &Path) -> Result<()> {
    let files = format!("--from-file={}", credentials.display());
    terminal.kubectl(&["create", "secret", "generic", SECRET, "-n", NAMESPACE, &files]).await
}

/// Creates all samples and waits until each one has found its proxy.
pub async fn apply_samples(terminal: &Terminal<'_>) -> Result<()> {
    terminal.kubectl(&["apply", "-f", "deploy/samples"]).await?;
    terminal.kubectl(&["wait", "--for=condition=Ready", "gaapproxies", "--all", "--timeout=30s"]).await?;
    terminal.kubectl(&["get", "gaapproxies"]).await
}

/// Deletes a resource to which nothing happens on the way, and looks on; `kind` is how kubectl is told what it is.
pub async fn delete_undisturbed(
    terminal: &Terminal<'_>,
    simulator: &Simulator,
    sample: &Sample,
    kind: &str,
) -> Result<()> {
    let before = simulator.position().await?;
    let arguments = ["delete", kind, sample.name];
    tokio::try_join!(terminal.kubectl(&arguments), look_meanwhile(terminal, sample))?;
    let destruction = show_and_judge(terminal, simulator, before, sample).await?;
    promise(destruction.requests == 1, || format!("nothing failed, yet {} requests were sent", destruction.requests))
}

/// What somebody else sees while kubectl waits. On a machine so slow that the moment is missed, nothing is shown.
async fn look_meanwhile(terminal: &Terminal<'_>, sample: &Sample) -> Result<()> {
    let step = r#"jsonpath={.status.conditions[?(@.type=="Deleting")].reason}"#;
    let being_destroyed = until("The destruction", LIMIT, async || {
        let seen = terminal.ask_kubectl(&["get", "gaapproxy", sample.name, "-o", step]).await?;
        Ok(match seen.as_deref() {
            None => Ok(false),
            Some("Destroying") => Ok(true),
            Some(other) => Err(format!("its step is {other:?}")),
        })
    });
    if being_destroyed.await? {
        terminal.screen.say("(meanwhile, in another terminal:)")?;
        terminal.kubectl(&["get", "gaapproxies"]).await?;
    }
    Ok(())
}

/// Waits until the cloud has had so many requests to destroy the proxy of this sample.
pub async fn wait_for_destroys(
    what: &str,
    simulator: &Simulator,
    before: u64,
    sample: &Sample,
    wanted: usize,
) -> Result<()> {
    until(what, LIMIT, async || {
        let requests = simulator.received_so_far(before).await?;
        let sent = requests.iter().filter(|request| request.destroys(sample.proxy)).count();
        Ok(if sent >= wanted { Ok(()) } else { Err(format!("{sent} so far")) })
    })
    .await
}

/// Shows what the cloud received about the proxy of a deleted resource, and checks that it went as it must.
pub async fn show_and_judge(
    terminal: &Terminal<'_>,
    simulator: &Simulator,
    before: u64,
    sample: &Sample,
) -> Result<Destruction> {
    let requests = simulator.received(before).await?;
    terminal.screen.say("The cloud received:")?;
    terminal.screen.table(HEADER, &rows(&requests, sample.proxy))?;
    let proxies = simulator.proxies().await?;
    promise(proxies.iter().all(|proxy| proxy.id != sample.proxy), || format!("{} still exists", sample.proxy))?;
    is_gone(terminal, sample).await?;
    destroyed_once(&requests, sample.proxy, sample.force)
}

/// Shows that a lost answer made a second request, with the token of the first one, and no second destruction.
pub fn judge_repeat(screen: &Screen, destruction: &Destruction) -> Result<()> {
    promise(destruction.first_answer_lost && destruction.requests > 1, || {
        format!("the request was to be repeated after a lost answer, and there are {}", destruction.requests)
    })?;
    screen.say(format!("{} requests, one ClientToken: {}", destruction.requests, destruction.client_token))?;
    screen.say("The cloud knew the repeat by it, and destroyed once.")
}

/// Checks that a resource is not there any more.
pub async fn is_gone(terminal: &Terminal<'_>, sample: &Sample) -> Result<()> {
    let left = terminal.ask_kubectl(&["get", "gaapproxy", sample.name, "--ignore-not-found", "-o", "name"]).await?;
    promise(left.as_deref().map(str::trim) == Some(""), || format!("the resource {} is still there", sample.name))
}

/// Shows the proxies of the cloud.
pub async fn show_proxies(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<Vec<Proxy>> {
    let proxies = simulator.proxies().await?;
    let row = |proxy: &Proxy| {
        let origins = if proxy.bound { "bound" } else { "none" };
        [proxy.id.clone(), proxy.status.clone(), origins.to_owned(), proxy.accepted_destroys.to_string()]
    };
    let header = ["PROXY", "STATUS", "ORIGINS", "ACCEPTED DESTROYS"];
    terminal.screen.table(header, &proxies.iter().map(row).collect::<Vec<_>>())?;
    Ok(proxies)
}

/// Checks that the API server refused the operator nothing, and counts what it asked for.
pub async fn nothing_was_refused(terminal: &Terminal<'_>) -> Result<usize> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let entries = terminal.plane.settled_audit(Position::default()).await?;
    nothing_refused(&entries, &user)
}

/// The last words, when nothing is left.
///
/// # Errors
/// When nobody reads the output.
pub fn close(screen: &Screen, kept: bool) -> Result<()> {
    let told = match kept {
        // The reader knows, and played since then.
        true => "Ended".to_owned(),
        false => format!("All of it was checked and holds. Done in {:.0} s", screen.seconds()),
    };
    screen.conclude(&format!("{told}; nothing is left running."))
}

/// How to go on playing: with the cluster, with the programs, and with the proxies `free` that no resource names.
pub fn invite(terminal: &Terminal<'_>, simulator: &Simulator, step: usize, free: &str) -> Result<()> {
    let screen = terminal.screen;
    screen.step(step, "Everything shown was checked and holds, and is left running. In another terminal:")?;
    screen.command(&format!("export KUBECONFIG={}", terminal.plane.admin_kubeconfig().display()))?;
    screen.command(&format!("export PATH={}/bin:$PATH", terminal.guard.folder().display()))?;
    screen.command("kubectl get gaapproxies")?;
    screen.say(format!("{free} are yours:"))?;
    screen.command("sed s/00001/00005/ deploy/samples/edge-sg.yaml | kubectl apply -f -")?;
    screen.command("kubectl delete gaap edge-sg")?;
    screen.say("What the cloud has, and what it has received:")?;
    screen.command(&format!("curl {}/_sim/proxies", simulator.url()))?;
    screen.command(&format!("curl {}/_sim/requests", simulator.url()))
}
