//! The names of our objects: Docker's own where Docker has one.

use std::fmt::Write;

use dockfw_ir::name::{ChainName, IfName, SetName, TableName};

use super::BridgeNetwork;
use super::family::Family;

/// The table everything is in.
#[expect(clippy::expect_used, reason = "a constant that a test checks")]
pub(crate) fn table() -> TableName {
    TableName::new("dockfw").expect("a constant name is valid")
}

/// The loopback interface.
#[expect(clippy::expect_used, reason = "a constant that every lowering uses")]
pub(crate) fn loopback() -> IfName {
    IfName::new("lo").expect("a constant name is valid")
}

/// The interface by which Windows' `localhost` reaches WSL2 in mirrored mode.
#[expect(clippy::expect_used, reason = "a constant that a test uses")]
pub(super) fn loopback0() -> IfName {
    IfName::new("loopback0").expect("a constant name is valid")
}

/// The bridge of Docker's default network.
#[expect(clippy::expect_used, reason = "a constant that a test uses")]
pub(crate) fn docker0() -> IfName {
    IfName::new("docker0").expect("a constant name is valid")
}

/// The bridge by which containers leave overlay networks.
#[expect(clippy::expect_used, reason = "a constant that a test uses")]
pub(crate) fn docker_gwbridge() -> IfName {
    IfName::new(crate::host::DOCKER_GWBRIDGE).expect("a constant name is valid")
}

/// A chain with a constant name.
#[expect(
    clippy::expect_used,
    reason = "every constant name is used in each lowering"
)]
pub(crate) fn chain(name: &'static str) -> ChainName {
    ChainName::new(name).expect("a constant name is valid")
}

/// A set with a constant name.
#[expect(
    clippy::expect_used,
    reason = "every constant name is used in each lowering"
)]
pub(super) fn set(name: &'static str) -> SetName {
    SetName::new(name).expect("a constant name is valid")
}

/// A chain of a network: `DOCKER__br-web`.
///
/// What cannot stand in a chain name, and the dot itself, becomes a dot and two hexadecimal
/// digits, so that two bridges never share a chain.
#[expect(
    clippy::expect_used,
    reason = "the prefix is constant and the rest is escaped"
)]
pub(super) fn network_chain(prefix: &'static str, network: BridgeNetwork<'_>) -> ChainName {
    let mut name = format!("{prefix}__");
    for byte in network.device.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, ".{byte:02x}");
        }
    }
    ChainName::new(&name).expect("an escaped name is valid")
}

/// One of the sets that exist once for each family: `host-ports4`, `host-ports4-range`.
#[expect(
    clippy::expect_used,
    reason = "every combination is used in each lowering"
)]
pub(super) fn family_set(stem: &'static str, family: Family, suffix: &'static str) -> SetName {
    let digit = match family {
        Family::V4 => '4',
        Family::V6 => '6',
    };
    SetName::new(&format!("{stem}{digit}{suffix}")).expect("a constant name is valid")
}
