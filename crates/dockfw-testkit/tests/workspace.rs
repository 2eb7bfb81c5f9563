//! The rules that hold for the workspace as a whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Which of our crates each of our crates may depend on; development dependencies on the test
/// kit are free.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    const ALL: &[&str] = &[
        "dockfw",
        "dockfw-ir",
        "dockfw-iptables",
        "dockfw-lower",
        "dockfw-netlink",
    ];
    BTreeMap::from([
        ("dockfw-ir", &[][..]),
        ("dockfw-iptables", &[]),
        ("dockfw-lower", &["dockfw-ir", "dockfw-iptables"]),
        ("dockfw-netlink", &["dockfw-ir"]),
        (
            "dockfw",
            &[
                "dockfw-ir",
                "dockfw-iptables",
                "dockfw-lower",
                "dockfw-netlink",
            ],
        ),
        ("dockfw-testkit", ALL),
        (
            "dockfw-benches",
            &[
                "dockfw",
                "dockfw-ir",
                "dockfw-iptables",
                "dockfw-lower",
                "dockfw-netlink",
                "dockfw-testkit",
            ],
        ),
    ])
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(edges) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the list of crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let is_dev = dependency["kind"].as_str() == Some("dev");
            if allowed.contains_key(to)
                && !edges.contains(&to)
                && !(is_dev && to == "dockfw-testkit")
            {
                wrong.push(format!("{name} must not depend on {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let mut sources = Vec::new();
    files(&root(), ".rs", &mut sources);
    assert!(sources.len() > 50);
    let silent: Vec<_> = sources
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut documents = Vec::new();
    files(&root(), ".md", &mut documents);
    let mut broken = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !document.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn documents_name_files_that_exist() {
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    files(&root().join("docs"), ".md", &mut documents);
    let mut missing = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_ours = ["crates/", "fixtures/", "docs/", "benches/", "fuzz/", ".ci/"]
                .iter()
                .any(|folder| word.starts_with(folder));
            if is_ours && !word.contains(['*', ' ', '<', '$']) && !root().join(word).exists() {
                missing.push(format!("{}: {word}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
