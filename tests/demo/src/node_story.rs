//! The same job on a node: the operator's image in pods as the chart has it, and a leader that is killed in mid-deletion.

use std::path::Path;
use std::time::Duration;

use control_plane::{Node, tail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::error::{Error, Result, promise};
use crate::operator::Files;
use crate::patience::until;
use crate::programs::Images;
use crate::scenes::{
    self, CHART, EDGE, FORCED, KEPT, LIMIT, NAMESPACE, RELEASE, REPEATED, SECRET, Sample, judge_repeat, show_and_judge,
    show_proxies,
};
use crate::screen::Screen;
use crate::simulator::{Simulator, hang, stale_after_accept};
use crate::terminal::Terminal;

/// How many steps there are.
pub const STEPS: usize = 9;

/// Namespace, Deployment and Service of the simulated cloud.
const CLOUD_MANIFEST: &str = "tests/demo/gaap-simulator.yaml";
/// The namespace in there.
const CLOUD: &str = "gaap-cloud";

/// A crashed leader is replaced within one lease of 15 s; the rest is for a machine that is busy.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(15 + 10);

/// What is shown before the node starts.
///
/// # Errors
/// When nobody reads the output.
pub fn open(screen: &Screen) -> Result<()> {
    screen.print("gaap-operator: deleting a GaapProxy resource destroys its proxy in the cloud, exactly once.")?;
    screen.print("Real: Kubernetes with a node that runs pods, kubectl, helm, the operator's image in two pods.")?;
    screen.print("Simulated: the cloud alone.")?;
    screen.step(1, "Start Kubernetes with one node: containerd, runc, kubelet, kube-proxy and the control plane")?;
    screen.say("All of it is in namespaces of its own, with a port on 127.0.0.1; nothing is installed.")?;
    screen.say("Changed: etcd does not wait for the disk, for its data goes with the demo.")
}

/// Everything from the running node to the last deletion.
///
/// # Errors
/// When something fails, or when what is shown is not what was promised.
pub async fn tell(terminal: &Terminal<'_>, images: &Images) -> Result<Simulator> {
    let node = terminal.plane.node().ok_or_else(|| Error::Promise("the control plane has no node".to_owned()))?;
    terminal.kubectl(&["get", "nodes"]).await?;
    import(terminal, node, images).await?;
    let simulator = start_cloud(terminal).await?;
    install(terminal).await?;
    let leader = show_pods(terminal).await?;
    terminal.screen.step(6, "Create a resource for each of four proxies; the leader finds them in the cloud")?;
    scenes::apply_samples(terminal).await?;
    delete_one(terminal, &simulator, &leader).await?;
    delete_and_kill(terminal, node, &simulator, &leader).await?;
    Ok(simulator)
}

async fn import(terminal: &Terminal<'_>, node: &Node, images: &Images) -> Result<()> {
    let screen = terminal.screen;
    screen.step(2, "Give the node the two images that `make image` has made; no registry is asked")?;
    tokio::try_join!(node.import_image(&images.operator), node.import_image(&images.simulator))?;
    for path in [&images.operator, &images.simulator] {
        screen.say(format!("{}, {}", path.display(), size(path)?))?;
    }
    Ok(())
}

fn size(path: &Path) -> Result<String> {
    let bytes = std::fs::metadata(path).map_err(Error::file("read", path))?.len();
    let tenths = bytes / 100_000;
    Ok(format!("{}.{} MB", tenths / 10, tenths % 10))
}

/// Starts the simulated cloud, and a way to its control API: through the API server, as on anybody's cluster.
async fn start_cloud(terminal: &Terminal<'_>) -> Result<Simulator> {
    let screen = terminal.screen;
    screen.step(3, "Run the simulated cloud as a pod, in a namespace that enforces the standard \"restricted\"")?;
    terminal.kubectl(&["apply", "-f", CLOUD_MANIFEST]).await?;
    terminal.kubectl(&["rollout", "status", "deployment/gaap-simulator", "-n", CLOUD, "--timeout=50s"]).await?;
    let (way, said) = terminal.start_kubectl(&["proxy", "--port=0"]).await?;
    let address = said.rsplit(' ').next().unwrap_or_default();
    let service = format!("http://{address}/api/v1/namespaces/{CLOUD}/services/gaap-simulator:http/proxy");
    let simulator = Simulator::reached(service, way)?;
    screen.say("Its proxies, older than the two minutes that GAAP asks for, from its control API:")?;
    show_proxies(terminal, &simulator).await?;
    Ok(simulator)
}

async fn install(terminal: &Terminal<'_>) -> Result<()> {
    let screen = terminal.screen;
    screen.step(4, "Install the chart into another such namespace; helm waits until both pods are ready")?;
    screen.say("Changed: the endpoint, by its address because this node has no DNS, and plain http;")?;
    screen.say("--destroy-poll and --absence-spacing from 5s to 1s, to save you time. Not changed: all else.")?;
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    terminal.kubectl(&["create", "namespace", NAMESPACE]).await?;
    terminal.kubectl(&["label", "namespace", NAMESPACE, restricted]).await?;
    let files = Files::of(terminal.guard);
    files.write_credentials()?;
    scenes::make_secret(terminal, &files.credentials).await?;
    let service = ["get", "service", "gaap-simulator", "-n", CLOUD, "-o", "jsonpath={.spec.clusterIP}"];
    let values = [
        format!("credentials.existingSecret={SECRET}"),
        format!("cloud.endpoint=http://{}:8080", terminal.kubectl_says(&service).await?.trim()),
        "cloud.allowInsecureEndpoint=true".to_owned(),
        "extraArgs={--destroy-poll=1s,--absence-spacing=1s}".to_owned(),
    ];
    let mut arguments = vec!["install", RELEASE, CHART, "-n", NAMESPACE, "--wait", "--hide-notes"];
    for value in &values {
        arguments.extend(["--set", value]);
    }
    terminal.helm(&arguments).await
}

/// Shows the pods and the Lease, and returns the pod that leads.
async fn show_pods(terminal: &Terminal<'_>) -> Result<String> {
    let screen = terminal.screen;
    screen.step(5, "Look at the two pods, and at the Lease by which they agree on the one that acts")?;
    terminal.kubectl(&["get", "pods", "-n", NAMESPACE]).await?;
    let restarts = restarts(terminal).await?;
    promise(restarts.len() == 2 && restarts.iter().all(|pod| pod.ready && pod.restarts == 0), || {
        format!("two pods were to be ready without a restart, but: {restarts:?}")
    })?;
    let identity = another_leader(terminal, "").await?;
    terminal.kubectl(&["get", "lease", "-n", NAMESPACE]).await?;
    let leader = pod_of(&identity);
    promise(restarts.iter().any(|pod| pod.name == leader), || format!("no pod is named {leader}, as the Lease says"))?;
    screen.say(format!("{leader} leads; the other stands by."))?;
    Ok(identity)
}

async fn delete_one(terminal: &Terminal<'_>, simulator: &Simulator, leader: &str) -> Result<()> {
    let screen = terminal.screen;
    screen.step(7, "Delete one resource: kubectl returns when its proxy is proved gone")?;
    scenes::delete_undisturbed(terminal, simulator, &EDGE, "gaap").await?;
    screen.say("One request, one destroyed proxy, then two looks that did not find it. The leader's log says so:")?;
    show_log(terminal, leader, &EDGE).await
}

/// Shows what a pod has logged of a resource: one line a reconcile that did something.
async fn show_log(terminal: &Terminal<'_>, identity: &str, sample: &Sample) -> Result<()> {
    let text = format!("resource=\"default/{}\"", sample.name);
    let log = terminal.kubectl_lines(&["logs", pod_of(identity), "-n", NAMESPACE], &text).await?;
    let says = |words: &str| log.iter().any(|line| line.contains(words));
    promise(says("sent=") && says("released="), || {
        format!("the log of {identity} does not say that the proxy of {} was destroyed", sample.name)
    })
}

async fn delete_and_kill(terminal: &Terminal<'_>, node: &Node, simulator: &Simulator, leader: &str) -> Result<()> {
    let screen = terminal.screen;
    screen.step(8, "Delete another. The cloud destroys and does not answer: in that moment the leader is killed")?;
    screen.say("And as if that were not enough, the cloud's reads lag behind: a look still shows RUNNING.")?;
    let before = simulator.position().await?;
    let hung = simulator.add_fault(&hang(REPEATED.proxy)).await?;
    let stale = simulator.add_fault(&stale_after_accept(REPEATED.proxy)).await?;
    let deletion = terminal.kubectl(&["delete", "gaap", REPEATED.name]);
    let crash = async {
        scenes::wait_for_destroys("A request to destroy the proxy", simulator, before, &REPEATED, 1).await?;
        let successor = kill_leader(terminal, node, leader).await?;
        scenes::wait_for_destroys("A second request to destroy the proxy", simulator, before, &REPEATED, 2).await?;
        // Who asked first has been gone for seconds: the simulator only notes that.
        simulator.remove_fault(hung).await?;
        simulator.remove_fault(stale).await?;
        Ok(successor)
    };
    let ((), successor) = tokio::try_join!(deletion, crash)?;
    let destruction = show_and_judge(terminal, simulator, before, &REPEATED).await?;
    judge_repeat(screen, &destruction)?;
    screen.say("The second pod made the same request by itself: the token is computed and stored nowhere. Its log:")?;
    show_log(terminal, &successor, &REPEATED).await
}

/// Kills the operator in the leader's pod, and waits until another process leads; returns which.
async fn kill_leader(terminal: &Terminal<'_>, node: &Node, leader: &str) -> Result<String> {
    let screen = terminal.screen;
    let pod = pod_of(leader);
    let number = node.container_pid(NAMESPACE, pod, "operator").await?;
    screen.say(format!("The request is out. No shell is in the image, so {pod} is killed from the node:"))?;
    screen.command(&format!("kill -9 {number}"))?;
    let killed = Instant::now();
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    let sent = pid.map(|pid| kill_process(pid, Signal::KILL));
    promise(matches!(sent, Some(Ok(()))), || format!("the leader had ended by itself before it was killed: {sent:?}"))?;
    until("The restart of the killed container", LIMIT, async || {
        let pods = restarts(terminal).await?;
        let restarted = pods.iter().any(|one| one.name == pod && one.restarts == 1);
        Ok(if restarted { Ok(()) } else { Err(format!("{pods:?}")) })
    })
    .await?;
    terminal.kubectl(&["get", "pods", "-n", NAMESPACE]).await?;
    screen.say("The dead leader could not hand over, so its Lease of 15 s has to run out …")?;
    let successor = another_leader(terminal, leader).await?;
    let took = killed.elapsed();
    terminal.kubectl(&["get", "lease", "-n", NAMESPACE]).await?;
    screen.say(format!("{} leads, {:.1} s after the kill.", pod_of(&successor), took.as_secs_f64()))?;
    promise(took <= HAND_OVER_LIMIT, || format!("the hand-over took {took:?}, and a lease lasts 15 s"))?;
    Ok(successor)
}

/// Waits until a process leads that is not this one.
async fn another_leader(terminal: &Terminal<'_>, former: &str) -> Result<String> {
    let holder = ["get", "lease", RELEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}"];
    until("A leader", LIMIT, async || {
        let holder = terminal.ask_kubectl(&holder).await?.unwrap_or_default();
        Ok(if holder.is_empty() || holder == former { Err(format!("'{holder}' holds the Lease")) } else { Ok(holder) })
    })
    .await
}

/// A process that leads is named after its pod, with something behind that no other process of the pod has.
fn pod_of(identity: &str) -> &str {
    identity.split('_').next().unwrap_or_default()
}

/// A pod of the operator.
#[derive(Debug, PartialEq)]
struct OperatorPod {
    name: String,
    ready: bool,
    restarts: u32,
}

async fn restarts(terminal: &Terminal<'_>) -> Result<Vec<OperatorPod>> {
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].ready} \
                   {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
    let said = terminal.kubectl_says(&["get", "pods", "-n", NAMESPACE, "-o", columns]).await?;
    Ok(said.lines().filter_map(operator_pod).collect())
}

