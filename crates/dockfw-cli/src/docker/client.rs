//! The Engine API: everything that is asked of a daemon, and the answers as our own types.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::errors::Error as ApiError;
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, InspectNetworkOptions, ListContainersOptions,
    ListNetworksOptions, ListServicesOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::daemon::{Daemon, Known, Swarm, parse_api};
use super::{Address, Container, Error, Network, Options, ServicePort, State, Unread};

mod convert;
mod event;
mod summary;
#[cfg(test)]
pub(super) mod tests;

pub(super) use convert::Members;
pub(super) use event::{Action, Event};
pub(super) use summary::Summary;

/// The oldest API with all that is needed: dockerd 20.10.
const OLDEST: (u32, u32) = (1, 41);

/// How many objects are asked about at the same time; each has a connection of its own.
const AT_ONCE: usize = 32;

/// The network of swarm's traffic to the outside, whose members only it knows.
const GATEWAY_BRIDGE: &str = "docker_gwbridge";

/// A connection to a daemon that has answered.
#[derive(Clone)]
pub(super) struct Client {
    api: Docker,
    /// How long an answer may take.
    timeout: Duration,
    version: Version,
    daemon_json: Option<PathBuf>,
    peer: Option<u32>,
    known: Arc<Mutex<Known>>,
    inspections: Arc<Semaphore>,
}

/// What a daemon says of itself first.
#[derive(Debug, Clone)]
struct Version {
    dockerd: String,
    api: String,
}

/// Which objects there are.
pub(super) struct Listing {
    pub(super) networks: Vec<Network>,
    /// The containers that run.
    pub(super) containers: Vec<Summary>,
}

/// What is known about a container.
pub(super) enum Inspected {
    /// It runs.
    Running(Box<Container>),
    /// It does not run, or does not exist.
    Gone,
    /// dockerd did not say.
    Unread(String),
}

