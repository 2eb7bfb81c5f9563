//! nft(8) in a network namespace of its own.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::io::Write;
#[expect(
    clippy::disallowed_types,
    reason = "nft is the other side of the comparison"
)]
use std::process::Command;
use std::process::Stdio;

/// Runs `nft` commands in a new network namespace with the text as input.
pub(crate) fn nft(script: &str, input: &str) -> Result<String, String> {
    #[expect(
        clippy::disallowed_types,
        reason = "nft is the other side of the comparison"
    )]
    let mut child = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}