fn operator_pod(line: &str) -> Option<OperatorPod> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let ready = words.next()? == "true";
    Some(OperatorPod { name, ready, restarts: words.next()?.parse().ok()? })
}

/// The last step: the release goes, and everything of the user stays.
///
/// # Errors
/// When something fails, or when something is destroyed.
pub async fn curtain(terminal: &Terminal<'_>, simulator: Simulator) -> Result<()> {
    let screen = terminal.screen;
    screen.step(STEPS, "Uninstall the release: resources, definition and proxies stay; then end everything else")?;
    // Before: pods that end while their rights are taken away may be refused what they do last.
    let requests = scenes::nothing_was_refused(terminal).await?;
    screen.say(format!("Until here the API server refused none of the operator's {requests} requests."))?;
    let before = simulator.position().await?;
    terminal.helm(&["uninstall", RELEASE, "-n", NAMESPACE, "--wait"]).await?;
    until("The end of the operator's pods", LIMIT, async || {
        let left = terminal.kubectl_says(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).await?;
        Ok(if left.trim().is_empty() { Ok(()) } else { Err(left) })
    })
    .await?;
    terminal.kubectl(&["get", "crd/gaapproxies.gaap-operator.io"]).await?;
    terminal.kubectl(&["get", "gaapproxies"]).await?;
    let names = terminal.kubectl_says(&["get", "gaapproxies", "-o", "jsonpath={.items[*].metadata.name}"]).await?;
    promise(names.trim() == format!("{} {}", FORCED.name, KEPT.name), || format!("other resources stayed: {names}"))?;
    let received = simulator.received(before).await?;
    promise(received.iter().all(|request| request.action != "DestroyProxies"), || {
        "a request to destroy was sent although nothing was deleted".to_owned()
    })?;
    screen.say("The cloud still has:")?;
    let proxies = show_proxies(terminal, &simulator).await?;
    promise(proxies.len() == 4 && proxies.iter().all(|proxy| proxy.accepted_destroys == 0), || {
        format!("four proxies were to stay as they were, but: {proxies:?}")
    })?;
    screen.say("No proxy was destroyed.")
}