impl Client {
    /// Connects to a daemon and asks for its version. `known` is what earlier connections learned.
    pub(super) async fn connect(
        address: &Address,
        options: &Options,
        known: &Arc<Mutex<Known>>,
    ) -> Result<Self, Error> {
        let timeout = options.timeout.max(Duration::from_secs(1));
        let peer = peer(address.path(), timeout).await?;
        let path = address.path().display().to_string();
        // Whole seconds, and for the head of an answer only; the whole of it is timed here.
        let seconds = timeout.as_secs().saturating_add(1);
        let api = Docker::connect_with_unix(&path, seconds, API_DEFAULT_VERSION);
        let api = api.map_err(|error| answer("its version", &error))?;
        let what = "its version";
        let version = within(timeout, what, api.version()).await?;
        let version = Version {
            dockerd: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
        };
        if parse_api(&version.api).is_none_or(|api| api < OLDEST) {
            return Err(Error::TooOld {
                version: version.dockerd,
                api: version.api,
            });
        }
        let api = within(timeout, what, api.negotiate_version()).await?;
        // A daemon that a socket starts runs now.
        lock(known).begin(peer);
        Ok(Self {
            api,
            timeout,
            version,
            daemon_json: options.daemon_json.clone(),
            peer,
            known: Arc::clone(known),
            inspections: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// What the daemon says of itself, and how it was started.
    pub(super) async fn daemon(&self) -> Result<Daemon, Error> {
        let info = within(self.timeout, "docker info", self.api.info()).await;
        let info = info.map(|info| {
            let mut daemon = Daemon {
                version: self.version.dockerd.clone(),
                api: self.version.api.clone(),
                ..Daemon::default()
            };
            convert::info(&info, &mut daemon);
            daemon
        });
        lock(&self.known).daemon(info, self.peer, self.daemon_json.as_deref())
    }

    /// All networks, and which containers run.
    pub(super) async fn list(&self) -> Result<Listing, Error> {
        let networks = self.api.list_networks(None::<ListNetworksOptions>);
        let networks = within(self.timeout, "the list of networks", networks).await?;
        let containers = self.api.list_containers(None::<ListContainersOptions>);
        let containers = within(self.timeout, "the list of containers", containers).await?;
        Ok(Listing {
            networks: networks.into_iter().map(convert::network).collect(),
            containers: containers.into_iter().filter_map(Summary::new).collect(),
        })
    }

    /// A container; about one that is being started dockerd answers when that is through.
    pub(super) async fn container(&self, id: &str) -> Inspected {
        let answer = self
            .api
            .inspect_container(id, None::<InspectContainerOptions>);
        match within(self.timeout, "about a container", answer).await {
            Ok(answer) => convert::container(answer)
                .map_or(Inspected::Gone, |of| Inspected::Running(Box::new(of))),
            Err(Error::Answer { why, .. }) if why == NOT_FOUND => Inspected::Gone,
            Err(error) => Inspected::Unread(error.to_string()),
        }
    }

    /// [`Client::container`], not for too many at the same time.
    pub(super) async fn container_in_turn(&self, id: &str) -> Inspected {
        let Ok(_permit) = self.inspections.acquire().await else {
            return Inspected::Unread("it is not waited for any more".to_owned());
        };
        self.container(id).await
    }

    /// A network; `None` when it does not exist, or is one that swarm only has for each node's own.
    pub(super) async fn network(&self, id: &str) -> Result<Option<Network>, Error> {
        let answer = self.api.inspect_network(id, None::<InspectNetworkOptions>);
        match within(self.timeout, "about a network", answer).await {
            Ok(answer) => Ok(convert::inspected_network(answer)),
            Err(Error::Answer { why, .. }) if why == NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who is in the network of swarm's traffic to the outside; nobody if it is not there.
    pub(super) async fn gateway_bridge(&self) -> Result<Members, Error> {
        let options = None::<InspectNetworkOptions>;
        let answer = self.api.inspect_network(GATEWAY_BRIDGE, options);
        match within(self.timeout, "about docker_gwbridge", answer).await {
            Ok(answer) => Ok(convert::members(answer)),
            Err(Error::Answer { why, .. }) if why == NOT_FOUND => Ok(Members::default()),
            Err(error) => Err(error),
        }
    }

    /// What services publish through the routing mesh.
    pub(super) async fn services(&self) -> Result<Vec<ServicePort>, Error> {
        let answer = self.api.list_services(None::<ListServicesOptions>);
        let services = within(self.timeout, "the list of services", answer).await?;
        Ok(convert::services(&services))
    }

    /// What concerns swarm: members of its bridge, and published ports. A manager without a leader
    /// knows everything but those.
    pub(super) async fn swarm(
        &self,
        swarm: Swarm,
    ) -> Result<(Members, Result<Vec<ServicePort>, Error>), Error> {
        Ok(match swarm {
            Swarm::Inactive => (Members::default(), Ok(Vec::new())),
            Swarm::Worker => (self.gateway_bridge().await?, Ok(Vec::new())),
            Swarm::Manager => (self.gateway_bridge().await?, self.services().await),
        })
    }

    /// Everything, once; waits for each object.
    pub(super) async fn state(&self) -> Result<State, Error> {
        let daemon = self.daemon().await?;
        let listing = self.list().await?;
        let (members, services) = self.swarm(daemon.swarm).await?;
        let mut state = State {
            daemon,
            networks: by_id(listing.networks),
            ingress_sandbox: members.sandbox.clone(),
            ..State::default()
        };
        state.note_services(services);
        let mut asked = JoinSet::new();
        for Summary { id, name, .. } in listing.containers {
            let client = self.clone();
            asked.spawn(async move {
                let inspected = client.container_in_turn(&id).await;
                (id, name, inspected)
            });
        }
        while let Some(answer) = asked.join_next().await {
            let Ok((id, name, inspected)) = answer else {
                continue;
            };
            match inspected {
                Inspected::Running(mut container) => {
                    members.complete(&mut container);
                    state.containers.insert(id, *container);
                }
                Inspected::Gone => {}
                Inspected::Unread(why) => state.unread.push(Unread { name, id, why }),
            }
        }
        state.unread.sort();
        Ok(state)
    }

    /// Events from now on, as far as they can change what is known.
    pub(super) fn events(&self) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
        // dockerd begins to answer before it listens to events, and repeats those since a time.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let since = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let options = EventsOptionsBuilder::default()
            .since(&since)
            .filters(&event::filters())
            .build();
        let events = self.api.events(Some(options));
        events.map(|event| match event {
            Ok(event) => Ok(Event::new(event)),
            Err(error) => Err(answer("with events", &error)),
        })
    }
}

/// Networks by their ids.
pub(super) fn by_id(networks: Vec<Network>) -> std::collections::BTreeMap<String, Network> {
    let networks = networks.into_iter();
    networks.map(|of| (of.id.clone(), of)).collect()
}

/// Connects, to learn why that is not possible and who is at the other end.
async fn peer(path: &Path, timeout: Duration) -> Result<Option<u32>, Error> {
    let connected = tokio::time::timeout(timeout, UnixStream::connect(path)).await;
    let Ok(connected) = connected else {
        return Err(Error::TimedOut {
            what: "the connection",
            seconds: timeout.as_secs(),
        });
    };
    let stream = connected.map_err(|source| {
        let path = path.to_owned();
        let kind = source.kind();
        if kind == io::ErrorKind::NotFound {
            Error::Missing(path)
        } else if kind == io::ErrorKind::PermissionDenied {
            Error::Permission(path)
        } else if kind != io::ErrorKind::ConnectionRefused {
            Error::Connect { path, source }
        } else if is_socket(&path) {
            Error::Refused(path)
        } else {
            // The kernel refuses this for any file.
            Error::NotASocket(path)
        }
    })?;
    let peer = stream.peer_cred().ok().and_then(|peer| peer.pid());
    Ok(peer
        .and_then(|pid| u32::try_from(pid).ok())
        .filter(|pid| *pid != 0))
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// An answer, if it comes in time.
async fn within<T>(
    timeout: Duration,
    what: &'static str,
    asked: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Error> {
    let seconds = timeout.as_secs();
    match tokio::time::timeout(timeout, asked).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ApiError::RequestTimeoutError)) | Err(_) => Err(Error::TimedOut { what, seconds }),
        Ok(Err(error)) => Err(answer(what, &error)),
    }
}

/// What is said of an object that does not exist.
const NOT_FOUND: &str = "it does not exist";

fn answer(what: &'static str, error: &ApiError) -> Error {
    let why = if let ApiError::DockerResponseServerError {
        status_code,
        message,
    } = error
    {
        if *status_code == 404 {
            NOT_FOUND.to_owned()
        } else {
            format!("{message} (status {status_code})")
        }
    } else {
        chain(error)
    };
    Error::Answer { what, why }
}

/// A message with its causes behind each other.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
