//! Settings of the host: what is read, planned, made and said.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::proc::Proc;
use super::{Report, State, Wanted};
use crate::policy::{Policy, Source, parse};
use crate::rules::Options;
use crate::state::Recipe;

/// A folder like `/proc/sys`.
struct Sys(PathBuf);

const FORWARD: &str = "net/ipv4/ip_forward";
const FORWARD6: &str = "net/ipv6/conf/all/forwarding";
const NF: &str = "net/bridge/bridge-nf-call-iptables";
const LOOPBACK: &str = "net/ipv4/conf/br-web/route_localnet";
const ALL_LOOPBACK: &str = "net/ipv4/conf/all/route_localnet";

impl Sys {
    /// One in which everything is off.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dockfw-sys-{}-{number}", std::process::id());
        let sys = Self(std::env::temp_dir().join(name));
        let bridge6 = "net/bridge/bridge-nf-call-ip6tables";
        for path in [FORWARD, FORWARD6, NF, bridge6, LOOPBACK, ALL_LOOPBACK] {
            sys.set(path, "0");
        }
        sys
    }

    fn set(&self, path: &str, value: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }

    fn get(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }

    fn remove(&self, path: &str) {
        let path = self.0.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    fn report(&self, policy: &Policy, write: bool) -> Report {
        Wanted::of(Some(policy)).report(&Proc::in_folder(&self.0), write)
    }
}

