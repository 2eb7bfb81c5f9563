//! Where the dumps are, and how programs are compared.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

use std::path::{Path, PathBuf};

use dockfw_iptables::{Family, Program, TableName};
use dockfw_lower::host::Host;
use dockfw_lower::import::{Dumped, Imported, import, read};
use dockfw_lower::reference::reference;

/// A folder of the corpus, or `None`, with a word about it, when it is not there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join(name);
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
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The text of a dump, read.
pub(crate) fn dumped(text: &str, family: Family) -> Dumped {
    read(text, family).expect("a dump")
}

/// Imports one dump.
pub(crate) fn import_one(dumped: &Dumped) -> Imported {
    let program = &dumped.program;
    match program.family() {
        Family::Ipv4 => import(Some(program), None),
        Family::Ipv6 => import(None, Some(program)),
    }
}

/// How many rules a program has.
pub(crate) fn rules(program: &Program) -> usize {
    let chains = program.tables().flat_map(dockfw_iptables::Table::chains);
    chains.map(|chain| chain.rules().len()).sum()
}

/// A program with all of its tables, as text.
pub(crate) fn whole(program: &Program) -> String {
    let mut program = program.clone();
    for table in [TableName::Raw, TableName::Filter, TableName::Nat] {
        program.table_mut(table);
    }
    program.to_string()
}

/// What differs between two texts, line by line.
pub(crate) fn difference(found: &str, expected: &str) -> String {
    let mut text = String::new();
    for line in expected
        .lines()
        .filter(|line| !found.lines().any(|of| of == *line))
    {
        text.extend(["- ", line, "\n"]);
    }
    for line in found
        .lines()
        .filter(|line| !expected.lines().any(|of| of == *line))
    {
        text.extend(["+ ", line, "\n"]);
    }
    text
}

/// Imports what Docker makes of a host, and wants Docker to make the same of the result.
pub(crate) fn round_trip(what: &str, host: &Host) -> Imported {
    let before = reference(host);
    let imported = import(Some(&before.ipv4), Some(&before.ipv6));
    let after = reference(&imported.host);
    for (found, expected) in [(&after.ipv4, &before.ipv4), (&after.ipv6, &before.ipv6)] {
        let (found, expected) = (whole(found), whole(expected));
        assert_eq!(
            found,
            expected,
            "{what}\n{}\n{:#?}\n{:#?}",
            difference(&found, &expected),
            imported.assumptions,
            imported.leftovers,
        );
    }
    assert_eq!(imported.leftovers, [], "{what}");
    let all = rules(&before.ipv4) + rules(&before.ipv6);
    assert_eq!(imported.score.all(), all, "{what}");
    imported
}
