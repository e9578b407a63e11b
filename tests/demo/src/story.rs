//! The main job, step by step: what is shown, and what must be true of it.

use control_plane::free_port;

use crate::error::{Result, promise};
use crate::operator::{Files, Operator};
use crate::programs::Programs;
use crate::received::Received;
use crate::scenes::{
    self, CHART, EDGE, FORCED, KEPT, NAMESPACE, RELEASE, REPEATED, SECRET, judge_repeat, show_and_judge, show_proxies,
};
use crate::screen::Screen;
use crate::simulator::{Simulator, answer_lost, stale_after_accept};
use crate::terminal::Terminal;

/// How many steps there are.
pub const STEPS: usize = 10;

/// How long an accepted destroy takes in the simulated cloud. How long it takes in the real one is not documented.
const DESTROY_DURATION: &str = "3s";
/// One for each sample, and two to play with.
const PROXIES: u32 = 6;

/// Who plays: both end when this is dropped.
#[derive(Debug)]
pub struct Cast {
    simulator: Simulator,
    operator: Operator,
}

/// What is shown before the cluster starts.
///
/// # Errors
/// When nobody reads the output.
pub fn open(screen: &Screen) -> Result<()> {
    screen.print("gaap-operator: deleting a GaapProxy resource destroys its proxy in the cloud, exactly once.")?;
    screen.print("Real: etcd, kube-apiserver with RBAC, kubectl, helm, the operator. Simulated: the cloud alone.")?;
    screen.step(1, "Start etcd and kube-apiserver on 127.0.0.1, with RBAC and an audit log")?;
    screen.say("Changed: etcd does not wait for the disk, for its data goes with the demo.")
}

/// Everything from the running API server to the last deletion.
///
/// # Errors
/// When something fails, or when what is shown is not what was promised.
pub async fn tell(terminal: &Terminal<'_>, programs: &Programs) -> Result<Cast> {
    terminal.kubectl(&["version"]).await?;
    let simulator = start_cloud(terminal, programs).await?;
    install(terminal).await?;
    let operator = start_operator(terminal, programs, &simulator).await?;
    apply_samples(terminal).await?;
    delete_one(terminal, &simulator).await?;
    delete_with_a_lost_answer(terminal, &simulator).await?;
    delete_with_a_lost_answer_and_late_reads(terminal, &simulator).await?;
    retain(terminal, &simulator).await?;
    Ok(Cast { simulator, operator })
}

async fn start_cloud(terminal: &Terminal<'_>, programs: &Programs) -> Result<Simulator> {
    let screen = terminal.screen;
    screen.step(2, "Start the simulated cloud with a few proxies, older than the two minutes that GAAP asks for")?;
    screen.say(format!(
        "A destroy takes {DESTROY_DURATION} in it; how long it takes in the real one is not documented."
    ))?;
    let simulator = Simulator::start(terminal.guard, &programs.simulator, PROXIES, DESTROY_DURATION).await?;
    simulator.bind_origins(FORCED.proxy).await?;
    screen.say(format!("gaap-simulator listens on {}; its proxies:", simulator.url()))?;
    show_proxies(terminal, &simulator).await?;
    Ok(simulator)
}

async fn install(terminal: &Terminal<'_>) -> Result<()> {
    let screen = terminal.screen;
    screen.step(3, "Install the chart: CRD, ServiceAccount, RBAC, Deployment")?;
    screen.say("Changed: replicaCount=0, because this cluster has no node that could run a pod.")?;
    terminal.kubectl(&["create", "namespace", NAMESPACE]).await?;
    let files = Files::of(terminal.guard);
    files.write_credentials()?;
    scenes::make_secret(terminal, &files.credentials).await?;
    let secret = format!("credentials.existingSecret={SECRET}");
    let chart = ["install", RELEASE, CHART, "-n", NAMESPACE];
    let settings = ["--set", "replicaCount=0", "--set", &secret, "--hide-notes"];
    terminal.helm(&[&chart[..], &settings[..]].concat()).await?;
    let served = ["wait", "--for=condition=Established", "crd/gaapproxies.gaap-operator.io", "--timeout=30s"];
    terminal.kubectl(&served).await
}

async fn start_operator(terminal: &Terminal<'_>, programs: &Programs, simulator: &Simulator) -> Result<Operator> {
    let screen = terminal.screen;
    screen.step(4, "Run the operator outside the cluster, with the rights of the chart's ServiceAccount alone")?;
    let files = Files::of(terminal.guard);
    files.write_kubeconfig(terminal.plane, NAMESPACE, RELEASE).await?;
    let kubeconfig = files.kubeconfig.display().to_string();
    screen.say("Its kubeconfig holds a token of the ServiceAccount, from the TokenRequest API:")?;
    let identity =
        ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}{\"\\n\"}", "--kubeconfig", &kubeconfig];
    terminal.kubectl(&identity).await?;
    let [metrics, health] = two_free_addresses()?;
    let flags = [
        format!("--gaap-endpoint={}", simulator.url()),
        "--allow-insecure-endpoint".to_owned(),
        format!("--credentials-dir={}", files.credentials.display()),
        "--destroy-poll=1s".to_owned(),
        "--absence-spacing=1s".to_owned(),
        format!("--metrics-bind-address={metrics}"),
        format!("--health-probe-bind-address={health}"),
    ];
    screen
        .say("Changed: endpoint, addresses; --destroy-poll and --absence-spacing from 5s to 1s, to save you time.")?;
    screen.say("Not changed: --minimum-age, --settle-time, pace and time limits.")?;
    let shown: Vec<&str> = std::iter::once("run").chain(flags.iter().map(String::as_str)).collect();
    terminal.type_in(&format!("KUBECONFIG={kubeconfig} gaap-operator"), &shown)?;
    let operator = Operator::start(terminal.guard, &programs.operator, &files, &flags, &health).await?;
    screen.say("Its /readyz says: ok.")?;
    Ok(operator)
}

