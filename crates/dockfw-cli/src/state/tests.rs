//! The folder of the history: what is found again, and what damage does.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dockfw_iptables::Family;
use dockfw_lower::optimize::Optimize;

use super::*;
use crate::policy::Source;
use crate::rules::{LeaveOut, Options};

/// A folder that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dockfw-state-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn lock(&self) -> Locked {
        State::open_or_create(&self.0).unwrap().lock().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A generation in which no two fields of a type are alike.
fn generation(text: &str) -> Generation {
    let source = |name: &str, bytes: &[u8]| Source {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
    };
    Generation {
        number: 0,
        time: 1_763_742_645,
        how: How::Rollback(77),
        program: Program {
            version: "9.8.7".to_owned(),
            file: "1-2-3".to_owned(),
        },
        tables: vec!["inet dockfw".to_owned(), "ip6 dockfw".to_owned()],
        recipe: Recipe {
            policies: Some(vec![
                source("a.toml", text.as_bytes()),
                source("b ü.toml", b"\xff\0 no text"),
            ]),
            rules: vec![source("rules.v6", b"*filter\n")],
            family: Some(Family::Ipv6),
            options: Options {
                optimize: Optimize::None,
                unsupported: LeaveOut::Harmless,
            },
        },
        artifact: vec![1, 2, 3],
    }
}

#[test]
fn a_generation_comes_back_as_it_was() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    let mut other = generation("");
    other.how = How::Boot;
    other.recipe = Recipe::default();
    other.artifact = Vec::new();
    for (number, written) in (1..).zip([generation("version = 1"), other]) {
        assert_eq!(locked.add(&written, 10).unwrap(), number);
        let expected = Generation { number, ..written };
        assert_eq!(locked.generation(number).unwrap(), expected);
    }
    assert_eq!(mode(&scratch.0), 0o700);
    assert_eq!(mode(&scratch.0.join("generation-1")), 0o600);
    assert_eq!(scratch.names(), ["generation-1", "generation-2", "lock"]);
}

#[test]
fn notes_come_back_as_they_were() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    assert_eq!(locked.current().unwrap(), None);
    assert_eq!(locked.boot().unwrap(), None);
    let current = Current::new(3, 42);
    locked.set_current(&current).unwrap();
    assert_eq!(locked.current().unwrap(), Some(current.clone()));
    assert!(current.is_in_force(42) && !current.is_in_force(43));
    for outcome in [
        BootOutcome::Loaded,
        BootOutcome::Fallback(3),
        BootOutcome::Kept,
        BootOutcome::Closed,
        BootOutcome::Failed,
    ] {
        let boot = Boot::new(outcome, "why");
        locked.set_boot(&boot).unwrap();
        assert!(boot.is_this());
        assert_eq!(locked.boot().unwrap(), Some(boot));
    }
}

#[test]
fn the_newest_are_kept_and_numbers_count_on() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    for number in 1..=12 {
        assert_eq!(locked.add(&generation("a"), 10).unwrap(), number);
    }
    assert_eq!(locked.numbers().unwrap(), (3..=12).collect::<Vec<_>>());
    locked.add(&generation("a"), 3).unwrap();
    assert_eq!(locked.numbers().unwrap(), [11, 12, 13]);
    locked.add(&generation("a"), 1).unwrap();
    assert_eq!(locked.numbers().unwrap(), [14]);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_named() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    locked.add(&generation("version = 1"), 10).unwrap();
    locked.add(&generation("version = 1"), 10).unwrap();
    let file = scratch.0.join("generation-2");
    let bytes = fs::read(&file).unwrap();
    let damaged = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        match locked.generation(2) {
            Err(StateError::Damaged { path, damage }) => {
                assert_eq!(path, file);
                damage
            }
            other => panic!("{other:?}"),
        }
    };
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        damaged(&changed);
    }
    for len in 1..bytes.len() {
        damaged(&bytes[..len]);
    }
    assert_eq!(damaged(b""), Damage::Empty);
    assert_eq!(damaged(b"#!/bin/sh\n"), Damage::Foreign);
    assert!(matches!(
        damaged(&bytes[..bytes.len() - 1]),
        Damage::Length { .. }
    ));
    let mut version = bytes.clone();
    version[8] = 2;
    assert_eq!(damaged(&version), Damage::Version(2));
    // A whole file of another generation, and a note under the name of one.
    let other = fs::read(scratch.0.join("generation-1")).unwrap();
    assert_eq!(damaged(&other), Damage::Renamed);
    locked.set_current(&Current::new(2, 1)).unwrap();
    let note = fs::read(scratch.0.join("current")).unwrap();
    assert_eq!(damaged(&note), Damage::Foreign);
    // The others are as good as before, and there will be more.
    locked.generation(1).unwrap();
    assert_eq!(locked.add(&generation("b"), 10).unwrap(), 3);
    locked.generation(3).unwrap();
    assert_eq!(locked.numbers().unwrap(), [1, 2, 3]);
}

