//! Whose session this is: `SSH_CONNECTION` of this process, or of the one that started it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Session;

/// The variable that sshd sets.
const VARIABLE: &str = "SSH_CONNECTION";
/// How many ancestors are asked, in case they are in a loop meanwhile.
const ANCESTORS: usize = 64;

/// The session of this process, if it has one.
pub fn find() -> Option<Session> {
    let own = std::env::var_os(VARIABLE);
    find_in(Path::new("/proc"), std::process::id(), own.as_deref())
}

/// Asks a process's own variable, and if it has none, as under sudo, the environments of its
/// ancestors. Those that may not be read are passed over.
///
/// `proc` is proc(5), `process` the process whose ancestors are asked.
pub fn find_in(proc: &Path, process: u32, own: Option<&OsStr>) -> Option<Session> {
    if let Some(own) = own {
        return Session::parse(own.to_str()?);
    }
    let mut process = process;
    for _ in 0..ANCESTORS {
        process = parent(proc, process).filter(|parent| *parent != 0)?;
        let environment = fs::read(proc.join(process.to_string()).join("environ"));
        if let Some(found) = environment.ok().as_deref().and_then(variable) {
            return Session::parse(found);
        }
    }
    None
}

/// The parent of a process: the second field behind the name, which may have blanks and brackets.
///
/// Source: proc(5), `/proc/PID/stat`.
fn parent(proc: &Path, process: u32) -> Option<u32> {
    let stat = fs::read(proc.join(process.to_string()).join("stat")).ok()?;
    let behind = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(behind + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The value in an environment, whose variables end with NUL.
fn variable(environment: &[u8]) -> Option<&str> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|of| {
        let value = of.strip_prefix(VARIABLE.as_bytes())?;
        value.strip_prefix(b"=")
    })?;
    OsStr::from_bytes(value).to_str()
}