/// How to go on playing.
///
/// # Errors
/// When nobody reads the output.
pub fn invite(terminal: &Terminal<'_>, simulator: &Simulator) -> Result<()> {
    let screen = terminal.screen;
    scenes::invite(terminal, simulator, STEPS, "link-sim00005 and link-sim00006")?;
    screen.say("The operator, and what it says:")?;
    screen.command(&format!("kubectl get pods -n {NAMESPACE}"))?;
    screen.command(&format!("kubectl logs -n {NAMESPACE} -l app.kubernetes.io/name=gaap-operator --prefix"))?;
    screen.say("Ctrl-C ends all of it.")
}

/// What a person would look at when the story has gone wrong.
pub async fn last_words(terminal: &Terminal<'_>) -> Option<String> {
    let pods = terminal.ask_kubectl(&["get", "pods", "-A", "-o", "wide"]).await.ok()??;
    let logs = ["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=gaap-operator", "--prefix", "--tail=8"];
    let logs = terminal.ask_kubectl(&logs).await.ok().flatten().unwrap_or_default();
    Some(format!("The pods, and the operator's last lines:\n{pods}{}", tail(&logs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{SECRET_ID, SECRET_KEY};

    #[test]
    fn a_line_of_kubectl_tells_of_a_pod() {
        let pod = |ready, restarts| Some(OperatorPod { name: "gaap-operator-1".to_owned(), ready, restarts });
        assert_eq!(operator_pod("gaap-operator-1 true 0"), pod(true, 0));
        assert_eq!(operator_pod("gaap-operator-1 false 2"), pod(false, 2));
        assert_eq!(operator_pod("gaap-operator-1  "), None, "its container has not been started");
        assert_eq!(pod_of("gaap-operator-1_00ff"), "gaap-operator-1");
    }

    #[test]
    fn the_simulator_has_the_image_of_this_version_and_the_key_of_the_secret() {
        let manifest = include_str!("../gaap-simulator.yaml");
        let image = concat!("image: gaap-simulator:", env!("CARGO_PKG_VERSION"), "\n");
        for part in [image, SECRET_ID, SECRET_KEY, &format!("namespace: {CLOUD}\n")] {
            assert!(manifest.contains(part), "{part}");
        }
    }
}
