//! Error numbers with their names.

use std::fmt;

/// An error number of the kernel, positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// The ones that nf_tables gives, with what they mean there.
const NAMES: &[(i32, &str, &str)] = &[
    (libc::EPERM, "EPERM", "not permitted"),
    (libc::ENOENT, "ENOENT", "does not exist"),
    (libc::EINTR, "EINTR", "interrupted"),
    (libc::EIO, "EIO", "input/output error"),
    (libc::E2BIG, "E2BIG", "too long"),
    (libc::EAGAIN, "EAGAIN", "try again"),
    (libc::ENOMEM, "ENOMEM", "the kernel has no memory for it"),
    (libc::EBUSY, "EBUSY", "in use"),
    (libc::EEXIST, "EEXIST", "exists already"),
    (libc::EINVAL, "EINVAL", "invalid"),
    (libc::ENFILE, "ENFILE", "the set is full"),
    (libc::EMFILE, "EMFILE", "too many"),
    (libc::EMLINK, "EMLINK", "chains jump in a loop or too deep"),
    (libc::ERANGE, "ERANGE", "out of range"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG", "name too long"),
    (libc::ELOOP, "ELOOP", "chains jump in a loop"),
    (
        libc::ENODATA,
        "ENODATA",
        "reads a register that nothing wrote",
    ),
    (libc::EOVERFLOW, "EOVERFLOW", "does not fit its field"),
    (libc::ERESTART, "ERESTART", "the ruleset has changed"),
    (libc::EMSGSIZE, "EMSGSIZE", "message too large"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP", "not supported here"),
    (
        libc::EAFNOSUPPORT,
        "EAFNOSUPPORT",
        "address family not supported",
    ),
    (
        libc::EPROTONOSUPPORT,
        "EPROTONOSUPPORT",
        "protocol not supported",
    ),
    (libc::ENOBUFS, "ENOBUFS", "replies were lost"),
];

impl Errno {
    /// Its name, if nf_tables is known to give it.
    pub fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|entry| entry.0 == self.0)
            .map(|entry| entry.1)
    }
}

impl Errno {
    /// What an operator can look at, where the number says more than its meaning: a lowercase
    /// fragment.
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self.0 {
            libc::EPERM => {
                "CAP_NET_ADMIN over the network namespace is needed, and a table that no other \
                 process owns"
            }
            libc::ENOENT => {
                "another program may have removed it meanwhile, or this kernel lacks a module; \
                 commit again"
            }
            libc::EEXIST => "another program may have added it meanwhile; commit again",
            libc::EBUSY => {
                "rules or elements of another program may refer to it; list the table with nft"
            }
            libc::ENFILE => "the set was made for fewer elements; a commit that replaces it helps",
            libc::EMLINK | libc::ELOOP => {
                "look for a chain that leads to itself, or for more than 16 chains behind each \
                 other"
            }
            libc::EOPNOTSUPP => {
                "the type or hook of the chain does not allow it, or this kernel lacks a module"
            }
            libc::EINVAL | libc::ERANGE | libc::ENODATA | libc::EOVERFLOW => {
                "this kernel does not take what dockfw sends; please report it with the output of \
                 uname -r"
            }
            libc::ENOMEM => "the host is out of memory, or the memory cgroup is too small",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|entry| entry.0 == self.0) {
            Some((_, name, text)) => write!(f, "{text} ({name})"),
            None => write!(f, "error {}", self.0),
        }
    }
}
