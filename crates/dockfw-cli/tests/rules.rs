//! Rules files against what dockfw makes of them: `fixtures/rules/<case>/`.
//!
//! `DOCKFW_BLESS=1 cargo test -p dockfw --test rules` writes the expected output; read it as an
//! operator would before committing it.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dockfw::diagnostic::Style;
use dockfw::policy::Source;
use dockfw::rules::{LeaveOut, Options, Rules, parse};
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, print};
use dockfw_lower::optimize::Optimize;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rules")
}

/// The rules files of a case.
fn sources(case: &Path) -> Vec<Source> {
    let entries = fs::read_dir(case).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("rules"))
        .collect();
    names.sort();
    let source = |name: String| Source {
        bytes: fs::read(case.join(&name)).unwrap(),
        name,
    };
    names.into_iter().map(source).collect()
}

fn nft(rules: &Rules) -> String {
    let tables = rules.programs.iter().map(|of| of.table.clone());
    let ruleset = Ruleset {
        tables: tables.collect(),
    };
    print::nft(&verify(ruleset).unwrap())
}

/// What dockfw says and makes, strict and lenient, rule by rule.
fn output(case: &Path) -> String {
    let mut text = String::new();
    for (name, unsupported) in [
        ("strict", LeaveOut::Nothing),
        ("lenient", LeaveOut::Harmless),
    ] {
        let options = Options {
            optimize: Optimize::None,
            unsupported,
        };
        let found = match parse(&sources(case), None, options) {
            Ok(rules) => format!(
                "accepted\n{}{}",
                rules.warnings.to_text(Style::Plain),
                nft(&rules)
            ),
            Err(errors) => errors.to_text(Style::Plain),
        };
        if text.ends_with(&found) {
            let _ = writeln!(text, "--- {name}: the same");
        } else {
            let _ = write!(text, "--- {name}\n{found}");
        }
    }
    text
}

#[test]
fn rules_files_become_what_is_expected() {
    let bless = std::env::var_os("DOCKFW_BLESS").is_some();
    let mut different = String::new();
    let entries = fs::read_dir(fixtures()).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 4);
    for case in cases {
        let (path, actual) = (case.join("expected.txt"), output(&case));
        if bless {
            fs::write(&path, &actual).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != actual {
            let _ = writeln!(
                different,
                "{}\nexpected:\n{expected}\nactual:\n{actual}",
                case.display()
            );
        }
    }
    assert!(
        different.is_empty(),
        "{different}\nif this is right: DOCKFW_BLESS=1 cargo test -p dockfw --test rules"
    );
}

#[test]
fn folded_rules_have_fewer_lines() {
    let sources = sources(&fixtures().join("server"));
    let of = |optimize| {
        let options = Options {
            optimize,
            ..Options::default()
        };
        nft(&parse(&sources, None, options).unwrap())
    };
    let (plain, folded) = (of(Optimize::None), of(Optimize::Full));
    assert!(plain.contains("tcp dport 80"), "{plain}");
    assert!(plain.contains("tcp dport 443"), "{plain}");
    let rules = |text: &str| text.matches("counter").count();
    assert!(rules(&folded) < rules(&plain), "{folded}");
}

#[test]
fn warnings_point_to_the_rule_that_comes_first() {
    let sources = sources(&fixtures().join("unreachable"));
    let rules = parse(&sources, None, Options::default()).unwrap();
    let warnings = rules.warnings.to_text(Style::Plain);
    assert!(warnings.contains("rules.v4:6:1"), "{warnings}");
    assert!(warnings.contains("rules.v4:5:1"), "{warnings}");
    assert!(
        warnings.contains("no packet comes to this rule"),
        "{warnings}"
    );
}

/// What a rules file with one rule is told.
fn told(rule: &str) -> String {
    let source = Source {
        name: "rules".to_owned(),
        bytes: format!("-A INPUT {rule}\n").into_bytes(),
    };
    match parse(&[source], None, Options::default()) {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn the_documented_lists_are_true() {
    let text = fs::read_to_string(fixtures().join("../../docs/rules-files.md")).unwrap();
    let not_yet = "not written yet";
    let mut count = 0;
    for (start, is_later) in [
        ("- Matches: ", false),
        ("- Targets: ", false),
        ("Others have a native form", true),
    ] {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        for name in line.split('`').skip(1).step_by(2) {
            let is_target = name.starts_with(|c: char| c.is_ascii_uppercase());
            let option = if is_target { "-j" } else { "-m" };
            let told = told(&format!("{option} {name}"));
            assert!(told.contains("cannot be taken over"), "{name}: {told}");
            assert_eq!(told.contains(not_yet), is_later, "{name}: {told}");
            count += 1;
        }
    }
    assert!(count > 20);
}
