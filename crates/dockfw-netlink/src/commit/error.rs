//! What a commit can come to instead.

use std::fmt;
use std::io;

use super::Answer;
use crate::batch::Batch;
use crate::dump::QueryError;
use crate::errno::Errno;
use crate::origin::{Location, Origin, Part};
use crate::sys::nf_tables::{NFTA_CHAIN_TYPE, NFTA_SET_FLAGS};
use crate::wire::EncodeError;

/// Why no socket could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel has no nfnetlink.
    #[error("this kernel has no nfnetlink, which nf_tables needs (CONFIG_NETFILTER_NETLINK)")]
    Unsupported,
    /// Anything else.
    #[error("open a netlink socket")]
    Socket(#[source] io::Error),
}

impl OpenError {
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::ESOCKTNOSUPPORT) => {
                Self::Unsupported
            }
            _ => Self::Socket(error),
        }
    }
}

/// Why a batch was not committed.
///
/// Nothing was changed, except perhaps with [`CommitError::Unknown`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The kernel refused a part of the batch, and so all of it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The ruleset is not of the generation that was expected: read it again and retry.
    #[error("the ruleset is not of generation {expected} any more")]
    Stale {
        /// What was expected.
        expected: u32,
        /// What was found, if it could be asked.
        found: Option<u32>,
    },
    /// We may not change it.
    #[error("{0}")]
    Denied(Denial),
    /// The batch does not fit the send buffer, and is never split.
    #[error(
        "the transaction has {needed} bytes, {allowed} are allowed without CAP_NET_ADMIN in the \
         user namespace that owns the network namespace (net.core.wmem_max)"
    )]
    TooBig {
        /// Its length in bytes.
        needed: usize,
        /// The longest that can be sent.
        allowed: usize,
    },
    /// This kernel does not have something that the batch uses.
    #[error("this kernel has no {feature}: {refusal}")]
    Unsupported {
        /// What it does not have.
        feature: String,
        /// The kernel's answer.
        refusal: Box<Refusal>,
    },
    /// The kernel did not commit and did not say why.
    #[error(
        "the kernel did not commit and gave no reason; the ruleset is still generation {generation}"
    )]
    NotCommitted {
        /// The generation, unchanged.
        generation: u32,
    },
    /// The kernel took a part of the batch, which it rolls back.
    #[error("the kernel took {taken} of {needed} bytes")]
    ShortSend {
        /// Its length in bytes.
        needed: usize,
        /// What was taken.
        taken: usize,
    },
    /// Replies were lost, the generation moved, and the tables are not what the batch says.
    #[error("outcome unknown: replies were lost and the generation went from {before} to {after}")]
    Unknown {
        /// The generation in front of the commit.
        before: u32,
        /// The generation afterwards.
        after: u32,
    },
    /// A batch of changes was to be committed without the generation it was made from. Nothing was
    /// sent: the handles in it may be those of other rules by now.
    #[error("a batch of changes is committed to the generation that it was made from only")]
    Unguarded,
    /// A system call failed.
    #[error("use the netlink socket")]
    Socket(#[source] io::Error),
    /// The state of the ruleset could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The frame of the batch could not be encoded.
    #[error(transparent)]
    Encode(EncodeError),
}

/// Why we may not change something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// No `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    Capability,
    /// The table belongs to another process's socket (`NFT_TABLE_F_OWNER`).
    Owned {
        /// The table.
        table: String,
        /// The socket's address, which is the process id if it opened one socket only.
        owner: u32,
        /// The name of the process of that id, if there is one.
        process: Option<String>,
    },
    /// The kernel did not say more.
    Other(Box<Refusal>),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability => {
                f.write_str("not permitted: CAP_NET_ADMIN over the network namespace is needed")
            }
            Self::Owned {
                table,
                owner,
                process: Some(process),
            } => {
                write!(f, "table {table} belongs to process {owner} ({process})")
            }
            Self::Owned {
                table,
                owner,
                process: None,
            } => {
                write!(f, "table {table} belongs to the netlink socket {owner}")
            }
            Self::Other(refusal) => refusal.fmt(f),
        }
    }
}

/// What the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub errno: Errno,
    /// What it is about.
    pub location: Location,
    /// The kernel's own words, if it had any.
    pub text: Option<String>,
    /// Further errors, which are often consequences of the first.
    pub others: Vec<(Errno, Location)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.errno)?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// `None` when there is no error.
    pub(super) fn new(batch: &Batch, errors: Vec<Answer>) -> Option<Self> {
        /// Locating an error walks the batch; nobody reads more than a few.
        const MOST: usize = 32;
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        let location = |answer: &Answer| batch.locate(answer.sequence, answer.offset);
        Some(Self {
            errno: Errno::from(&first),
            location: location(&first),
            others: errors
                .take(MOST)
                .map(|other| (Errno::from(&other), location(&other)))
                .collect(),
            text: first.text,
        })
    }

    /// Whether an element that was to be deleted is not there: its lifetime has ended since it was
    /// read, which is no new generation.
    pub fn is_of_missing_element(&self) -> bool {
        self.errno.0 == libc::ENOENT && matches!(self.location.origin, Origin::OldElements { .. })
    }

    /// What this kernel lacks, if the error says that.
    ///
    /// An expression whose name the kernel cannot resolve is `ENOENT`; so is one that names a
    /// missing set (`lookup`) or chain (`immediate`), which is no missing feature.
    pub(super) fn missing_feature(&self) -> Option<String> {
        let unsupported = self.errno.0 == libc::EOPNOTSUPP;
        match (&self.location.origin, &self.location.part) {
            (Origin::Batch, _) if unsupported || self.errno.0 == libc::EINVAL => {
                Some("nf_tables (CONFIG_NF_TABLES)".to_owned())
            }
            (Origin::Table { .. }, _) if unsupported || self.errno.0 == libc::EAFNOSUPPORT => {
                Some("nf_tables for this family (CONFIG_NF_TABLES_INET)".to_owned())
            }
            (Origin::Rule { .. }, Part::Expression { name, .. }) => {
                let unresolved = self.errno.0 == libc::ENOENT
                    && !matches!(name.as_str(), "lookup" | "immediate");
                (unsupported || unresolved).then(|| expression_module(name))
            }
            (Origin::Chain { .. }, Part::Attribute(NFTA_CHAIN_TYPE)) => {
                (self.errno.0 == libc::ENOENT).then(|| "this type of chain".to_owned())
            }
            (Origin::Set { .. }, Part::Attribute(NFTA_SET_FLAGS)) | (Origin::Set { .. }, _)
                if unsupported =>
            {
                Some("set with these flags".to_owned())
            }
            _ => None,
        }
    }
}

/// The expression and the module that brings it.
fn expression_module(name: &str) -> String {
    let module = match name {
        "fib" => "nft_fib_inet, nft_fib_ipv4, nft_fib_ipv6",
        "nat" => "nft_nat",
        "masq" => "nft_masq",
        "redir" => "nft_redir",
        "reject" => "nft_reject_inet",
        "limit" => "nft_limit",
        "log" => "nft_log",
        "ct" | "notrack" => "nft_ct",
        "queue" => "nft_queue",
        "tproxy" => "nft_tproxy",
        "quota" => "nft_quota",
        "connlimit" => "nft_connlimit",
        "numgen" => "nft_numgen",
        "socket" => "nft_socket",
        "dup" => "nft_dup_ipv4, nft_dup_ipv6",
        _ => return format!("expression {name}"),
    };
    format!("expression {name} (module {module})")
}
