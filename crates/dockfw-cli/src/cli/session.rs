//! The SSH session that a commit is started from, and whether it would live on.
//!
//! The wanted ruleset is evaluated, not the kernel's: tables of others are not looked at, and what
//! is not modelled (see [`dockfw_ir::eval`]) is not known here either. The session is taken to be
//! one that is not translated on this machine.

mod find;
mod judge;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use dockfw_netlink::{Network, Routes};

pub use find::{find, find_in};
pub use judge::judge;

use crate::flows::World;

/// The name of the loopback interface.
pub const LOOPBACK: &str = "lo";

/// The two ends of an SSH session, as `SSH_CONNECTION` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Address and port of the client.
    pub client: SocketAddr,
    /// Address and port of this machine.
    pub server: SocketAddr,
}

impl Session {
    /// Reads `CLIENT-ADDRESS CLIENT-PORT SERVER-ADDRESS SERVER-PORT`.
    ///
    /// The zone of a link-local address is left out, and an IPv4 address in an IPv6 one is an IPv4
    /// address. `None` when it is anything else, or of two families.
    ///
    /// Source: sshd(8) and ssh(1), ENVIRONMENT.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut end = || {
            let address = words.next()?.split('%').next()?;
            let address: std::net::IpAddr = address.parse().ok()?;
            let port = words.next()?.parse().ok()?;
            Some(SocketAddr::new(address.to_canonical(), port))
        };
        let (client, server) = (end()?, end()?);
        let is_one = client.is_ipv4() == server.is_ipv4() && words.next().is_none();
        is_one.then_some(Self { client, server })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.client, self.server)
    }
}

/// A session that a ruleset ends, or could not begin again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Cut {
    /// The session.
    pub session: Session,
    /// The interface by which its packets come in; `lo` from this machine itself.
    pub interface: String,
    /// The packets that are concerned.
    pub what: Concerned,
    /// What happens to them: `dropped`, `rejected`, `sent to 172.18.0.2:22`, …
    pub fate: String,
    /// The rule or policy that decides, if there is one.
    pub by: Option<String>,
}

/// Packets of an SSH session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerned {
    /// Those of the client, in the session that is there.
    FromClient,
    /// Those to the client.
    ToClient,
    /// The first one of a new session between the same ends. The one that is there lives on, if
    /// conntrack knows it: a session from before conntrack ran begins anew for it.
    New,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            session, interface, ..
        } = self;
        match self.what {
            Concerned::New => write!(
                f,
                "this SSH session ({session}, by {interface}) lives on, but a new one would be \
                 refused: its first packet is {}",
                self.fate
            )?,
            what @ (Concerned::FromClient | Concerned::ToClient) => {
                let whose = if what == Concerned::FromClient {
                    "what the client sends"
                } else {
                    "what goes to the client"
                };
                write!(
                    f,
                    "the commit would cut the SSH session that it is started from ({session}, by \
                     {interface}): {whose} is {}",
                    self.fate
                )?;
            }
        }
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        f.write_str("; --force commits all the same")
    }
}

/// Refuses a ruleset under which the session that this process was started from would end, or could
/// not begin again. Without a session there is nothing to refuse.
///
/// # Errors
///
/// [`Cut`], unless `--force` is wanted.
pub fn guard(ruleset: &dockfw_ir::Verified) -> Result<(), Box<Cut>> {
    let Some(session) = find() else {
        return Ok(());
    };
    let network = Routes::open().and_then(|mut routes| routes.network());
    for interface in interfaces(&network.unwrap_or_default(), session.client.ip()) {
        judge(ruleset, session, &interface)?;
    }
    Ok(())
}

/// By which interfaces packets of a client may come in: the one by which answers go out; where that
/// is not known, all but loopback.
fn interfaces(network: &Network, client: IpAddr) -> Vec<String> {
    if let Some(name) = World::new(network, None).interface_to(client) {
        return vec![name.to_owned()];
    }
    let names = network.links.iter().map(|link| link.name.clone());
    names.filter(|name| name != LOOPBACK).collect()
}

#[cfg(test)]
mod tests;
