//! How a control plane comes up and ends: in which order, and what is waited for.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::sync::Mutex;

use crate::api::Api;
use crate::audit::POLICY;
use crate::binaries::Binaries;
use crate::credentials::{Credentials, read, write, write_kubeconfig};
use crate::error::{Error, Result};
use crate::flags::{Places, api_server, api_server_of_a_node, controller_manager, etcd};
use crate::guard::Guard;
use crate::namespaces::Namespaces;
use crate::node::relay::Relay;
use crate::node::settings::{API_PORT, NodePlaces};
use crate::node::start::NodeServers;
use crate::plane::{DESCRIPTION, Description, Options};
use crate::port;
use crate::server::{Launch, Server, Stop};
use crate::sign::{Accepts, Answers};

/// Two control planes that choose the same port five times in a row do not do so by chance.
const PORT_TRIES: usize = 5;

/// What only the process that started a control plane has. Dropped from top to bottom: servers, then folder.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) servers: Mutex<Servers>,
    pub(crate) api_server: Launch,
    /// The way to the API server of a node.
    door: Option<Relay>,
    pub(crate) guard: Guard,
}

#[derive(Debug)]
pub(crate) struct Servers {
    controller_manager: Option<Server>,
    pub(crate) api_server: Option<Server>,
    etcd: Server,
    node: Option<NodeServers>,
}

impl Own {
    /// Ends everything and waits until it is gone.
    pub(crate) async fn stop(self) -> Result<()> {
        let Servers { controller_manager, api_server, etcd, node } = self.servers.into_inner();
        drop(self.door);
        let mut servers = match node {
            Some(node) => node.stop(&self.guard).await?,
            None => Vec::new(),
        };
        servers.extend([controller_manager, api_server, Some(etcd)].into_iter().flatten());
        // Killed: their data goes in the next moment, and the API server would take seconds for its farewells.
        for server in servers {
            server.stop(&self.guard, Stop::Kill).await?;
        }
        self.guard.end().await
    }
}

/// The API server as it was just started.
struct Serving {
    server: Server,
    launch: Launch,
    url: String,
    api: Api,
    door: Option<Relay>,
}

pub(crate) async fn start(options: Options) -> Result<(Description, Api, Own)> {
    let binaries = match options.node {
        true => Binaries::find_or_build_for_node().await?,
        false => Binaries::find_or_build(options.controllers).await?,
    };
    let guard = Guard::new(&std::env::temp_dir(), "gaap-control-plane").await?;
    let folder = guard.folder().to_owned();
    let logs = options.keep_logs.unwrap_or_else(|| folder.join("logs"));
    // The servers run in another folder than we do.
    let logs = std::path::absolute(&logs).map_err(|error| Error::file("find", &logs, error))?;
    let places = Places { logs, folder };
    for folder in [&places.logs, &places.folder.join("home"), &places.folder.join("kubeconfigs")] {
        std::fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
    }
    let credentials = Credentials::make(&places.folder)?;
    write(&places.audit_policy(), POLICY)?;
    let mut node = match &binaries.node {
        Some(programs) => Some(NodeServers::start(&guard, &places, programs, &credentials).await?),
        None => None,
    };
    let namespaces = node.as_ref().map(NodeServers::namespaces);

    let mut etcd = etcd(&binaries, &places)?.inside(namespaces).start(&guard)?;
    etcd.wait_until_ready(&Accepts(&places.etcd_socket()?)).await?;
    let serving = match namespaces {
        Some(namespaces) => start_in_a_node(&guard, &binaries, &places, &credentials, namespaces).await?,
        None => start_on_a_port(&guard, &binaries, &places, &credentials).await?,
    };
    let Serving { server, launch, url, api, door } = serving;
    write_admin_kubeconfig(&places, &credentials, &url)?;
    let mut controller_manager = start_controllers(&guard, &binaries, &places, &credentials, namespaces)?;
    if let Some(node) = &mut node {
        node.finish(&guard, &places, &binaries, &api).await?;
    }
    if let Some(server) = &mut controller_manager {
        // The default ServiceAccount is one of its works, so its being there shows that the controllers run.
        let paths = &["/api/v1/namespaces/default/serviceaccounts/default"];
        server.wait_until_ready(&Answers { api: &api, paths }).await?;
    }
    let description = describe(&places, &credentials, binaries, url, node.as_ref())?;
    let servers = Mutex::new(Servers { controller_manager, api_server: Some(server), etcd, node });
    Ok((description, api, Own { servers, api_server: launch, door, guard }))
}

