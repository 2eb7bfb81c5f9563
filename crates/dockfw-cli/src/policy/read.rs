//! Reading policy files, directories of them, and standard input.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{MAX_BYTES, Source};
use crate::diagnostic::{Diagnostic, Diagnostics, Location, Severity};

/// Reads everything; what cannot be read is in the diagnostics.
pub(crate) fn sources(paths: &[PathBuf]) -> (Vec<Source>, Diagnostics) {
    let mut reader = Reader::new(0, "policy");
    if paths.is_empty() {
        reader.error(
            "policy",
            "no policy file is given",
            "name a file, a directory, or - for stdin",
        );
    }
    for path in paths {
        if path.as_os_str() == "-" {
            reader.stdin();
        } else if path.is_dir() {
            reader.directory(path);
        } else {
            reader.file(path);
        }
    }
    (reader.sources, Diagnostics::new(reader.errors))
}

/// Reads files; what cannot be read is in the diagnostics, in order from `first`.
pub(crate) fn files(
    paths: &[PathBuf],
    first: usize,
    what: &'static str,
) -> (Vec<Source>, Diagnostics) {
    let mut reader = Reader::new(first, what);
    for path in paths {
        reader.file(path);
    }
    (reader.sources, Diagnostics::new(reader.errors))
}

struct Reader {
    /// The place of the first one among the sources of the run.
    first: usize,
    /// What the files are.
    what: &'static str,
    sources: Vec<Source>,
    errors: Vec<Diagnostic>,
    stdin_read: bool,
}

impl Reader {
    const fn new(first: usize, what: &'static str) -> Self {
        Self {
            first,
            what,
            sources: Vec::new(),
            errors: Vec::new(),
            stdin_read: false,
        }
    }

    fn error(&mut self, name: &str, message: &str, help: &str) {
        let order = self.first + self.sources.len() + self.errors.len();
        let place = Location::whole(name, order);
        self.errors
            .push(Diagnostic::new(Severity::Error, place, message).with_help(help));
    }

    fn stdin(&mut self) {
        if self.stdin_read {
            self.error(
                "-",
                "standard input is named twice",
                "it can be read once only",
            );
            return;
        }
        self.stdin_read = true;
        self.content("<stdin>", io::stdin().lock());
    }

    fn directory(&mut self, path: &Path) {
        let name = path.display().to_string();
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.failed(&name, &error),
        };
        let mut files: Vec<PathBuf> = entries
            .iter()
            .map(fs::DirEntry::path)
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
            .filter(|path| {
                !path
                    .file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
            })
            .filter(|path| !path.is_dir())
            .collect();
        files.sort();
        if files.is_empty() {
            self.error(
                &name,
                "the directory has no policy file",
                "put files whose name ends in .toml into it; subdirectories are not searched",
            );
        }
        for file in files {
            self.file(&file);
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| {
            let length = file
                .metadata()
                .map(|metadata| metadata.is_file().then_some(metadata.len()));
            length.map(|length| (file, length))
        });
        match opened {
            Ok((_, Some(length))) if usize::try_from(length).is_ok_and(|len| len > MAX_BYTES) => {
                self.too_large(&name);
            }
            Ok((file, _)) => self.content(&name, file),
            Err(error) => self.failed(&name, &error),
        }
    }

    /// Reads to the end, but never more than one byte above the limit.
    fn content(&mut self, name: &str, input: impl Read) {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        match input.take(limit).read_to_end(&mut bytes) {
            Ok(read) if read > MAX_BYTES => self.too_large(name),
            Ok(_) => self.sources.push(Source {
                name: name.to_owned(),
                bytes,
            }),
            Err(error) => self.failed(name, &error),
        }
    }

    fn too_large(&mut self, name: &str) {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        let help = format!(
            "split it into several files, or check that it is a {} file",
            self.what
        );
        self.error(name, &message, &help);
    }

    fn failed(&mut self, name: &str, error: &io::Error) {
        let help = if error.kind() == io::ErrorKind::NotFound {
            "check the path"
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            "run dockfw as a user who may read it"
        } else {
            "check that it is a readable file"
        };
        self.error(name, &format!("cannot read it: {error}"), help);
    }
}
