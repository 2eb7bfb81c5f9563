//! New connections through the last published port of a host, under one ruleset or another.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_ir::verify::verify;
use dockfw_lower::docker::binding::{Binding, bindings};
use dockfw_lower::docker::publish::PortRange;
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::reference::reference;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host;
use dockfw_testkit::lab::Lab;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// The node that connects, and its address; see `dockfw_testkit::lab::Remote::default`.
const REMOTE: (&str, &str) = ("remote", "192.0.2.2");
/// The host's address on that node's link.
const HOST_ADDRESS: &str = "192.0.2.1";
/// The first source port; each is used once, so that every connection is a new flow.
const FIRST_SOURCE: u16 = 10_000;
/// How many connections a [`Place`] has source ports for.
pub const MOST_CONNECTIONS: u16 = u16::MAX - FIRST_SOURCE;
/// Nothing here is lost on the way; a connection that takes this long, in seconds, is an error.
const PATIENCE: i64 = 2;

/// A way to have the host's ports published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// Our ruleset, committed over netlink.
    Dockfw,
    /// Docker's rules in the kernel's old tables.
    Legacy,
    /// Docker's rules by iptables-nft.
    IptablesNft,
    /// Docker's nftables backend: rules for every port.
    NftPerPort,
}

impl Arm {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Dockfw,
        Self::Legacy,
        Self::IptablesNft,
        Self::NftPerPort,
    ];

    /// Its name in results.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dockfw => "dockfw",
            Self::Legacy => "iptables-legacy",
            Self::IptablesNft => "iptables-nft",
            Self::NftPerPort => "nft, rules per port",
        }
    }

    /// Loads the rules in the namespace of this thread.
    fn load(self, host: &Host) -> Result<()> {
        // Legacy tools share one lock on the machine.
        let wait: &[&str] = &["--wait=10"];
        match self {
            Self::Dockfw => {
                let ruleset = verify(lower(host));
                let ruleset = ruleset.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                Executor::open()?.commit(&Batch::replace(&ruleset)?, Expect::Any)?;
                Ok(())
            }
            Self::Legacy => feed("iptables-legacy-restore", wait, &docker_iptables(host)),
            Self::IptablesNft => feed("iptables-nft-restore", wait, &docker_iptables(host)),
            Self::NftPerPort => feed("nft", &["-f", "-"], &rules_per_port(host)?),
        }
    }
}

/// Docker's IPv4 rules for iptables-restore.
fn docker_iptables(host: &Host) -> String {
    reference(host).ipv4.to_string()
}

/// Runs a program with this input.
fn feed(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{program} is not installed"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    ensure!(child.wait()?.success(), "{program} failed");
    Ok(written?)
}

/// The IPv4 table that Docker's nftables backend makes for a host of this crate: bridges in NAT
/// mode with userland proxy, tcp ports on every host address.
///
/// Per container a drop in raw, per port an accept and a dnat, in the order of the policy.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/internal/nftabler/`.
///
/// # Errors
///
/// When the host has something else.
pub fn rules_per_port(host: &Host) -> Result<String> {
    let (mut jumps, mut chains) = (Jumps::default(), String::new());
    let bindings = bindings(host);
    for (index, network) in host.networks.iter().enumerate() {
        let bridge = network.bridge.as_ref().context("not a bridge")?;
        let subnet = network.ipv4.context("a network without IPv4")?.subnet;
        jumps.add(bridge.as_str())?;
        let here = bindings.iter().filter(|binding| binding.network == index);
        write!(
            chains,
            "chain filter-forward-out__{bridge} {{\n\
             ct state established,related counter accept\n\
             counter accept comment \"OUTGOING\"\n}}\n\
             chain nat-postrouting-in__{bridge} {{\n}}\n\
             chain nat-postrouting-out__{bridge} {{\n\
             oifname != \"{bridge}\" ip saddr {subnet} counter masquerade comment \"MASQUERADE\"\n}}\n\
             chain filter-forward-in__{bridge} {{\n\
             ct state established,related counter accept\n\
             iifname \"{bridge}\" counter accept comment \"ICC\"\n"
        )?;
        for binding in here {
            let Port { to, inside, .. } = Port::of(binding)?;
            writeln!(chains, "ip daddr {to} tcp dport {inside} counter accept")?;
        }
        chains.push_str("counter drop comment \"UNPUBLISHED PORT DROP\"\n}\n");
    }

    chains.push_str("chain nat-prerouting-and-output {\n");
    for binding in &bindings {
        let bridge = bridge_of(host, binding.network)?;
        let Port { host, to, inside } = Port::of(binding)?;
        writeln!(
            chains,
            "iifname != \"{bridge}\" tcp dport {host} counter dnat to {to}:{inside} comment \"DNAT\""
        )?;
    }
    chains.push_str(
        "}\nchain raw-PREROUTING {\n\
         type filter hook prerouting priority raw; policy accept;\n",
    );
    for endpoint in host.containers.iter().flat_map(|of| &of.endpoints) {
        let bridge = bridge_of(host, endpoint.network)?;
        let address = endpoint.ipv4.context("a container without IPv4")?;
        writeln!(
            chains,
            "ip daddr {address} iifname != \"{bridge}\" counter drop comment \"DROP DIRECT ACCESS\""
        )?;
    }
    chains.push_str("}\n");
    Ok(format!(
        "table ip docker-bridges {{\n{}{chains}{BASE_CHAINS}}}\n",
        jumps.maps()
    ))
}

