//! A network namespace to try things in.

use std::io;

/// Runs `work` in a thread whose network namespace is new and empty, and goes away with it.
///
/// Sockets that `work` opens belong to that namespace for good; they should not leave it. The
/// caller's own thread stays where it is. A panic of `work` goes on in the caller.
///
/// # Errors
///
/// Those of unshare(2): `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` beyond
/// `user.max_net_namespaces`, `EINVAL` on a kernel without network namespaces; and those of
/// creating a thread. `work` did not run then.
pub fn in_new_network_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            // SAFETY: no pointers; only the network namespace of this thread changes.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(work())
        })?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
