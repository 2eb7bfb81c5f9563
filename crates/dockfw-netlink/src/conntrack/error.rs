//! What ctnetlink can fail with.

use std::io;

use crate::channel::ChannelError;
use crate::errno::Errno;
use crate::wire::EncodeError;

/// Why the flows that the kernel tracks could not be listed, or one not be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConntrackError {
    /// No `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    #[error("not permitted: CAP_NET_ADMIN over the network namespace is needed")]
    Denied,
    /// The kernel has no ctnetlink, or may not load the module for it.
    ///
    /// It says so with `EINVAL`: nobody has registered for the messages.
    ///
    /// Source: `net/netfilter/nfnetlink.c`, `nfnetlink_rcv_msg` (v6.12).
    #[error("this kernel has no nf_conntrack_netlink (CONFIG_NF_CT_NETLINK), or it is not loaded")]
    Unsupported,
    /// The kernel had no memory for its answers; those before were handed over.
    #[error("answers of the kernel were lost")]
    Lost,
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

impl ConntrackError {
    pub(super) fn from_open(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::ESOCKTNOSUPPORT) => {
                Self::Unsupported
            }
            _ => Self::Socket(error),
        }
    }

    pub(super) fn from_channel(error: ChannelError) -> Self {
        match error {
            ChannelError::Refused(libc::EPERM) => Self::Denied,
            ChannelError::Refused(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => {
                Self::Unsupported
            }
            ChannelError::Refused(errno) => Self::Refused(Errno(errno)),
            ChannelError::Lost => Self::Lost,
            ChannelError::NoAnswer => Self::NoAnswer,
            ChannelError::Socket(error) => Self::Socket(error),
            ChannelError::Encode(error) => Self::Encode(error),
        }
    }
}
