//! What the kernel routes by, over rtnetlink: links, addresses, and the routes of the main table;
//! and neighbours that packets wait for.
//!
//! Best effort: policy routing, routes with a scope or a source, and anything that depends on more
//! than the destination are left out. Addresses on the wire are in network byte order, numbers in
//! that of the host.
//!
//! Source: `net/core/rtnetlink.c`, `net/ipv4/devinet.c`, `net/ipv4/fib_frontend.c`,
//! `net/ipv6/addrconf.c`, `net/ipv6/route.c` (v6.12).

mod decode;
mod neighbour;

use std::io;
use std::net::IpAddr;

use crate::channel::{Channel, ChannelError};
use crate::errno::Errno;
use crate::sys::Socket;
use crate::sys::route::{RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE};
use crate::wire::{EncodeError, Encoder};

/// How often a reading is tried while others change what is read.
const ATTEMPTS: usize = 4;

/// `AF_UNSPEC`: both families.
const BOTH: u8 = 0;
/// `AF_INET`
const INET: u8 = 2;
/// `AF_INET6`
const INET6: u8 = 10;

/// A socket for rtnetlink in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Routes(Channel);

/// What the network namespace looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Links, loopback among them.
    pub links: Vec<Link>,
    /// Addresses; of several of one link and family the first is the primary one.
    pub addresses: Vec<Address>,
    /// Unicast routes of the main table. Of several to one destination the one with the lowest
    /// metric holds.
    pub routes: Vec<Route>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The kind of a virtual link: bridge, veth and so on.
    pub kind: Option<String>,
}

/// An address of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that has it.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// The network on the link, or the other end of a point-to-point link.
    pub network: Prefix,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: Prefix,
    /// The link that leads there; of several, the first.
    pub link: u32,
    /// The lower, the better.
    pub metric: u32,
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// One of the addresses.
    pub address: IpAddr,
    /// How many bits they have in common: 0 to 32, or to 128.
    pub length: u8,
}

/// Why the network could not be read, or neighbours not be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Others changed it during each attempt.
    #[error("it changed during each of {ATTEMPTS} attempts to read it")]
    Unstable,
    /// The kernel refused the request.
    #[error("the kernel says {0}")]
    Refused(Errno),
    /// The kernel's answer was missing.
    #[error("the kernel gave no answer")]
    NoAnswer,
    /// A system call failed.
    #[error("use the netlink socket")]
    Socket(#[source] io::Error),
    /// The request could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl RouteError {
    fn from_channel(error: ChannelError) -> Self {
        match error {
            ChannelError::Refused(errno) => Self::Refused(Errno(errno)),
            ChannelError::Lost => Self::Unstable,
            ChannelError::NoAnswer => Self::NoAnswer,
            ChannelError::Socket(error) => Self::Socket(error),
            ChannelError::Encode(error) => Self::Encode(error),
        }
    }
}

impl Routes {
    /// Opens a socket.
    ///
    /// # Errors
    ///
    /// [`RouteError::Socket`].
    pub fn open() -> Result<Self, RouteError> {
        let socket = Socket::open_route().map_err(RouteError::Socket)?;
        Ok(Self(Channel::new(socket)))
    }

    /// Reads links, addresses and routes of both families. Needs no capability.
    ///
    /// The three are read one after the other.
    ///
    /// # Errors
    ///
    /// [`RouteError`].
    pub fn network(&mut self) -> Result<Network, RouteError> {
        Ok(Network {
            links: self.all(RTM_GETLINK, decode::link)?,
            addresses: self.all(RTM_GETADDR, decode::address)?,
            routes: self.all(RTM_GETROUTE, decode::route)?,
        })
    }

    /// All objects of a kind that can be read.
    fn all<T>(
        &mut self,
        kind: u16,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, RouteError> {
        self.all_of(kind, |_| Ok(()), decode)
    }

    /// All objects of a kind that can be read and that the body of the request asks for.
    fn all_of<T>(
        &mut self,
        kind: u16,
        body: impl Fn(&mut Encoder) -> Result<(), EncodeError>,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, RouteError> {
        for _ in 0..ATTEMPTS {
            let mut objects = Vec::new();
            let dumped = self.0.dump_of(kind, BOTH, &body, |message| {
                objects.extend(decode(message.payload));
            });
            match dumped {
                Ok(false) => return Ok(objects),
                Ok(true) | Err(ChannelError::Lost) => {}
                Err(error) => return Err(RouteError::from_channel(error)),
            }
        }
        Err(RouteError::Unstable)
    }
}
