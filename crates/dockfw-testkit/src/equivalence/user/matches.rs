//! Random rules, word by word.

use std::net::IpAddr;

use super::Pool;
use crate::equivalence::rng::Rng;

/// Writes rules of one family.
pub(super) struct Writer<'r> {
    pub(super) rng: &'r mut Rng,
    pub(super) pool: &'r Pool,
    pub(super) ipv6: bool,
    /// Chains that a rule may lead to.
    pub(super) chains: &'r [String],
}

const STATES: [&str; 7] = [
    "NEW",
    "ESTABLISHED",
    "RELATED",
    "INVALID",
    "UNTRACKED",
    "SNAT",
    "DNAT",
];

/// What writes a part of a rule.
type Part<'r> = fn(&mut Writer<'r>) -> String;

impl<'r> Writer<'r> {
    /// Any one rule.
    pub(super) fn rule(&mut self) -> String {
        let (text, is_tcp) = self.conditions();
        text + &self.target(is_tcp)
    }

    /// Any conditions; true when they ask for TCP.
    pub(super) fn conditions(&mut self) -> (String, bool) {
        let mut text = String::new();
        let before: [(usize, Part<'r>); 4] = [
            (25, Self::input),
            (20, Self::output),
            (30, |of| of.net("-s")),
            (25, |of| of.net("-d")),
        ];
        for (chance, part) in before {
            if self.rng.chance(chance) {
                text += &part(self);
            }
        }
        let is_tcp = self.transport(&mut text);
        let behind: [(usize, Part<'r>); 6] = [
            (25, Self::conntrack),
            (10, Self::state),
            (12, Self::mark),
            (10, Self::iprange),
            (10, Self::addrtype),
            (5, |_| " -m comment --comment \"a few words\"".to_owned()),
        ];
        for (chance, part) in behind {
            if self.rng.chance(chance) {
                text += &part(self);
            }
        }
        (text, is_tcp)
    }

    /// Rules that differ only in values.
    pub(super) fn run(&mut self) -> Vec<String> {
        let protocol = *self.rng.pick(&["", "", " -p tcp", " -p udp", " -p tcp"]);
        let shapes: &[&[&str]] = &[
            &["-s"],
            &["-d"],
            &["-s", "port"],
            &["-d", "port"],
            &["port"],
            &["-i"],
            &["-o", "-i"],
            &["-s", "-d"],
            &["original"],
            &["original", "-s"],
            &["address", "original"],
            &["-i", "-s", "port"],
            &["range"],
            &["mark"],
        ];
        let shape = *self.rng.pick(shapes);
        let common = match self.rng.below(8) {
            0 => " -m conntrack --ctstate NEW".to_owned(),
            1 => self.state(),
            2 if !shape.contains(&"-d") => self.net("-d"),
            3 => self.mark(),
            4 if !shape.contains(&"-i") => self.input(),
            _ => String::new(),
        };
        let verdicts: Vec<String> = match self.rng.below(10) {
            0..5 => vec![self.verdict()],
            5..9 => vec![self.verdict(), self.verdict()],
            _ => (0..4).map(|_| self.target(false)).collect(),
        };
        let count = *self.rng.pick(&[2, 2, 3, 4, 6, 10, 20, 40]);
        let rule = |of: &mut Self| {
            let mut text = protocol.to_owned();
            for part in shape {
                match *part {
                    "-i" | "-o" => text += &format!(" {part} {}", of.rng.pick(&of.pool.interfaces)),
                    "-s" | "-d" => text += &format!(" {part} {}", of.prefix()),
                    "port" if protocol.is_empty() => {
                        text += &of.words("-m conntrack --ctorigdstport", Self::ports);
                    }
                    "port" => text += &of.words("--dport", Self::ports),
                    "original" => text += &of.words("-m conntrack --ctorigdstport", Self::ports),
                    "address" => text += &of.words("-m conntrack --ctorigdst", Self::prefix),
                    "range" => text += &of.words("-m iprange --src-range", Self::addresses),
                    _ => text += &of.words("-m mark --mark", Self::number),
                }
            }
            text + &common + of.rng.pick::<String>(&verdicts)
        };
        (0..count).map(|_| rule(self)).collect()
    }

    fn words(&mut self, option: &str, value: fn(&mut Self) -> String) -> String {
        format!(" {option} {}", value(self))
    }

    fn not(&mut self) -> &'static str {
        if self.rng.chance(25) { " !" } else { "" }
    }

    fn wanted(&mut self, option: &str, value: fn(&mut Self) -> String) -> String {
        format!("{} {option} {}", self.not(), value(self))
    }

    fn input(&mut self) -> String {
        self.wanted("-i", |of| of.rng.pick(&of.pool.interfaces).clone())
    }

    fn output(&mut self) -> String {
        self.wanted("-o", |of| of.rng.pick(&of.pool.interfaces).clone())
    }

    fn net(&mut self, option: &str) -> String {
        self.wanted(option, |of| match of.rng.below(20) {
            0 if of.ipv6 => "2001:db8::9/ffff:ffff::ff".to_owned(),
            0 => format!("{}/255.0.0.255", of.address()),
            _ => of.prefix(),
        })
    }

    fn address(&mut self) -> String {
        self.any_address().to_string()
    }

    fn any_address(&mut self) -> IpAddr {
        *self.rng.pick(&self.pool.addresses[usize::from(self.ipv6)])
    }

    fn prefix(&mut self) -> String {
        let lengths: &[u8] = if self.ipv6 {
            &[128, 128, 128, 127, 126, 120, 64, 64, 63, 48, 32, 1, 0]
        } else {
            &[32, 32, 32, 31, 30, 29, 28, 24, 24, 16, 8, 1, 0]
        };
        format!("{}/{}", self.address(), self.rng.pick(lengths))
    }

    fn addresses(&mut self) -> String {
        let mut ends = [self.any_address(), self.any_address()];
        ends.sort_unstable();
        let [first, last] = ends;
        format!("{first}-{last}")
    }

    fn port(&mut self) -> u16 {
        let port = *self.rng.pick(&self.pool.ports);
        *self
            .rng
            .pick(&[port, port, port.saturating_add(1), port.saturating_sub(1)])
    }

    fn ports(&mut self) -> String {
        let mut ends = [self.port(), self.port()];
        ends.sort_unstable();
        match (self.rng.below(10), ends) {
            (0..6, [first, _]) => first.to_string(),
            (6, [first, _]) => format!("{first}:"),
            (7, [first, _]) => format!(":{first}"),
            (_, [first, last]) => format!("{first}:{last}"),
        }
    }

    fn number(&mut self) -> String {
        let numbers = [
            "0",
            "1",
            "0x10",
            "0x10/0xf0",
            "2/3",
            "0x1/0x1",
            "5/3",
            "0/0",
            "0xffffffff",
        ];
        (*self.rng.pick(&numbers)).to_owned()
    }

    fn list(&mut self, of: &[&str]) -> String {
        let mut words = of.to_vec();
        self.rng.shuffle(&mut words);
        let count = 1 + self.rng.below(3);
        words.truncate(count);
        words.join(",")
    }

    /// Adds the protocol and what depends on it; says whether it is TCP.
    fn transport(&mut self, text: &mut String) -> bool {
        let kind = self.rng.below(12);
        match kind {
            0..3 => {}
            3 => {
                *text += *self
                    .rng
                    .pick(&[" ! -p tcp", " ! -p udp", " -p all", " -p sctp"]);
            }
            4 if self.ipv6 => {
                *text += &self.words("-p icmpv6", |of| of.wanted("--icmpv6-type", Self::icmp));
            }
            4 => *text += &self.words("-p icmp", |of| of.wanted("--icmp-type", Self::icmp)),
            _ => {
                let protocol = *self.rng.pick(&["tcp", "tcp", "udp"]);
                *text += &format!(" -p {protocol}");
                match self.rng.below(6) {
                    0 => {}
                    1 => *text += &self.multiport(),
                    2 => {
                        *text += &format!(" -m {protocol}");
                        *text += &self.wanted("--sport", Self::ports);
                        *text += &self.wanted("--dport", Self::ports);
                    }
                    3 => *text += &self.wanted("--sport", Self::ports),
                    4 if protocol == "tcp" => {
                        let flags = [
                            "--syn",
                            "! --syn",
                            "--tcp-flags ALL NONE",
                            "--tcp-flags SYN,ACK ACK",
                        ];
                        *text += &format!(" {}", self.rng.pick(&flags));
                    }
                    _ => *text += &self.wanted("--dport", Self::ports),
                }
                return protocol == "tcp";
            }
        }
        false
    }

    fn icmp(&mut self) -> String {
        let kinds: &[&str] = if self.ipv6 {
            &[
                "128",
                "129",
                "135",
                "echo-request",
                "1/4",
                "1/3",
                "destination-unreachable",
            ]
        } else {
            &[
                "8",
                "0",
                "13",
                "echo-request",
                "3/3",
                "3/4",
                "destination-unreachable",
                "any",
            ]
        };
        (*self.rng.pick(kinds)).to_owned()
    }

    fn multiport(&mut self) -> String {
        let option = *self
            .rng
            .pick(&["--dports", "--dports", "--sports", "--ports"]);
        let count = 1 + self.rng.below(5);
        let ports: Vec<_> = (0..count).map(|_| self.ports_of_two()).collect();
        format!(" -m multiport{} {option} {}", self.not(), ports.join(","))
    }

    fn ports_of_two(&mut self) -> String {
        let mut ends = [self.port(), self.port()];
        ends.sort_unstable();
        let [first, last] = ends;
        if first < last && self.rng.chance(30) {
            format!("{first}:{last}")
        } else {
            first.to_string()
        }
    }

    fn conntrack(&mut self) -> String {
        let mut text = String::from(" -m conntrack");
        let mut options = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0];
        self.rng.shuffle(&mut options);
        let mut options = options[..=self.rng.below(3)].to_vec();
        options.sort_unstable();
        options.dedup();
        for option in options {
            text += &match option {
                0 => self.wanted("--ctstate", |of| of.list(&STATES)),
                1 => self.wanted("--ctorigdst", Self::prefix),
                2 => self.wanted("--ctorigdstport", Self::ports_of_two),
                3 => self.wanted("--ctorigsrc", Self::prefix),
                4 => self.wanted("--ctreplsrc", Self::prefix),
                5 => self.wanted("--ctrepldst", Self::prefix),
                6 => self.wanted("--ctorigsrcport", Self::ports_of_two),
                7 => self.wanted("--ctreplsrcport", Self::ports_of_two),
                8 => self.wanted("--ctrepldstport", Self::ports_of_two),
                9 => self.words("--ctdir", |of| {
                    of.list(&["ORIGINAL", "REPLY"])
                        .split(',')
                        .next()
                        .unwrap()
                        .to_owned()
                }),
                10 => self.wanted("--ctstatus", |of| {
                    let one = ["NONE", "SEEN_REPLY", "CONFIRMED", "ASSURED", "EXPECTED"];
                    let two = ["SEEN_REPLY,ASSURED", "CONFIRMED,EXPECTED"];
                    let of_two = of.rng.chance(25);
                    (*if of_two {
                        of.rng.pick(&two)
                    } else {
                        of.rng.pick(&one)
                    })
                    .to_owned()
                }),
                _ => self.wanted("--ctproto", |of| {
                    (*of.rng.pick(&["tcp", "udp", "17", "icmp"])).to_owned()
                }),
            };
        }
        text
    }

