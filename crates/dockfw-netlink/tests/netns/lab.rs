//! A network namespace per test, and the commands run in it.
//!
//! The only unsafe code of the tests: unshare(2), capset(2).
#![expect(unsafe_code, clippy::unwrap_used, reason = "test helpers")]

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `test` in a thread with a network namespace of its own, and passes its panic on.
pub(crate) fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: no memory is involved; only this thread changes its namespace.
            let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "unshare: {}", std::io::Error::last_os_error());
            test()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `test` in a thread of this namespace that has no capabilities any more.
pub(crate) fn without_capabilities<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // _LINUX_CAPABILITY_VERSION_3: two sets of effective, permitted, inheritable.
            let header = Header {
                version: 0x2008_0522,
                pid: 0,
            };
            let none = [0_u32; 6];
            // SAFETY: both pointers are to locals of the size that version 3 asks for.
            let result =
                unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
            assert_eq!(result, 0, "capset: {}", std::io::Error::last_os_error());
            test()
        });
        thread.join().unwrap()
    })
}

/// The nft(8) command of this thread's namespace; the result is what it printed.
pub(crate) fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// `nft -f -` of a text.
pub(crate) fn nft_load(text: &str) {
    nft_try_load(text).unwrap();
}

/// `nft -f -` of a text, or what nft(8) said about it.
pub(crate) fn nft_try_load(text: &str) -> Result<(), String> {
    let mut command = Command::new("nft");
    command
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "nft -f: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// `nft -s list ruleset`, without what counts or expires.
pub(crate) fn list() -> String {
    let listed = nft(&["-s", "list", "ruleset"]);
    // Elements with a lifetime are listed with what is left of it.
    let mut words = listed.split(' ').peekable();
    let mut kept: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        if word == "expires" {
            let left = words.next().unwrap_or("");
            let rest = left.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            if let Some(last) = kept.last_mut().filter(|_| !rest.is_empty()) {
                let whole = listed.find(&format!("{last} expires {left}")).unwrap();
                *last = &listed[whole..whole + last.len()];
            }
            kept.push(rest);
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}
