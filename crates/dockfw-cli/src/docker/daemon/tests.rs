//! A daemon's options: where they are found, and whether it has a firewall of its own.

use super::flags::{self, Flags};
use super::known::Known;
use super::process::Identity;
use super::{Daemon, Found, Settings, Source, Verdict, file};
use crate::docker::Error;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn value(found: Option<&Found<bool>>) -> Option<bool> {
    found.map(|found| found.value)
}

#[test]
fn a_command_line_is_read_as_dockerd_reads_it() {
    let line = "-H unix:///a --iptables=false --ip6tables --userland-proxy=0 --config-file /x.json \
                --icc=maybe --bridge-accept-fwmark 0x1/0x3 --ip-masq=true --ip-masq=false -- \
                --ip-forward=false";
    let Flags {
        settings,
        config_file,
    } = flags::parse(&words(line));
    assert_eq!(value(settings.iptables.as_ref()), Some(false));
    assert_eq!(value(settings.ip6tables.as_ref()), Some(true));
    assert_eq!(value(settings.userland_proxy.as_ref()), Some(false));
    assert_eq!(value(settings.icc.as_ref()), None);
    assert_eq!(value(settings.ip_masq.as_ref()), Some(false));
    assert_eq!(value(settings.ip_forward.as_ref()), None);
    let mark = settings.bridge_accept_fwmark.map(|found| found.value);
    assert_eq!(mark.as_deref(), Some("0x1/0x3"));
    assert_eq!(config_file.as_deref(), Some("/x.json"));
    let joined = flags::parse(&words("--config-file=/y --allow-direct-routing"));
    assert_eq!(joined.config_file.as_deref(), Some("/y"));
    assert_eq!(
        value(joined.settings.allow_direct_routing.as_ref()),
        Some(true)
    );
}

#[test]
fn a_file_is_read_or_said_to_be_wrong() {
    let read = |text: &str| file::parse(text, "/d.json");
    assert_eq!(read(""), Ok(Settings::default()));
    assert_eq!(read("{\"hosts\": []}"), Ok(Settings::default()));
    let settings = read("{\"iptables\": false, \"ip6tables\": false}").unwrap();
    assert_eq!(value(settings.iptables.as_ref()), Some(false));
    assert_eq!(
        settings.ip6tables.map(|of| of.place).as_deref(),
        Some("/d.json")
    );
    for wrong in [
        "{",
        "[]",
        "{\"iptables\": \"false\"}",
        "{\"bridge-accept-fwmark\": 1}",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

fn daemon(line: &str, json: &str, api: &str) -> Daemon {
    let mut settings = flags::parse(&words(line)).settings;
    settings.fill(file::parse(json, "/d.json").unwrap());
    Daemon {
        api: api.to_owned(),
        settings,
        command_line: Source::Read("dockerd's command line".to_owned()),
        file: Source::Read("/d.json".to_owned()),
        ..Daemon::default()
    }
}

#[test]
fn a_firewall_is_off_only_if_both_families_are() {
    let off = "{\"iptables\": false, \"ip6tables\": false}";
    assert_eq!(daemon("", off, "1.52").firewall_off(), Verdict::Off);
    let flags = "--iptables=false --ip6tables=false";
    assert_eq!(daemon(flags, "", "1.52").firewall_off(), Verdict::Off);
    // IPv6 rules came with Docker 27, unless they are asked for.
    assert_eq!(
        daemon("--iptables=false", "", "1.45").firewall_off(),
        Verdict::Off
    );
    for (line, json, says) in [
        (
            "",
            "",
            "iptables is not set, and true by default, ip6tables is not set",
        ),
        (
            "--iptables=false",
            "",
            "ip6tables is not set, and true by default",
        ),
        (
            "--iptables --ip6tables=false",
            "",
            "iptables is true (dockerd's command line)",
        ),
        (
            "",
            "{\"iptables\": false, \"ip6tables\": true}",
            "ip6tables is true (/d.json)",
        ),
    ] {
        let Verdict::On { found, change } = daemon(line, json, "1.46").firewall_off() else {
            panic!("{line} {json}");
        };
        assert!(found.contains(says), "{found}");
        assert!(change.contains("\"iptables\": false and \"ip6tables\": false into /d.json"));
        assert_eq!(
            change.contains("remove --iptables"),
            line.contains("--iptables ")
        );
    }
    let mut blind = daemon("", off, "1.52");
    blind.command_line = Source::Unread {
        name: "dockerd's command line".to_owned(),
        why: "no".to_owned(),
    };
    // Both are set in the file, and dockerd refuses to start when a flag says otherwise.
    assert_eq!(blind.firewall_off(), Verdict::Off);
    blind.settings.ip6tables = None;
    assert!(
        matches!(blind.firewall_off(), Verdict::Unknown { why } if why.contains("command line"))
    );
}

#[test]
fn a_file_that_is_edited_says_nothing_about_a_daemon_that_runs() {
    let path = std::env::temp_dir().join(format!("dockfw-known-{}.json", std::process::id()));
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let sleep = || {
        let mut command = std::process::Command::new("sleep");
        command.arg("1000").spawn().unwrap()
    };
    let (mut first, mut second) = (sleep(), sleep());
    let (one, other) = (Identity::of(first.id()), Identity::of(second.id()));
    assert!(one.is_some() && one != other);
    let info = |version: &str| {
        Ok(Daemon {
            version: version.to_owned(),
            ..Daemon::default()
        })
    };
    let broken = || {
        let (what, why) = ("docker info", "broken".to_owned());
        Err(Error::Answer { what, why })
    };
    let mut known = Known::default();
    let mut look = |begin: Option<Option<Identity>>, info| {
        if let Some(identity) = begin {
            known.begin_with(identity);
        }
        let daemon = known.daemon(info, None, Some(&path));
        daemon.map(|of| (of.version, value(of.settings.iptables.as_ref())))
    };
    let of = |version: &str, iptables| (version.to_owned(), iptables);

    assert!(matches!(
        look(Some(one), broken()),
        Err(Error::Answer { .. })
    ));
    // What cannot be read is read when it can be.
    write("{");
    assert_eq!(look(None, info("1")).unwrap(), of("1", None));
    write("{\"iptables\": false}");
    assert_eq!(look(None, info("1")).unwrap(), of("1", Some(false)));
    for text in ["{\"iptables\": true}", "{", ""] {
        write(text);
        assert_eq!(look(None, info("1")).unwrap(), of("1", Some(false)));
        assert_eq!(look(Some(one), info("1")).unwrap(), of("1", Some(false)));
        assert_eq!(look(Some(one), broken()).unwrap(), of("1", Some(false)));
    }
    // Another process, or one that cannot be told.
    write("{\"iptables\": true}");
    assert!(look(Some(other), broken()).is_err());
    assert_eq!(look(None, info("2")).unwrap(), of("2", Some(true)));
    assert_eq!(look(Some(None), info("3")).unwrap(), of("3", Some(true)));
    write("{\"iptables\": false}");
    assert_eq!(look(None, broken()).unwrap(), of("3", Some(true)));
    assert_eq!(look(Some(None), info("3")).unwrap(), of("3", Some(false)));
    // One that has ended does not answer.
    assert!(look(Some(one), info("4")).is_ok());
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(matches!(look(None, info("4")), Err(Error::Ended)));
    second.kill().unwrap();
    second.wait().unwrap();
    std::fs::remove_file(&path).unwrap();
}