    fn state(&mut self) -> String {
        let not = self.not();
        format!(" -m state{not} --state {}", self.list(&STATES[..5]))
    }

    fn mark(&mut self) -> String {
        let not = self.not();
        format!(" -m mark{not} --mark {}", self.number())
    }

    fn iprange(&mut self) -> String {
        let source = self.rng.chance(60);
        let mut text = String::from(" -m iprange");
        if source {
            text += &self.wanted("--src-range", Self::addresses);
        }
        if !source || self.rng.chance(20) {
            text += &self.wanted("--dst-range", Self::addresses);
        }
        text
    }

    fn addrtype(&mut self) -> String {
        let types = |of: &mut Self| {
            let all = [
                "LOCAL",
                "UNICAST",
                "MULTICAST",
                "ANYCAST",
                "BROADCAST",
                "BLACKHOLE",
            ];
            // The kernel does not tell the last one of IPv6 from others.
            of.list(if of.ipv6 { &all[..5] } else { &all })
        };
        let source = self.rng.chance(50);
        let mut text = String::from(" -m addrtype");
        if source {
            text += &self.wanted("--src-type", types);
        }
        if !source || self.rng.chance(20) {
            text += &self.wanted("--dst-type", types);
        }
        if self.rng.chance(20) {
            text += *self.rng.pick(&[" --limit-iface-in", " --limit-iface-out"]);
        }
        text
    }
}
