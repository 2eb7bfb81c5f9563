//! Where moby's files are, and how their text is taken apart.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

use std::path::{Path, PathBuf};

use dockfw_iptables::{Program, TableName};

/// A folder of moby's files, or `None`, with a word about it, when the corpus is not there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join("moby").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    note(&format!("skipped: {} is not there", folder.display()));
    None
}

/// Says something on standard output; `--nocapture` shows it.
#[expect(clippy::print_stdout, reason = "what a test has to say")]
pub(crate) fn note(text: &str) {
    println!("{text}");
}

/// The files of a folder with their text, by name.
pub(crate) fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a readable corpus")
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// One table as iptables-save prints it, also when it has not been touched.
pub(crate) fn table(program: &Program, name: TableName) -> String {
    let mut program = program.clone();
    program.table_mut(name).to_string()
}

/// One table as `iptables -S` prints it.
pub(crate) fn list(program: &Program, name: TableName) -> String {
    let mut listing = String::new();
    for line in table(program, name).lines() {
        if let Some(header) = line.strip_prefix(':') {
            let mut words = header.split(' ');
            let (chain, policy) = (words.next().unwrap(), words.next().unwrap());
            match policy {
                "-" => listing.extend(["-N ", chain, "\n"]),
                policy => listing.extend(["-P ", chain, " ", policy, "\n"]),
            }
        } else if line.starts_with("-A") {
            listing.extend([line, "\n"]);
        }
    }
    listing
}

/// Compares two texts and shows the lines that differ.
pub(crate) fn compare(what: &str, found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    note(&format!("{what} differs"));
    let missing = expected
        .lines()
        .filter(|line| !found.lines().any(|other| other == *line));
    let surplus = found
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line));
    missing.for_each(|line| note(&format!("  - {line}")));
    surplus.for_each(|line| note(&format!("  + {line}")));
    note(&format!("found:\n{found}expected:\n{expected}"));
    false
}