#[test]
fn content_that_makes_no_sense_is_damage_even_with_the_right_checksum() {
    let bytes = generation("version = 1").to_bytes(1);
    let end = bytes.len() - 4;
    for index in 20..end {
        for value in [0xff, bytes[index] ^ 1] {
            let mut changed = bytes[..end].to_vec();
            changed[index] = value;
            changed.extend_from_slice(&crc32fast::hash(&changed).to_le_bytes());
            // Any value or an error, but no panic and no giant allocation.
            let _ = Generation::from_bytes(&changed);
        }
    }
}

#[test]
fn foreign_files_are_left_alone() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    let foreign = [
        "generation-",
        "generation-0",
        "generation-01",
        "generation-x",
        "generation-3.bak",
        "notes.txt",
    ];
    for name in foreign {
        fs::write(scratch.0.join(name), "mine").unwrap();
    }
    fs::create_dir(scratch.0.join("generation-7")).unwrap();
    for number in 8..=20 {
        assert_eq!(locked.add(&generation("a"), 2).unwrap(), number);
    }
    // A folder under the name of a generation is none, but its number is taken.
    assert_eq!(locked.numbers().unwrap(), [7, 19, 20]);
    assert!(matches!(
        locked.generation(7),
        Err(StateError::Unsafe { .. })
    ));
    for name in foreign {
        assert_eq!(fs::read(scratch.0.join(name)).unwrap(), b"mine");
    }
}

#[test]
fn what_a_killed_process_left_is_no_generation() {
    let scratch = Scratch::new();
    let locked = scratch.lock();
    let whole = generation("a").to_bytes(1);
    // Killed while it wrote, and between writing and renaming.
    for left in [&whole[..whole.len() / 2], &whole] {
        fs::write(scratch.0.join(".incoming"), left).unwrap();
        let known = locked.numbers().unwrap().len();
        let number = locked.add(&generation("b"), 10).unwrap();
        assert_eq!(locked.numbers().unwrap().len(), known + 1);
        assert_eq!(
            locked.generation(number).unwrap().recipe,
            generation("b").recipe
        );
        assert!(!scratch.names().contains(&".incoming".to_owned()));
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    drop(scratch.lock());
    for (bits, is_used) in [
        (0o700, true),
        (0o755, true),
        (0o770, false),
        (0o720, false),
        (0o702, false),
        (0o1777, false),
    ] {
        chmod(&scratch.0, bits);
        let opened = State::open(&scratch.0);
        assert_eq!(opened.is_ok(), is_used, "{bits:o}");
        assert!(is_used || matches!(opened, Err(StateError::Unsafe { .. })));
    }
    chmod(&scratch.0, 0o700);
    // So is a file that others may write, and one that is somewhere else.
    let locked = scratch.lock();
    locked.add(&generation("a"), 10).unwrap();
    let file = scratch.0.join("generation-1");
    chmod(&file, 0o666);
    assert!(matches!(
        locked.generation(1),
        Err(StateError::Unsafe { .. })
    ));
    fs::rename(&file, scratch.0.join("elsewhere")).unwrap();
    symlink(scratch.0.join("elsewhere"), &file).unwrap();
    locked.generation(1).unwrap_err();
}

#[test]
fn what_is_missing_is_missing() {
    let scratch = Scratch::new();
    assert!(matches!(
        State::open(&scratch.0),
        Err(StateError::Missing(_))
    ));
    assert!(State::open_or_create(&scratch.0.join("a/b")).is_err());
    fs::write(&scratch.0, "a file").unwrap();
    assert!(State::open_or_create(&scratch.0).is_err());
    fs::remove_file(&scratch.0).unwrap();
}

#[test]
fn writers_come_one_after_the_other() {
    let scratch = Scratch::new();
    drop(scratch.lock());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    scratch.lock().add(&generation("a"), 100).unwrap();
                }
            });
        }
        // Readers need no lock and never see a half of anything.
        for _ in 0..50 {
            let state = State::open(&scratch.0).unwrap();
            for number in state.numbers().unwrap() {
                state.generation(number).unwrap();
            }
        }
    });
    let numbers = State::open(&scratch.0).unwrap().numbers().unwrap();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
}

#[test]
fn who_waits_too_long_is_told() {
    let scratch = Scratch::new();
    let _first = scratch.lock();
    let second = State::open(&scratch.0).unwrap().lock();
    assert!(matches!(second, Err(StateError::Locked(_))));
}
