//! Whole iptables programs against the tables that they are compiled to.
//!
//! A program is that of a dump, or a random one. Packets are aimed at its constants; the machine
//! has the interfaces that it names.

use std::net::IpAddr;

use dockfw_iptables::eval as xt;
use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{Family, Program, TableName};
use dockfw_ir::eval as native;
use dockfw_ir::name::TableName as IrTableName;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{Refused, table};

use super::case::compares_any_ports;
use super::packet::{Flow, ICMP, ICMPV6, Outcome, Packet, State};
use super::rng::Rng;
use super::user::constants::Constants;
use super::user::{Pool, conditions};
use super::world::{Interface, World};

/// Every table.
pub const TABLES: [TableName; 5] = [
    TableName::Raw,
    TableName::Mangle,
    TableName::Nat,
    TableName::Filter,
    TableName::Security,
];

/// Compiles a program to a ruleset.
///
/// # Errors
///
/// Every rule that is refused, or what the verifier finds wrong, which is a mistake of ours.
pub fn compile(program: &Program, optimize: Optimize) -> Result<Verified, Failure> {
    let name = IrTableName::new("dockfw").unwrap();
    let compiled = table(program, name, optimize).map_err(Failure::Refused)?;
    let ruleset = Ruleset {
        tables: vec![compiled.table],
    };
    verify(ruleset).map_err(|wrong| Failure::Unverified(wrong.to_string()))
}

/// Why a program has no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Rules have no native form.
    Refused(Vec<Refused>),
    /// The verifier does not take the table.
    Unverified(String),
}

/// A difference between a program and its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The packet.
    pub packet: Packet,
    /// What the program makes of it, and what the table.
    pub ends: (Outcome, Outcome),
    /// The rules that matched, on both sides.
    pub trails: String,
}

/// A machine that has what a program names.
pub fn world(constants: &Constants, without_icmp: bool) -> World {
    let mut world = World::new(&dockfw_lower::host::Host::default());
    world.without_icmp = without_icmp;
    for (index, pattern) in constants.interfaces.iter().enumerate() {
        let name = pattern.replace('+', "0");
        if name == "0" || world.has(&name) || index > 200 {
            continue;
        }
        let addresses = [
            format!("10.77.{index}.1/24"),
            format!("2001:db8:77:{index}::1/64"),
        ];
        world.interfaces.push(Interface {
            name,
            addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        });
    }
    world
}

/// A machine that has what a program names, and packets aimed at the program's constants.
pub struct Scene {
    /// The machine.
    pub world: World,
    aim: Aim,
}

impl Scene {
    /// That of a program.
    pub fn of(program: &Program) -> Self {
        let constants = Constants::of(program, &TABLES);
        let world = world(&constants, compares_any_ports(program));
        let aim = Aim {
            names: world.interfaces.iter().map(|of| of.name.clone()).collect(),
            pool: Pool::around(&world),
            constants,
            ipv6: program.family() == Family::Ipv6,
        };
        Self { world, aim }
    }

    /// A packet that means something on the machine.
    pub fn packet(&self, rng: &mut Rng) -> Packet {
        loop {
            let packet = self.aim.packet(rng);
            if self.world.is_modelled(&packet) {
                return packet;
            }
        }
    }
}