/// Starts the API server on a port that nobody else takes.
async fn start_on_a_port(
    guard: &Guard,
    binaries: &Binaries,
    places: &Places,
    credentials: &Credentials,
) -> Result<Serving> {
    let token = read(&credentials.admin_token)?;
    let mut tries = 1;
    loop {
        let port = port::choose()?;
        let url = format!("https://127.0.0.1:{port}");
        let api = Api::new(&url, &credentials.ca_file, token.clone())?;
        let launch = api_server(binaries, places, credentials, port)?;
        let mut server = launch.start(guard)?;
        match server.wait_until_ready(&serving(&api)).await {
            Ok(()) => return Ok(Serving { server, launch, url, api, door: None }),
            Err(_) if server.lost_its_port() && tries < PORT_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Starts the API server in the network of a node, whose ports nobody else takes, with a way to it from outside.
async fn start_in_a_node(
    guard: &Guard,
    binaries: &Binaries,
    places: &Places,
    credentials: &Credentials,
    namespaces: Namespaces,
) -> Result<Serving> {
    let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, API_PORT));
    let door = Relay::out_of(namespaces, port::choose()?, inside)?;
    let url = format!("https://{}", door.address());
    let api = Api::new(&url, &credentials.ca_file, read(&credentials.admin_token)?)?;
    let launch = api_server_of_a_node(binaries, places, credentials)?.inside(Some(namespaces));
    let mut server = launch.start(guard)?;
    server.wait_until_ready(&serving(&api)).await?;
    Ok(Serving { server, launch, url, api, door: Some(door) })
}

/// Ready is what the API server says of itself; the namespace `default` is made an instant later.
pub(crate) fn serving(api: &Api) -> Answers<'_> {
    Answers { api, paths: &["/readyz", "/api/v1/namespaces/default"] }
}

fn start_controllers(
    guard: &Guard,
    binaries: &Binaries,
    places: &Places,
    credentials: &Credentials,
    namespaces: Option<Namespaces>,
) -> Result<Option<Server>> {
    let Some(program) = &binaries.kube_controller_manager else { return Ok(None) };
    let kubeconfig = match namespaces {
        Some(_) => NodePlaces { plane: places }.kubeconfig(),
        None => places.admin_kubeconfig(),
    };
    let launch = controller_manager(program, places, credentials, &kubeconfig, namespaces.is_some());
    launch.inside(namespaces).start(guard).map(Some)
}

fn write_admin_kubeconfig(places: &Places, credentials: &Credentials, url: &str) -> Result<()> {
    let token = read(&credentials.admin_token)?;
    write_kubeconfig(&places.admin_kubeconfig(), url, &credentials.ca_file, "admin", &token, "default")
}

fn describe(
    places: &Places,
    credentials: &Credentials,
    binaries: Binaries,
    server_url: String,
    node: Option<&NodeServers>,
) -> Result<Description> {
    let description = Description {
        folder: places.folder.clone(),
        server_url,
        kubeconfig: places.admin_kubeconfig(),
        ca_file: credentials.ca_file.clone(),
        token_file: credentials.admin_token.clone(),
        audit_log: places.audit_log(),
        binaries,
        node: node.map(|node| node.description.clone()),
    };
    let text = serde_json::to_string_pretty(&description).unwrap_or_default();
    write(&places.folder.join(DESCRIPTION), &text)?;
    Ok(description)
}
