//! Where mistakes in operators' rules are shown.

use dockfw_lower::reference::reference;

use crate::diagnostic::Diagnostics;
use crate::policy::{Policy, Source, parse, parse_with};
use crate::rules::{LeaveOut, Options};

fn sources(texts: &[&str]) -> Vec<Source> {
    let source = |(index, text): (usize, &&str)| Source {
        name: format!("{index}.toml"),
        bytes: text.as_bytes().to_vec(),
    };
    texts.iter().enumerate().map(source).collect()
}

fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    let of = diagnostics.iter();
    of.map(|of| format!("{}: {}", of.location(), of.message()))
        .collect()
}

#[track_caller]
fn accepted(texts: &[&str]) -> Policy {
    match parse(sources(texts)) {
        Ok(policy) => policy,
        Err(errors) => panic!("{errors}"),
    }
}

#[track_caller]
fn places(texts: &[&str]) -> Vec<String> {
    let errors = parse(sources(texts)).unwrap_err();
    errors.iter().map(|of| of.location().to_string()).collect()
}

#[test]
fn without_rules_nothing_changes() {
    assert!(accepted(&["version = 1\n"]).host.user.is_none());
    assert!(
        accepted(&["version = 1\n[docker-user]\n"])
            .host
            .user
            .is_none()
    );
    assert!(
        accepted(&["version = 1\n[docker-user]\nipv4 = ''\n"])
            .host
            .user
            .is_some()
    );
}

#[test]
fn texts_of_several_files_stand_behind_each_other() {
    let policy = accepted(&[
        "version = 1\n[docker-user]\nipv4 = '-A DOCKER-USER -i b -j DROP \\'\n",
        "[docker-user]\nipv4 = \"\"\"\n-A DOCKER-USER -i c -j DROP\n\"\"\"\n",
        "[docker-user]\nipv4 = '-I DOCKER-USER -i a -j DROP'\n",
    ]);
    let text = reference(&policy.host).ipv4.to_string();
    let rules = text
        .lines()
        .filter(|line| line.starts_with("-A DOCKER-USER"));
    let interfaces: Vec<_> = rules.filter_map(|rule| rule.split(' ').nth(3)).collect();
    assert_eq!(interfaces, ["a", "b", "c"]);
}

#[test]
fn each_mistake_is_in_its_file() {
    let wrong = "-A DOCKER-USER -p tcp --dprot 22 -j DROP";
    let found = places(&[
        &format!("version = 1\n[docker-user]\nipv4 = '{wrong}'\n"),
        &format!("[docker-user]\nipv4 = \"\"\"\n\n{wrong}\"\"\"\nipv6 = \"\\t{wrong}\"\n"),
        &format!("[docker-user]\r\nipv6 = '''\r\n# x\r\n{wrong}\r\n'''\r\n"),
    ]);
    assert_eq!(
        found,
        ["0.toml:3:31", "1.toml:4:23", "1.toml:5:33", "2.toml:4:23"]
    );
}

#[test]
fn a_rule_that_is_broken_over_lines_is_found() {
    let text = "version = 1\n[docker-user]\nipv4 = \"\"\"\\\n  -A DOCKER-USER \\\n  -p tcp \\\n  \
        --dprot 22\"\"\"\n";
    assert_eq!(places(&[text]), ["0.toml:6:3"]);
    let text = "version = 1\n[docker-user]\nipv4 = '''\n-A DOCKER-USER \\\n  -p tcp \\\n  \
        --dprot 22'''\n";
    assert_eq!(places(&[text]), ["0.toml:6:3"]);
}

#[test]
fn what_is_no_toml_is_not_read_as_rules() {
    let errors = parse(sources(&[
        "version = 1\n[docker-user]\nipv4 = '-A DOCKER-USER --wrong\n",
    ]));
    let lines = lines(&errors.unwrap_err());
    assert!(lines.iter().all(|line| line.contains("TOML")), "{lines:?}");
}

#[test]
fn what_is_left_out_is_a_warning_at_its_place() {
    let options = Options {
        unsupported: LeaveOut::Harmless,
        ..Options::default()
    };
    let text = "version = 1\n[docker-user]\nipv6 = \"\"\"\n-A DOCKER-USER -m u32 --u32 0=1 -j ACCEPT\n\
        -A DOCKER-USER -i a -j DROP\n\"\"\"\n";
    let policy = parse_with(sources(&[text]), options).unwrap();
    let warnings = lines(&policy.warnings);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("0.toml:4:1: left out: -A DOCKER-USER -m u32"),
        "{warnings:?}"
    );
    let rules = reference(&policy.host).ipv6.to_string();
    assert_eq!(rules.matches("-A DOCKER-USER").count(), 1, "{rules}");

    let text = text.replace("-j ACCEPT", "-j RETURN");
    let errors = parse_with(sources(&[&text]), options).unwrap_err();
    let help = errors.iter().next().unwrap().help().unwrap();
    assert!(help.contains("more could be accepted"), "{help}");
}