/// Sends packets until there are enough, or one ends otherwise.
pub fn compare(
    program: &Program,
    ruleset: &Verified,
    limits: bool,
    rng: &mut Rng,
    packets: u64,
) -> Option<Difference> {
    let Scene { world, aim } = Scene::of(program);
    let (xt_host, native_host) = (world.docker(), world.ours());
    let xt = xt::Evaluator::new(program).limits(limits);
    let found = if limits {
        native::Limits::Kept
    } else {
        native::Limits::Exceeded
    };
    let native = native::Evaluator::new(ruleset).with_limits(found);
    let confirms = program.to_string().contains("CONFIRMED");
    let redirects = program.to_string().contains("REDIRECT");
    let asks_types = program.to_string().contains("addrtype");
    let has_raw = program.table(TableName::Raw).is_some();
    let mut left = packets;
    while left > 0 {
        let packet = aim.packet(rng);
        let is_narrow = matches!(
            packet.destination,
            IpAddr::V6(of) if of.is_unicast_link_local() || of.is_loopback() || of.is_multicast()
        );
        // The evaluators redirect to different addresses of an interface then.
        let is_redirected = is_narrow && redirects;
        // In the table raw, one of them says that such a packet is invalid as yet.
        let is_early = packet.state == State::Untracked && has_raw;
        // To the machine itself: one of them says that the entry is confirmed on the way in.
        let is_confirmed = packet.from.is_none() && confirms;
        // To its own link-local address by way of lo: addrtype says local, a fib expression does
        // not, as on every link but the address's own.
        let is_link_local =
            matches!(packet.destination, IpAddr::V6(of) if of.is_unicast_link_local());
        let is_looped = packet.from.is_none() && is_link_local && asks_types;
        if !world.is_modelled(&packet) || is_redirected || is_early || is_confirmed || is_looped {
            continue;
        }
        left -= 1;
        let theirs = xt.eval(&xt_host, &packet.docker());
        let ours = native.eval(&native_host, &packet.ours());
        let ends: (Outcome, Outcome) = (theirs.clone().into(), ours.clone().into());
        if !ends.0.agrees(&ends.1) {
            let theirs = theirs.trail.iter().map(|step| format!("  {step}\n"));
            let ours = ours.trail.iter().map(|step| {
                let rule = step.rule.map_or("policy".to_owned(), |at| at.to_string());
                format!("  {} {rule}: {:?}\n", step.chain, step.action)
            });
            return Some(Difference {
                packet,
                ends,
                trails: theirs.chain(["native:\n".to_owned()]).chain(ours).collect(),
            });
        }
    }
    None
}

struct Aim {
    names: Vec<String>,
    pool: Pool,
    constants: Constants,
    ipv6: bool,
}

impl Aim {
    fn packet(&self, rng: &mut Rng) -> Packet {
        let addresses = &self.pool.addresses[usize::from(self.ipv6)];
        let protocol = *rng.pick(&[6, 6, 17, 17, 132, if self.ipv6 { ICMPV6 } else { ICMP }]);
        let is_icmp = matches!(protocol, ICMP | ICMPV6);
        let mut packet = Packet {
            from: rng.chance(75).then(|| rng.pick(&self.names).clone()),
            bridged: None,
            source: *rng.pick(addresses),
            destination: *rng.pick(addresses),
            protocol,
            ports: (!is_icmp).then(|| (*rng.pick(&self.pool.ports), *rng.pick(&self.pool.ports))),
            icmp: is_icmp.then_some(if self.ipv6 { (128, 0) } else { (8, 0) }),
            mark: *rng.pick(&[0, 0, 0, 1, 0x10]),
            state: *rng.weighted(&[
                (70, State::New),
                (15, State::Established),
                (10, State::Invalid),
                (5, State::Untracked),
            ]),
            flow: None,
        };
        self.constants.aim(rng, &mut packet, &self.names);
        self.constants.aim(rng, &mut packet, &self.names);
        if packet.state == State::Established {
            let reply_direction = rng.chance(50);
            let (mut original, mut reply) = (packet.tuple(), packet.tuple().inverted());
            if reply_direction {
                (original, reply) = (reply, original);
            }
            packet.flow = Some(Flow {
                reply_direction,
                original,
                reply,
            });
        }
        packet
    }
}

/// A random program that iptables takes, as the text of a dump.
pub fn random(rng: &mut Rng, ipv6: bool) -> String {
    let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
    loop {
        let text = any(rng, ipv6);
        if load(&text, family, &Assume::default()).is_ok() {
            return text;
        }
    }
}

fn any(rng: &mut Rng, ipv6: bool) -> String {
    let pool = Pool::around(&World::new(&dockfw_lower::host::Host::default()));
    let mut text = String::new();
    let tables: [(&str, &[&str]); 4] = [
        ("raw", &["PREROUTING", "OUTPUT"]),
        (
            "mangle",
            &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        ),
        ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
        ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ];
    for (table, chains) in tables {
        if table != "filter" && rng.chance(40) {
            continue;
        }
        text += &format!("*{table}\n");
        for chain in chains {
            let policy = if table == "filter" && rng.chance(35) {
                "DROP"
            } else {
                "ACCEPT"
            };
            text += &format!(":{chain} {policy} [0:0]\n");
        }
        let own: Vec<String> = ["one", "two.x", "three"][..rng.below(4)]
            .iter()
            .map(ToString::to_string)
            .collect();
        for chain in &own {
            text += &format!(":{chain} - [0:0]\n");
        }
        for (index, chain) in own.iter().enumerate() {
            for rule in rules(rng, &pool, ipv6, (table, ""), &own[index + 1..]) {
                text += &format!("-A {chain}{rule}\n");
            }
        }
        for chain in chains {
            for rule in rules(rng, &pool, ipv6, (table, chain), &own) {
                text += &format!("-A {chain}{rule}\n");
            }
        }
        text += "COMMIT\n";
    }
    text
}

