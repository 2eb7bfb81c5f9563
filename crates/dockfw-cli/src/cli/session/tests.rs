//! Sessions against policies and dumps, and how a session is found.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified};
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::route::{Address, Link, Prefix, Route};

use super::*;
use crate::policy::{self, Source};

const SESSION: &str = "198.51.100.7 50022 192.0.2.1 22";
const SESSION6: &str = "2001:db8::7 50022 2001:db8:ffff::1 22";

fn session(text: &str) -> Session {
    Session::parse(text).unwrap()
}

/// The ruleset of a policy with one container, which publishes this.
fn publishing(port: &str) -> Verified {
    let text = format!(
        "version = 1\n[[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
         subnets = [\"172.18.0.0/16\", \"2001:db8:a::/64\"]\n[[container]]\nname = \"c\"\n\
         networks.a = [\"172.18.0.2\", \"2001:db8:a::2\"]\npublish = [\"{port}\"]\n"
    );
    let source = Source {
        name: "policy.toml".to_owned(),
        bytes: text.into_bytes(),
    };
    let policy = policy::parse(vec![source]).unwrap();
    verify(dockfw_lower::lower(&policy.host)).unwrap()
}

/// The ruleset of a dump.
fn dump(rules: &str, family: Family) -> Verified {
    let program = load(rules, family, &Assume::default()).unwrap().program;
    let name = dockfw_lower::table_name();
    let compiled = dockfw_lower::rules::table(&program, name, Optimize::Full).unwrap();
    verify(Ruleset {
        tables: vec![compiled.table],
    })
    .unwrap()
}

fn input(policy: &str, rules: &str) -> Verified {
    let text = format!("*filter\n:INPUT {policy} [0:0]\n{rules}COMMIT\n");
    dump(&text, Family::Ipv4)
}

#[test]
fn a_connection_has_four_words() {
    let v4 = session(SESSION);
    assert_eq!(v4.client, "198.51.100.7:50022".parse().unwrap());
    assert_eq!(v4.server, "192.0.2.1:22".parse().unwrap());
    let scoped = session("fe80::7%eth0 50022 fe80::1%eth0 22");
    assert_eq!(scoped.client, "[fe80::7]:50022".parse().unwrap());
    assert_eq!(session("::ffff:198.51.100.7 50022 ::ffff:192.0.2.1 22"), v4);
    for wrong in [
        "",
        "198.51.100.7 50022 192.0.2.1",
        "198.51.100.7 50022 192.0.2.1 22 x",
        "198.51.100.7 50022 2001:db8::1 22",
        "client 50022 192.0.2.1 22",
        "198.51.100.7 70000 192.0.2.1 22",
    ] {
        assert_eq!(Session::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn policies_that_leave_port_22_alone_pass() {
    for port in [
        "8080:80",
        "127.0.0.1:22:22",
        "203.0.113.5:22:22",
        "22:22/udp",
    ] {
        for of in [SESSION, SESSION6] {
            let judged = judge(&publishing(port), session(of), "eth0");
            assert_eq!(judged, Ok(()), "{port} {of}");
        }
    }
    let nothing = verify(Ruleset::default()).unwrap();
    assert_eq!(judge(&nothing, session(SESSION), "eth0"), Ok(()));
}

#[test]
fn a_policy_that_publishes_port_22_takes_it_away() {
    for (port, of) in [
        ("22:22", SESSION),
        ("192.0.2.1:22:2222", SESSION),
        ("20-30:20-30", SESSION),
        ("22:22", SESSION6),
    ] {
        let cut = judge(&publishing(port), session(of), "eth0").unwrap_err();
        // The kernel asks nat chains about the first packet of a flow only.
        assert_eq!(cut.what, Concerned::New, "{port}");
        let text = cut.to_string();
        assert!(text.contains("a new one would be refused"), "{text}");
        assert!(text.contains("sent to "), "{text}");
        assert!(text.contains("chain DOCKER-NAT"), "{text}");
        assert!(text.contains("--force"), "{text}");
    }
}

#[test]
fn a_dump_without_a_rule_for_ssh_cuts_it() {
    let cut = judge(&input("DROP", ""), session(SESSION), "eth0").unwrap_err();
    assert_eq!(cut.what, Concerned::FromClient);
    assert_eq!(
        cut.to_string(),
        "the commit would cut the SSH session that it is started from (198.51.100.7:50022 to \
         192.0.2.1:22, by eth0): what the client sends is dropped by the policy of chain \
         filter-INPUT of table dockfw; --force commits all the same"
    );
    let rejected = input("ACCEPT", "-A INPUT -p tcp --dport 22 -j REJECT\n");
    let cut = judge(&rejected, session(SESSION), "eth0").unwrap_err();
    assert_eq!(cut.what, Concerned::FromClient);
    assert!(
        cut.to_string()
            .contains("is rejected by rule 1 of chain filter-INPUT"),
        "{cut}"
    );
}

#[test]
fn a_dump_with_a_rule_for_ssh_passes() {
    for rule in [
        "-A INPUT -p tcp --dport 22 -j ACCEPT\n",
        "-A INPUT -i eth0 -s 198.51.100.0/24 -p tcp --dport 22 -j ACCEPT\n",
        "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\n",
    ] {
        let judged = judge(&input("DROP", rule), session(SESSION), "eth0");
        assert_eq!(judged, Ok(()), "{rule}");
    }
    // By another interface it does not.
    let by = input("DROP", "-A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT\n");
    let cut = judge(&by, session(SESSION), "eth1").unwrap_err();
    assert_eq!(cut.what, Concerned::FromClient);
    // An IPv4 table says nothing of IPv6.
    assert_eq!(judge(&by, session(SESSION6), "eth1"), Ok(()));
}

#[test]
fn a_session_that_lives_on_but_could_not_begin_is_said_so() {
    let rule = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    let cut = judge(&input("DROP", rule), session(SESSION), "eth0").unwrap_err();
    assert_eq!(cut.what, Concerned::New);
    assert_eq!(
        cut.to_string(),
        "this SSH session (198.51.100.7:50022 to 192.0.2.1:22, by eth0) lives on, but a new one \
         would be refused: its first packet is dropped by the policy of chain filter-INPUT of \
         table dockfw; --force commits all the same"
    );
}

#[test]
fn answers_must_get_out() {
    let text =
        "*filter\n:OUTPUT DROP [0:0]\n-A OUTPUT -o eth0 -d 203.0.113.0/24 -j ACCEPT\nCOMMIT\n";
    let cut = judge(&dump(text, Family::Ipv4), session(SESSION), "eth0").unwrap_err();
    assert_eq!(cut.what, Concerned::ToClient);
    assert!(
        cut.to_string()
            .contains("what goes to the client is dropped"),
        "{cut}"
    );
}

#[test]
fn sessions_of_the_machine_with_itself_go_by_lo() {
    let local = session("127.0.0.1 50022 127.0.0.1 22");
    let without = input("DROP", "-A INPUT -i eth0 -j ACCEPT\n");
    let with = input("DROP", "-A INPUT -i lo -j ACCEPT\n");
    assert_eq!(judge(&with, local, LOOPBACK), Ok(()));
    let cut = judge(&without, local, LOOPBACK).unwrap_err();
    assert_eq!(cut.what, Concerned::FromClient);
    // Of its own address too.
    let own = session("192.0.2.1 50022 192.0.2.1 22");
    assert_eq!(judge(&with, own, LOOPBACK), Ok(()));
}

/// A proc(5) with processes: number, parent, environment.
fn proc(processes: &[(u32, u32, &str)]) -> tempdir::Dir {
    let dir = tempdir::Dir::new();
    for (number, parent, environment) in processes {
        let folder = dir.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let stat = format!("{number} (a ) b) S {parent} 1 1 0");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(
            folder.join("environ"),
            environment.replace(' ', "\0").replace('_', " "),
        )
        .unwrap();
    }
    dir
}

/// A folder that goes with its value.
mod tempdir {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    pub(super) struct Dir(PathBuf);

    impl Dir {
        pub(super) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("dockfw-session-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(super) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[test]
fn under_sudo_an_ancestor_knows_the_session() {
    let connection = "A=1\0SSH_CONNECTION=198.51.100.7 50022 192.0.2.1 22\0B=2\0";
    let dir = proc(&[
        (40, 30, "PATH=/bin"),
        (30, 20, "XSSH_CONNECTION=x"),
        (20, 1, ""),
        (1, 0, "SSH_CONNECTION=1.1.1.1"),
    ]);
    let found = |own: Option<&str>| find_in(dir.path(), 40, own.map(OsStr::new));
    // Its parent is no session, and init has nonsense.
    assert_eq!(found(None), None);
    fs::write(dir.path().join("20/environ"), connection).unwrap();
    assert_eq!(found(None), Some(session(SESSION)));
    assert_eq!(found(Some(SESSION6)), Some(session(SESSION6)));
    assert_eq!(find_in(Path::new("/nonexistent"), 40, None), None);
}

#[test]
fn a_client_comes_in_where_answers_go_out() {
    let link = |index, name: &str| Link {
        index,
        name: name.to_owned(),
        kind: None,
    };
    let network = Network {
        links: vec![link(1, LOOPBACK), link(2, "eth0"), link(3, "eth1")],
        addresses: vec![Address {
            link: 2,
            address: "192.0.2.1".parse().unwrap(),
            network: prefix("192.0.2.1", 24),
        }],
        routes: vec![Route {
            destination: prefix("2001:db8::", 32),
            link: 3,
            metric: 0,
        }],
    };
    let by = |client: &str| interfaces(&network, client.parse().unwrap());
    assert_eq!(by("127.0.0.9"), [LOOPBACK]);
    assert_eq!(by("192.0.2.1"), [LOOPBACK]);
    assert_eq!(by("192.0.2.77"), ["eth0"]);
    assert_eq!(by("2001:db8::7"), ["eth1"]);
    // No route, and an address that does not tell its link.
    for unknown in ["198.51.100.7", "fe80::7"] {
        assert_eq!(by(unknown), ["eth0", "eth1"]);
    }
}

fn prefix(address: &str, length: u8) -> Prefix {
    Prefix {
        address: address.parse().unwrap(),
        length,
    }
}

#[test]
fn this_machine_can_be_asked() {
    let network = Routes::open().unwrap().network().unwrap();
    let loopback = "127.0.0.1".parse().unwrap();
    assert_eq!(interfaces(&network, loopback), [LOOPBACK]);
    // Whether an ancestor has a session depends on who runs the test; init has none.
    let _ = find_in(Path::new("/proc"), std::process::id(), None);
    assert_eq!(find_in(Path::new("/proc"), 1, None), None);
}
