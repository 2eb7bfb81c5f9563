//! The values that rules compare with, for packets that aim at them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::{Program, TableName};
use ipnet::IpNet;

use crate::equivalence::packet::{ICMP, ICMPV6, Packet, State};
use crate::equivalence::rng::Rng;

/// The values in some rules, with their neighbours.
#[derive(Debug, Clone, Default)]
pub struct Constants {
    /// Addresses of both families.
    pub addresses: [Vec<IpAddr>; 2],
    /// Ports and other small numbers.
    pub ports: Vec<u16>,
    /// Marks.
    pub marks: Vec<u32>,
    /// Names of interfaces; a `+` at the end is a rest.
    pub interfaces: Vec<String>,
    /// Types and codes of ICMP messages of both families.
    pub icmp: [Vec<(u8, u8)>; 2],
}

impl Constants {
    /// Those of the rules of some tables.
    pub fn of(program: &Program, tables: &[TableName]) -> Self {
        let mut all = Self::default();
        for table in tables.iter().filter_map(|name| program.table(*name)) {
            for rule in table.chains().flat_map(dockfw_iptables::Chain::rules) {
                all.words(&rule.to_string());
            }
        }
        all.settle();
        all
    }

    /// Those of both programs.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let [ipv4, ipv6] = other.addresses;
        self.addresses[0].extend(ipv4);
        self.addresses[1].extend(ipv6);
        self.ports.extend(other.ports);
        self.marks.extend(other.marks);
        self.interfaces.extend(other.interfaces);
        let [ipv4, ipv6] = other.icmp;
        self.icmp[0].extend(ipv4);
        self.icmp[1].extend(ipv6);
        self.settle();
        self
    }

    fn settle(&mut self) {
        for list in &mut self.addresses {
            list.sort_unstable();
            list.dedup();
        }
        self.ports.sort_unstable();
        self.ports.dedup();
        self.marks.sort_unstable();
        self.marks.dedup();
        self.interfaces.sort_unstable();
        self.interfaces.dedup();
        for list in &mut self.icmp {
            list.sort_unstable();
            list.dedup();
        }
    }

    fn words(&mut self, rule: &str) {
        let mut before = "";
        for word in rule.split_ascii_whitespace() {
            match before {
                "-i" | "-o" => self.interfaces.push(word.to_owned()),
                "--icmp-type" => self.icmp(0, word),
                "--icmpv6-type" => self.icmp(1, word),
                "--comment" | "--log-prefix" => {}
                _ => word.split([',', '-']).for_each(|part| self.value(part)),
            }
            before = word;
        }
    }

    fn icmp(&mut self, family: usize, word: &str) {
        let (kind, code) = word.split_once('/').unwrap_or((word, "0"));
        if let (Ok(kind), Ok(code)) = (kind.parse(), code.parse()) {
            self.icmp[family].push((kind, code));
        }
    }

    fn value(&mut self, word: &str) {
        if let Ok(net) = word.parse::<IpNet>() {
            self.addresses([net.network(), net.broadcast(), net.addr()]);
        } else if let Ok(address) = word.parse::<IpAddr>() {
            self.addresses([address]);
        } else if let Some((address, _)) = word.split_once('/')
            && let Ok(address) = address.parse::<IpAddr>()
        {
            self.addresses([address]);
        } else if word.starts_with("0x") {
            for part in word.split('/') {
                let digits = part.strip_prefix("0x").unwrap_or(part);
                self.marks.extend(u32::from_str_radix(digits, 16));
            }
        } else {
            for part in word.split(':') {
                if let Ok(port) = part.parse::<u16>() {
                    self.ports
                        .extend([port, port.saturating_sub(1), port.saturating_add(1)]);
                }
            }
        }
    }

    fn addresses(&mut self, all: impl IntoIterator<Item = IpAddr>) {
        for address in all {
            let list = &mut self.addresses[usize::from(address.is_ipv6())];
            list.extend([address, beside(address, false), beside(address, true)]);
        }
    }

    /// Changes some of a packet to values of the rules. `interfaces` are those that there are.
    pub fn aim(&self, rng: &mut Rng, packet: &mut Packet, interfaces: &[String]) {
        let family = usize::from(packet.destination.is_ipv6());
        let addresses = &self.addresses[family];
        if !addresses.is_empty() {
            if rng.chance(35) {
                packet.source = *rng.pick(addresses);
            }
            if packet.bridged.is_none() && rng.chance(12) {
                packet.destination = *rng.pick(addresses);
            }
        }
        if let Some((from, to)) = &mut packet.ports
            && !self.ports.is_empty()
        {
            if rng.chance(20) {
                *from = *rng.pick(&self.ports);
            }
            if rng.chance(25) {
                *to = *rng.pick(&self.ports);
            }
        }
        if !self.marks.is_empty() && rng.chance(25) {
            packet.mark = *rng.pick(&self.marks);
        }
        if rng.chance(20) {
            packet.protocol = match (packet.protocol, rng.below(3)) {
                (6, _) => 17,
                (17 | 132, 0..2) => 6,
                (other, _) => other,
            };
        }
        let is_icmp = matches!(packet.protocol, ICMP | ICMPV6) && packet.state != State::Related;
        if is_icmp && !self.icmp[family].is_empty() && rng.chance(40) {
            packet.icmp = Some(*rng.pick(&self.icmp[family]));
        }
        if packet.from.is_some() && packet.bridged.is_none() && rng.chance(25) {
            let matching: Vec<&String> = interfaces
                .iter()
                .filter(|name| self.interfaces.iter().any(|of| holds(of, name)))
                .collect();
            if !matching.is_empty() {
                packet.from = Some((*rng.pick(&matching)).clone());
            }
        }
    }
}

/// Whether a pattern of iptables stands for a name.
pub fn holds(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('+') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// The address behind or before one.
fn beside(address: IpAddr, behind: bool) -> IpAddr {
    match address {
        IpAddr::V4(of) => {
            let bits = of.to_bits();
            let next = if behind {
                bits.wrapping_add(1)
            } else {
                bits.wrapping_sub(1)
            };
            Ipv4Addr::from_bits(next).into()
        }
        IpAddr::V6(of) => {
            let bits = of.to_bits();
            let next = if behind {
                bits.wrapping_add(1)
            } else {
                bits.wrapping_sub(1)
            };
            Ipv6Addr::from_bits(next).into()
        }
    }
}