fn two_free_addresses() -> Result<[String; 2]> {
    let one = free_port()?;
    let mut other = one;
    while other == one {
        other = free_port()?;
    }
    Ok([one, other].map(|port| format!("127.0.0.1:{port}")))
}

async fn apply_samples(terminal: &Terminal<'_>) -> Result<()> {
    terminal.screen.step(5, "Create a resource for each of four proxies; the operator finds them in the cloud")?;
    scenes::apply_samples(terminal).await
}

async fn delete_one(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<()> {
    let screen = terminal.screen;
    screen.step(6, "Delete one resource: kubectl returns when its proxy is proved gone")?;
    scenes::delete_undisturbed(terminal, simulator, &EDGE, "gaapproxy").await?;
    screen.say("One request, one destroyed proxy, then two looks in a row that did not find it. The events say so:")?;
    terminal.kubectl(&["events", "--for", "gaapproxy/edge-sg"]).await
}

async fn delete_with_a_lost_answer(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<()> {
    let screen = terminal.screen;
    screen.step(7, "Delete another, and lose the cloud's answer: it has acted, the operator does not know")?;
    screen.say("Origin servers are bound to this one. Its spec says force: true, so Force=1 goes to the cloud.")?;
    let before = simulator.position().await?;
    simulator.add_fault(&answer_lost(FORCED.proxy)).await?;
    terminal.kubectl(&["delete", "gaapproxy", FORCED.name]).await?;
    let destruction = show_and_judge(terminal, simulator, before, &FORCED).await?;
    promise(destruction.first_answer_lost, || "the first answer was to be lost, but it arrived".to_owned())?;
    screen.say(match destruction.requests {
        1 => "Not knowing, the operator looked first, and the look made a second request unnecessary.".to_owned(),
        number => format!("The same request was sent {number} times with the same ClientToken, and accepted once."),
    })
}

async fn delete_with_a_lost_answer_and_late_reads(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<()> {
    let screen = terminal.screen;
    screen.step(8, "Lose an answer once more, and let the cloud's reads lag behind: the look still shows RUNNING")?;
    let before = simulator.position().await?;
    simulator.add_fault(&answer_lost(REPEATED.proxy)).await?;
    let stale = simulator.add_fault(&stale_after_accept(REPEATED.proxy)).await?;
    let deletion = terminal.kubectl(&["delete", "gaapproxy", REPEATED.name]);
    let end_of_the_lag = async {
        scenes::wait_for_destroys("A second request to destroy the proxy", simulator, before, &REPEATED, 2).await?;
        simulator.remove_fault(stale).await
    };
    tokio::try_join!(deletion, end_of_the_lag)?;
    let destruction = show_and_judge(terminal, simulator, before, &REPEATED).await?;
    judge_repeat(screen, &destruction)
}

async fn retain(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<()> {
    let screen = terminal.screen;
    screen.step(9, "Delete a resource with deletionPolicy: Retain: it goes at once, and its proxy stays")?;
    let before = simulator.position().await?;
    terminal.kubectl(&["delete", "gaapproxy", KEPT.name]).await?;
    scenes::is_gone(terminal, &KEPT).await?;
    let asked: Vec<Received> = simulator.received(before).await?;
    promise(asked.is_empty(), || format!("the cloud was asked {} times", asked.len()))?;
    let all = simulator.received(0).await?;
    promise(!all.iter().any(|request| request.destroys(KEPT.proxy)), || {
        format!("a request to destroy {} was sent", KEPT.proxy)
    })?;
    screen.say("The cloud received nothing. It still has:")?;
    let proxies = show_proxies(terminal, simulator).await?;
    let kept = proxies.iter().find(|proxy| proxy.id == KEPT.proxy);
    promise(kept.is_some_and(|proxy| proxy.status == "RUNNING" && proxy.accepted_destroys == 0), || {
        format!("{} was to stay RUNNING, but is {kept:?}", KEPT.proxy)
    })
}

/// The last step: the operator ends, and what the API server says of it is looked at.
///
/// # Errors
/// When the operator does not end well, or was refused something.
pub async fn curtain(terminal: &Terminal<'_>, cast: Cast) -> Result<()> {
    let screen = terminal.screen;
    screen.step(STEPS, "End the operator with SIGTERM, as a node does; then everything else")?;
    let status = cast.operator.stop().await?;
    promise(status.success(), || format!("the operator was to end with status 0, but: {status}"))?;
    let requests = scenes::nothing_was_refused(terminal).await?;
    screen.say(format!("It ended with status 0. The API server refused none of its {requests} requests."))
}

/// How to go on playing.
///
/// # Errors
/// When nobody reads the output.
pub fn invite(terminal: &Terminal<'_>, cast: &Cast) -> Result<()> {
    let screen = terminal.screen;
    scenes::invite(terminal, &cast.simulator, STEPS, "link-sim00003, link-sim00005 and link-sim00006")?;
    screen.say(format!("What the operator says: {}", Files::of(terminal.guard).log.display()))?;
    screen.say("Ctrl-C ends all of it.")
}
