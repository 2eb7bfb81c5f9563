//! `daemon.json`

use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;

use super::process::Process;
use super::{Found, Settings, Source};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file of options, in the file system of the daemon if its process is known.
pub(super) fn read(path: &Path, process: Option<&Process>) -> (Source, Settings) {
    let name = path.display().to_string();
    // Another file system is the daemon's business; without permission to look into it ours is
    // the best there is.
    let seen = process.map(|process| process.sees(path));
    let text = match seen.map(|path| text(&path)) {
        Some(Ok(text)) => Ok(text),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Some(Err(_)) | None => text(path),
    };
    match text {
        Ok(text) => match parse(&text, &name) {
            Ok(settings) => (Source::Read(name), settings),
            Err(why) => (Source::Unread { name, why }, Settings::default()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (Source::Missing(name), Settings::default())
        }
        Err(error) => {
            let why = error.to_string();
            (Source::Unread { name, why }, Settings::default())
        }
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What a file says; keys that are not about packets are passed over.
pub(super) fn parse(text: &str, name: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    // dockerd takes an empty file for an empty object.
    if text.trim().is_empty() {
        return Ok(settings);
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(object) = value.as_object() else {
        return Err("it is no JSON object".to_owned());
    };
    for (key, value) in object {
        let place = name.to_owned();
        if let Some(switch) = settings.switch(key) {
            let Some(value) = value.as_bool() else {
                return Err(format!("{key} is not true or false"));
            };
            *switch = Some(Found { value, place });
        } else if key == "bridge-accept-fwmark" {
            let Some(value) = value.as_str() else {
                return Err(format!("{key} is no string"));
            };
            let value = value.to_owned();
            settings.bridge_accept_fwmark = Some(Found { value, place });
        }
    }
    Ok(settings)
}
