//! Rules files that are read in memory.

use dockfw_iptables::Family;

use super::{LeaveOut, Options, Rules, parse};
use crate::diagnostic::Diagnostics;
use crate::policy::Source;

fn read(files: &[(&str, &str)], family: Option<Family>) -> Result<Rules, Diagnostics> {
    let source = |(name, text): &(&str, &str)| Source {
        name: (*name).to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let sources: Vec<_> = files.iter().map(source).collect();
    parse(&sources, family, Options::default())
}

fn families(rules: &Rules) -> Vec<Family> {
    let programs = rules.programs.iter();
    programs.map(|of| of.program.family()).collect()
}

#[test]
fn a_script_for_both_families_makes_two_tables() {
    let text =
        "iptables -A INPUT -s 192.0.2.1 -j DROP\nip6tables -A INPUT -s 2001:db8::1 -j DROP\n";
    let rules = read(&[("rules.sh", text)], None).unwrap();
    assert_eq!(families(&rules), [Family::Ipv4, Family::Ipv6]);
    let one = read(&[("rules.sh", text)], Some(Family::Ipv6)).unwrap();
    assert_eq!(families(&one), [Family::Ipv6]);
    let warnings = one.warnings.to_string();
    assert!(warnings.starts_with("rules.sh:1:1: warning"), "{warnings}");
}

#[test]
fn two_files_of_one_family_are_an_error_that_names_both() {
    let rules = "-A INPUT -j ACCEPT\n";
    let errors = read(&[("a.v4", rules), ("b.v4", rules)], None).unwrap_err();
    assert_eq!(errors.len(), 1);
    let error = errors.iter().next().unwrap();
    assert_eq!(error.location().source(), "b.v4");
    assert_eq!(error.related()[0].location().source(), "a.v4");
    let both = read(&[("a.v4", rules), ("b.v6", rules)], None).unwrap();
    assert_eq!(families(&both), [Family::Ipv4, Family::Ipv6]);
}

#[test]
fn a_file_without_rules_is_an_error() {
    for text in ["", "\n# nothing\n"] {
        let errors = read(&[("rules.v4", text)], None).unwrap_err();
        assert!(errors.to_string().contains("no IPv4 rules"), "{errors}");
    }
    let text = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    assert!(read(&[("rules.v4", text)], None).is_ok());
}

#[test]
fn mistakes_of_all_files_are_shown() {
    let errors = read(
        &[
            ("rules.v4", "-A INPUT -p tcp --dprot 22 -j DROP\n"),
            (
                "rules.v6",
                "-A INPUT -s 192.0.2.1 -j DROP\n-A INPUT -j nowhere\n",
            ),
        ],
        None,
    )
    .unwrap_err();
    let places: Vec<_> = errors.iter().map(|of| of.location().to_string()).collect();
    assert_eq!(places, ["rules.v4:1:17", "rules.v6:1:13", "rules.v6:2:1"]);
}

#[test]
fn what_is_no_text_is_an_error() {
    let source = Source {
        name: "rules.v4".to_owned(),
        bytes: vec![b'#', 0xff],
    };
    let errors = parse(&[source], None, Options::default()).unwrap_err();
    assert!(errors.to_string().contains("not UTF-8"), "{errors}");
    assert_eq!(Options::default().unsupported, LeaveOut::Nothing);
}