impl Drop for Sys {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A network without icc, whose container is published, without the userland proxy.
fn policy(host: &str) -> Policy {
    let text = format!(
        "version = 1\n{host}\n[daemon]\nuserland-proxy = false\n[[network]]\nname = \"web\"\n\
         bridge = \"br-web\"\nsubnets = [\"172.18.0.0/16\"]\n\
         options = {{ \"com.docker.network.bridge.enable_icc\" = \"false\" }}\n[[container]]\n\
         name = \"c\"\nnetworks.web = [\"172.18.0.2\"]\npublish = [\"127.0.0.1:8080:80\"]\n"
    );
    parse(vec![source(&text)]).unwrap()
}

fn source(text: &str) -> Source {
    Source {
        name: "policy.toml".to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn managed() -> Policy {
    policy("[host]\nmanage-sysctls = true")
}

fn states(report: &Report) -> Vec<State> {
    report.entries.iter().map(|of| of.state.clone()).collect()
}

fn differs() -> State {
    State::Differs("0".to_owned())
}

#[test]
fn what_is_not_managed_is_only_said() {
    let sys = Sys::new();
    let policy = policy("");
    assert!(!policy.manage_sysctls);
    for write in [false, true] {
        let report = sys.report(&policy, write);
        assert_eq!(states(&report), [differs(), differs(), differs()]);
        assert_eq!(report.section(), "");
        assert!(!report.would_write() && !report.has_failed() && report.assignments().is_empty());
        let notes: Vec<String> = report.notes().lines().map(str::to_owned).collect();
        assert_eq!(
            notes[0],
            "warning: net.bridge.bridge-nf-call-iptables is 0, and the policy does not hold \
             without it: icc is off on network web: packets between its containers meet the \
             ruleset only with it; containers reach published ports of their own network through \
             the host, on network web; set it with `sysctl -w \
             net.bridge.bridge-nf-call-iptables=1`"
        );
        assert!(notes[1].starts_with("note: net.ipv4.conf.br-web.route_localnet is 0: 127.0.0.1"));
        assert!(notes[2].ends_with("set it with `sysctl -w net.ipv4.ip_forward=1`"));
    }
    for path in [FORWARD, NF, LOOPBACK] {
        assert_eq!(sys.get(path), "0\n");
    }
}

#[test]
fn what_is_managed_is_planned_and_made() {
    let sys = Sys::new();
    let planned = sys.report(&managed(), false);
    assert!(planned.would_write());
    assert_eq!(planned.notes(), "");
    assert_eq!(
        planned.assignments(),
        [
            "net.bridge.bridge-nf-call-iptables=1",
            "net.ipv4.conf.br-web.route_localnet=1",
            "net.ipv4.ip_forward=1"
        ]
    );
    assert!(
        planned
            .section()
            .contains("\n  ~ net.ipv4.ip_forward: 0 to 1; packets")
    );
    assert_eq!(sys.get(FORWARD), "0\n");

    let made = sys.report(&managed(), true);
    assert_eq!(states(&made), vec![State::Written("0".to_owned()); 3]);
    assert_eq!(made.written().lines().count(), 3);
    assert_eq!(made.to_json()["settings"][2]["state"], "written");
    for path in [FORWARD, NF, LOOPBACK] {
        assert_eq!(sys.get(path), "1\n");
    }
    // What nobody asked for stays.
    assert_eq!(sys.get(FORWARD6), "0\n");
    let again = sys.report(&managed(), true);
    assert_eq!(states(&again), vec![State::AsWanted; 3]);
    assert_eq!(again.written() + &again.notes() + &again.section(), "");
}

#[test]
fn what_has_the_same_effect_is_left_alone() {
    let sys = Sys::new();
    sys.set(ALL_LOOPBACK, "1");
    sys.set(FORWARD, "2");
    sys.set(NF, "1");
    let report = sys.report(&managed(), true);
    assert_eq!(states(&report), vec![State::AsWanted; 3]);
    assert_eq!(sys.get(LOOPBACK), "0\n");
    // Also there the bridge must exist for it to say anything.
    sys.remove("net/ipv4/conf/br-web");
    assert_eq!(states(&sys.report(&managed(), true))[1], State::NoInterface);
}

#[test]
fn a_bridge_that_is_not_there_is_no_error() {
    let sys = Sys::new();
    sys.remove("net/ipv4/conf/br-web");
    let report = sys.report(&managed(), true);
    assert_eq!(states(&report)[1], State::NoInterface);
    assert!(!report.has_failed());
    assert_eq!(report.notes(), "");
    assert_eq!(report.to_json()["settings"][1]["state"], "no-interface");
    assert_eq!(sys.get(FORWARD), "1\n");
}

#[test]
fn without_the_module_the_remedy_is_said() {
    let sys = Sys::new();
    sys.remove("net/bridge");
    for policy in [policy(""), managed()] {
        let report = sys.report(&policy, true);
        assert_eq!(states(&report)[0], State::NoModule);
        assert!(!report.has_failed());
        let notes = report.notes();
        assert!(notes.starts_with("warning: "), "{notes}");
        assert!(notes.contains("br_netfilter is not loaded, and the policy does not hold"));
        assert!(notes.contains("`modprobe br_netfilter`"), "{notes}");
        assert!(notes.contains("/etc/modules-load.d/"), "{notes}");
    }
    assert!(!sys.0.join(NF).exists(), "nothing is created");
}

#[test]
fn without_proc_a_managed_host_fails() {
    let sys = Sys::new();
    sys.remove("net");
    let report = sys.report(&managed(), true);
    assert!(
        states(&report)
            .iter()
            .all(|of| matches!(of, State::Unreadable(_)))
    );
    assert!(report.has_failed());
    assert!(report.notes().starts_with("error: "), "{}", report.notes());
    assert!(!sys.report(&policy(""), true).has_failed());
}

#[test]
fn a_name_cannot_leave_the_command_line() {
    let text = "version = 1\n[daemon]\nuserland-proxy = false\n[[network]]\nname = \"a\\nb\"\n\
                bridge = \"b;$(x)\"\nsubnets = [\"172.18.0.0/16\"]\n[[container]]\nname = \"c\"\n\
                networks.\"a\\nb\" = [\"172.18.0.2\"]\npublish = [\"127.0.0.1:8080:80\"]\n";
    let policy = parse(vec![source(text)]);
    let Ok(policy) = policy else {
        // A check that refuses such names is as good.
        return;
    };
    let sys = Sys::new();
    sys.set("net/ipv4/conf/b;$(x)/route_localnet", "0");
    let notes = sys.report(&policy, false).notes();
    assert!(
        notes.contains("`sysctl -w 'net.ipv4.conf.b;$(x).route_localnet=1'`"),
        "{notes}"
    );
    assert!(
        notes.lines().all(|line| line.starts_with("note: ")),
        "{notes}"
    );
}

#[test]
fn earlier_inputs_are_looked_at_only_if_they_say_so() {
    let recipe = |text: &str| Recipe {
        policies: Some(vec![source(text)]),
        rules: Vec::new(),
        family: None,
        options: Options::default(),
    };
    let network = "[[network]]\nname = \"a\"\nbridge = \"br\"\nsubnets = [\"172.18.0.0/16\"]\n";
    let of = |host: &str| {
        let text = format!("version = 1\n{host}{network}");
        Wanted::managed_of(&recipe(&text)).settings.len()
    };
    assert_eq!(of(""), 0);
    assert_eq!(of("[host]\nmanage-sysctls = false\n"), 0);
    assert_eq!(of("[host]\nmanage-sysctls = true\n"), 1);
    assert_eq!(
        Wanted::managed_of(&recipe("manage-sysctls")).settings.len(),
        0
    );
}

/// `/proc/sys` of the machine that runs the test, which is only read.
#[test]
fn this_machine_can_be_asked() {
    let report = Wanted::of(Some(&policy(""))).read();
    assert!(!Path::new("/proc/sys/net").exists() || !states(&report).is_empty());
}