/// The base chains of Docker's nftables backend, apart from raw.
const BASE_CHAINS: &str = "\
chain filter-FORWARD {
type filter hook forward priority filter; policy accept;
oifname vmap @filter-forward-in-jumps
iifname vmap @filter-forward-out-jumps
}
chain nat-PREROUTING {
type nat hook prerouting priority dstnat; policy accept;
fib daddr type local counter jump nat-prerouting-and-output
}
chain nat-OUTPUT {
type nat hook output priority -100; policy accept;
ip daddr != 127.0.0.0/8 fib daddr type local counter jump nat-prerouting-and-output
}
chain nat-POSTROUTING {
type nat hook postrouting priority srcnat; policy accept;
iifname vmap @nat-postrouting-out-jumps
oifname vmap @nat-postrouting-in-jumps
}
";

/// Elements of the verdict maps of Docker's nftables backend, from bridges to their chains.
#[derive(Debug, Default)]
struct Jumps([String; 4]);

impl Jumps {
    const CHAINS: [&str; 4] = [
        "filter-forward-in",
        "filter-forward-out",
        "nat-postrouting-in",
        "nat-postrouting-out",
    ];

    fn add(&mut self, bridge: &str) -> Result<()> {
        for (elements, chain) in self.0.iter_mut().zip(Self::CHAINS) {
            write!(elements, "\"{bridge}\" : jump {chain}__{bridge}, ")?;
        }
        Ok(())
    }

    fn maps(&self) -> String {
        let maps = self.0.iter().zip(Self::CHAINS).map(|(elements, chain)| {
            format!(
                "map {chain}-jumps {{\ntype ifname : verdict\nelements = {{ {elements} }}\n}}\n"
            )
        });
        maps.collect()
    }
}

fn bridge_of(host: &Host, network: usize) -> Result<&str> {
    let network = host.networks.get(network).context("no such network")?;
    Ok(network.bridge.as_ref().context("not a bridge")?.as_str())
}

/// A published port.
struct Port {
    host: u16,
    to: IpAddr,
    inside: u16,
}

impl Port {
    /// The last port of a binding, in the hosts of this crate its only one.
    fn of(binding: &Binding) -> Result<Self> {
        let host = binding.host_ports.map(PortRange::last);
        ensure!(binding.container_ports.count() == 1, "a range of ports");
        Ok(Self {
            host: host.context("a port that is not published on the host")?,
            to: binding.container_address,
            inside: binding.container_ports.last(),
        })
    }
}

/// A lab of its own for one arm at one size: the rules of the whole host, and the container that
/// has the last published port. All other containers exist in the rules only.
#[derive(Debug)]
pub struct Place {
    lab: Lab,
    /// In the container's namespace.
    listener: TcpListener,
    target: SocketAddrV4,
    next_source: u16,
}

