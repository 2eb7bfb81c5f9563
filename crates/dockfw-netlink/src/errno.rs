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

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|entry| entry.0 == self.0) {
            Some((_, name, text)) => write!(f, "{text} ({name})"),
            None => write!(f, "error {}", self.0),
        }
    }
}
