//! moby's `TestIptabler`: all combinations, byte for byte.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::net::IpAddr;

use dockfw_iptables::{InterfacePattern, Program, TableName};
use dockfw_lower::docker::publish::Protocol;
use dockfw_lower::reference::{Config, FamilyConfig, Firewaller, NetworkConfig, PortBinding};

use crate::corpus::{compare, files, folder, note, table};

/// The parameters that a golden's name spells.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    /// The file's name.
    pub(crate) name: &'a str,
}

impl Case<'_> {
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let stem = self.name.split("__").next().unwrap();
        stem.split(',')
            .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn is(&self, key: &str) -> bool {
        self.value(key) == Some("true")
    }

    pub(crate) fn ipv4(&self) -> bool {
        self.name.ends_with("__iptables.golden")
    }

    /// The daemon; `both` also makes the other family, which must not matter.
    fn config(&self, both: bool) -> Config {
        Config {
            ipv4: both || self.ipv4(),
            ipv6: both || !self.ipv4(),
            hairpin: self.is("hairpin"),
            wsl2_mirrored: self.is("wsl2mirrored"),
            ..Config::default()
        }
    }

    fn network(&self) -> NetworkConfig {
        let family = |subnet: &str, host_ip: &str| FamilyConfig {
            host_ip: self.is("snat").then(|| host_ip.parse().unwrap()),
            prefix: subnet.parse().unwrap(),
            routed: self.value("gwm") == Some("routed"),
            unprotected: self.value("gwm") == Some("nat-unprotected"),
        };
        NetworkConfig {
            interface: InterfacePattern::new("br-dummy").unwrap(),
            internal: self.is("internal"),
            icc: self.is("icc"),
            masquerade: self.is("masq"),
            trusted_host_interfaces: vec![],
            accept_fwmark: None,
            config4: Some(family("192.168.0.0/24", "192.168.123.0")),
            config6: Some(family("fd49:efd7:54aa::/64", "fd34:d0d4:672f::123")),
        }
    }

    fn bindings(&self) -> Vec<PortBinding> {
        let any: [IpAddr; 2] = ["0.0.0.0".parse().unwrap(), "::".parse().unwrap()];
        let loopback: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let containers = ["192.168.0.2", "fd49:efd7:54aa::1"].map(|ip| ip.parse().unwrap());
        let hosts = if self.is("bindlh") { loopback } else { any };
        let binding = |(ip, host_ip)| PortBinding {
            protocol: Protocol::Tcp,
            ip,
            port: 80,
            host_ip,
            host_port: 8080,
        };
        containers.into_iter().zip(hosts).map(binding).collect()
    }
}

/// The tables in the order of the goldens.
fn dump(program: &Program) -> String {
    [TableName::Raw, TableName::Filter, TableName::Nat]
        .map(|name| table(program, name))
        .concat()
}

/// Runs one golden: clean, scenario, clean again. Returns whether all three agree.
pub(crate) fn run(case: &Case<'_>, expected: &str, clean: Option<&str>, both: bool) -> bool {
    let mut firewaller = Firewaller::new(case.config(both));
    let dump_of = |firewaller: &Firewaller| {
        dump(if case.ipv4() {
            firewaller.ipv4()
        } else {
            firewaller.ipv6()
        })
    };
    let started = dump_of(&firewaller);
    let mut good = clean.is_none_or(|clean| compare(case.name, &started, clean));
    if case.name.starts_with("cleaned") {
        return good && compare(case.name, &started, expected);
    }
    let (network, bindings) = (case.network(), case.bindings());
    let ipv4 = Some("192.168.0.2".parse().unwrap());
    let ipv6 = Some("fd49:efd7:54aa::1".parse().unwrap());
    firewaller.new_network(&network);
    firewaller.add_endpoint(&network, ipv4, ipv6);
    firewaller.add_ports(&network, &bindings);
    good &= compare(case.name, &dump_of(&firewaller), expected);
    firewaller.del_ports(&network, &bindings);
    firewaller.del_endpoint(&network, ipv4, ipv6);
    firewaller.del_network_level_rules(&network);
    good & compare(
        &format!("{} (cleaned)", case.name),
        &dump_of(&firewaller),
        &started,
    )
}

#[test]
fn iptabler_goldens() {
    let Some(folder) = folder("iptabler") else {
        return;
    };
    let files = files(&folder);
    let clean_name = |case: &Case<'_>| {
        let hairpin = case.value("hairpin").unwrap_or_default();
        let mirrored = if case.is("wsl2mirrored") {
            ",wsl2mirrored=true"
        } else {
            ""
        };
        let family = if case.ipv4() { "iptables" } else { "ip6tables" };
        format!("cleaned,hairpin={hairpin}{mirrored}__{family}.golden")
    };
    let mut failed = 0;
    for (name, expected) in &files {
        let case = Case { name };
        if name.starts_with("no__") {
            let untouched = Firewaller::new(Config::default());
            failed += usize::from(!compare(name, &dump(untouched.ipv4()), expected));
            continue;
        }
        let clean = files.iter().find(|(name, _)| *name == clean_name(&case));
        let clean = clean.map(|(_, text)| text.as_str());
        let good = run(&case, expected, clean, false) && run(&case, expected, clean, true);
        failed += usize::from(!good);
    }
    note(&format!("{} goldens, {failed} failed", files.len()));
    assert!(!files.is_empty(), "no golden in {}", folder.display());
    assert_eq!(failed, 0, "of {} goldens", files.len());
}