impl Place {
    /// Builds the lab and loads the rules.
    ///
    /// # Errors
    ///
    /// Without root or the programs of the arm.
    pub fn new(arm: Arm, host: &Host) -> Result<Self> {
        let all = bindings(host);
        let port = Port::of(all.last().context("no port is published")?)?;
        let mut shown = host.clone();
        let last = shown.containers.pop().context("no container")?;
        let name = last.name.clone();
        shown.containers = vec![last];
        let lab = docker_host::lab(&shown).build()?;
        docker_host::on_host(&lab, || arm.load(host)).with_context(|| arm.label())?;
        let listener = lab.run_in(&name, || TcpListener::bind((port.to, port.inside)))??;
        setsockopt(
            &listener,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE),
        )?;
        Ok(Self {
            lab,
            listener,
            target: SocketAddrV4::new(HOST_ADDRESS.parse()?, port.host),
            next_source: FIRST_SOURCE,
        })
    }

    /// Connects again and again, at most so often and until so long has passed, and returns the
    /// time that each connect() took. The first `warm_up` are not among them.
    ///
    /// # Errors
    ///
    /// When a connection does not get through to the container.
    pub fn connect(
        &mut self,
        warm_up: usize,
        count: usize,
        time: Duration,
    ) -> Result<Vec<Duration>> {
        let Self {
            lab,
            listener,
            target,
            next_source,
        } = self;
        let worker = || -> Result<Vec<Duration>> {
            let started = Instant::now();
            let mut times = Vec::with_capacity(count);
            for index in 0..warm_up + count {
                let took = one(listener, *target, *next_source)?;
                *next_source = next_source.checked_add(1).context("no source port left")?;
                if index >= warm_up {
                    times.push(took);
                }
                if !times.is_empty() && started.elapsed() >= time {
                    break;
                }
            }
            Ok(times)
        };
        lab.run_in(REMOTE.0, worker)?
    }
}

/// One connection; the time of its connect().
///
/// This thread takes it on the other side too, so that no second one competes for the processor.
fn one(listener: &TcpListener, target: SocketAddrV4, source: u16) -> Result<Duration> {
    let client = client(source)?;
    let address = SockaddrIn::from(target);
    let started = Instant::now();
    let outcome = connect(client.as_raw_fd(), &address);
    let took = started.elapsed();
    outcome.with_context(|| format!("connect to {target}"))?;
    let (_accepted, peer) = listener.accept().context("nobody came to the container")?;
    let expected = SocketAddr::new(REMOTE.1.parse()?, source);
    ensure!(peer == expected, "{peer} came instead of {expected}");
    // The client goes first, with a reset: nothing of the connection stays in either socket table.
    drop(client);
    Ok(took)
}

/// A socket that is ready to connect.
fn client(source: u16) -> Result<OwnedFd> {
    let client = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Tcp,
    )?;
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&client, sockopt::Linger, &linger)?;
    setsockopt(&client, sockopt::SendTimeout, &TimeVal::seconds(PATIENCE))?;
    let address = SockaddrIn::from(SocketAddrV4::new(REMOTE.1.parse()?, source));
    bind(client.as_raw_fd(), &address)?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_its_rules() {
        let text = rules_per_port(&crate::host(100, true).unwrap()).unwrap();
        assert_eq!(text.matches(" dnat to ").count(), 100);
        assert_eq!(text.matches("counter accept\nip daddr ").count(), 99);
        assert_eq!(text.matches("DROP DIRECT ACCESS").count(), 4);
        assert!(text.contains(
            "iifname != \"br-net0\" tcp dport 2099 counter dnat to 172.18.0.7:1009 comment \"DNAT\"\n}"
        ));
    }

    #[test]
    #[ignore = "needs root, iptables and nft"]
    fn the_last_port_answers_under_every_ruleset() {
        let host = crate::host(100, true).unwrap();
        for arm in Arm::ALL {
            let mut place = Place::new(arm, &host).unwrap();
            let times = place.connect(1, 5, Duration::from_secs(5)).unwrap();
            assert_eq!(times.len(), 5, "{arm:?}");
        }
    }
}