/// Rules of a chain of a table, as far as iptables takes them there.
fn rules(
    rng: &mut Rng,
    pool: &Pool,
    ipv6: bool,
    (table, chain): (&str, &str),
    onward: &[String],
) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..rng.below(4) {
        if table == "filter" {
            all.extend(super::user::block(rng, pool, ipv6, onward));
            continue;
        }
        let count = *rng.pick(&[1, 1, 2, 5, 12]);
        let (common, kind) = (conditions(rng, pool, ipv6).0, rng.below(100));
        for _ in 0..count {
            let many = count > 1;
            let port = *rng.pick(&pool.ports);
            let conditions = if many {
                format!(" -p tcp --dport {port}")
            } else {
                common.clone()
            };
            let target = target(rng, pool, ipv6, (table, chain), onward, kind);
            all.push(conditions + &target);
        }
    }
    all.retain(|rule| {
        let input = matches!(chain, "OUTPUT" | "POSTROUTING");
        let output = matches!(chain, "PREROUTING" | "INPUT");
        !(input && (rule.contains(" -i ") || rule.contains("limit-iface-in")))
            && !(output && (rule.contains(" -o ") || rule.contains("limit-iface-out")))
            && accepted(table, chain, rule, ipv6)
    });
    all
}

/// Whether iptables takes such a rule alone.
fn accepted(table: &str, chain: &str, rule: &str, ipv6: bool) -> bool {
    let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
    let chain = if chain.is_empty() { "own" } else { chain };
    let text = format!(
        "*{table}\n:own - [0:0]\n:one - [0:0]\n:two.x - [0:0]\n:three - [0:0]\n-A {chain}{rule}\nCOMMIT\n"
    );
    load(&text, family, &Assume::default())
        .is_ok_and(|loaded| compile(&loaded.program, Optimize::None).is_ok())
}

fn target(
    rng: &mut Rng,
    pool: &Pool,
    ipv6: bool,
    (table, chain): (&str, &str),
    onward: &[String],
    kind: usize,
) -> String {
    if kind < 15 && !onward.is_empty() {
        let leads = *rng.pick(&["-j", "-g"]);
        return format!(" {leads} {}", rng.pick(onward));
    }
    let address = *rng.pick(&pool.addresses[usize::from(ipv6)]);
    let port = *rng.pick(&[80, 81, 8080, 443]);
    let with_port = if ipv6 {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    };
    match (table, chain) {
        ("raw", _) => (*rng.pick(&[
            " -j NOTRACK",
            " -j CT --notrack",
            " -j ACCEPT",
            " -j DROP",
            " -j RETURN",
        ]))
        .to_owned(),
        ("mangle", _) => {
            let all = [
                " -j MARK --set-mark 1",
                " -j MARK --or-mark 0x10",
                " -j ACCEPT",
                " -j DROP",
                " -j RETURN",
            ];
            (*rng.pick(&all)).to_owned()
        }
        ("nat", "PREROUTING" | "OUTPUT") => match kind % 5 {
            0 => " -j ACCEPT".to_owned(),
            1 => format!(" -j REDIRECT --to-ports {port}"),
            2 => format!(" -j DNAT --to-destination {address}"),
            _ => format!(" -j DNAT --to-destination {with_port}"),
        },
        ("nat", "POSTROUTING") => match kind % 5 {
            0 => " -j RETURN".to_owned(),
            1 => format!(" -j SNAT --to-source {address}"),
            2 => format!(" -j SNAT --to-source {with_port}"),
            _ => " -j MASQUERADE".to_owned(),
        },
        ("nat", "INPUT") => format!(" -j SNAT --to-source {address}"),
        _ => " -j RETURN".to_owned(),
    }
}
