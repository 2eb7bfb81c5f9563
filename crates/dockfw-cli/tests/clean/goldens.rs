//! What Docker 29 makes, from moby's golden files: afterwards there is what was there before.

use std::path::{Path, PathBuf};

use dockfw_testkit::lab::Lab;

use crate::util::{all_saved, clean, operator, restore};

/// moby's golden files, which lie outside the repository.
fn goldens() -> Vec<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let Ok(entries) = std::fs::read_dir(root.join("moby/iptabler")) else {
        println!("no corpus: nothing was tried");
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.to_str().unwrap().ends_with("tables.golden"))
        .collect();
    paths.sort();
    paths
}

fn cleaned(kind: &str, family: &str) {
    let lab = Lab::builder().build().unwrap();
    restore(&lab, family, kind, operator(family));
    let before = all_saved(&lab);
    let mut tried = 0;
    for path in goldens() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if !name.ends_with(&format!("__{family}.golden")) || !text.contains("-A ") {
            continue;
        }
        restore(&lab, family, kind, &text);
        let there = all_saved(&lab);
        assert_ne!(there, before, "{name}");
        let (code, plan) = clean(&lab, &[]);
        assert_eq!(code, 3, "{name}: {plan}");
        assert_eq!(all_saved(&lab), there, "{name}: a plan changes nothing");
        for rule in text.lines().filter(|line| line.starts_with("-A ")) {
            let rule = rule.replacen("-A", "-D", 1);
            assert!(plan.contains(&rule), "{name}: {rule} is not in\n{plan}");
        }
        let (code, text) = clean(&lab, &["--apply", "--force"]);
        assert_eq!(code, 0, "{name}: {text}");
        assert_eq!(all_saved(&lab), before, "{name}: {text}");
        assert_eq!(clean(&lab, &[]).0, 0, "{name}: nothing is left");
        tried += 1;
    }
    println!("{tried} goldens of {family}-{kind}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn goldens_in_iptables_nft() {
    cleaned("nft", "iptables");
    cleaned("nft", "ip6tables");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn goldens_in_iptables_legacy() {
    cleaned("legacy", "iptables");
    cleaned("legacy", "ip6tables");
}
