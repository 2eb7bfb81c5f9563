//! `[host]`: what kind of host it is.

use toml::de::DeTable;

use super::once::Once;
use super::value::Cursor;

const KEYS: [&str; 3] = ["count-publishes", "manage-sysctls", "wsl2-mirrored"];

/// What `[host]` says, merged over all files.
#[derive(Default)]
pub(super) struct HostReading {
    pub(super) wsl2_mirrored: bool,
    pub(super) manage_sysctls: bool,
    pub(super) count_publishes: bool,
    seen: Once,
}

impl HostReading {
    /// Reads the table of one file.
    pub(super) fn read(&mut self, table: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) {
        for (key, value) in table {
            if !self.seen.note(key, cursor) {
                continue;
            }
            match key.get_ref().as_ref() {
                "wsl2-mirrored" => {
                    let flag = cursor.boolean("wsl2-mirrored", value);
                    self.wsl2_mirrored = flag.unwrap_or_default();
                }
                "count-publishes" => {
                    let flag = cursor.boolean("count-publishes", value);
                    self.count_publishes = flag.unwrap_or_default();
                }
                "manage-sysctls" => {
                    let flag = cursor.boolean("manage-sysctls", value);
                    self.manage_sysctls = flag.unwrap_or_default();
                }
                _ => cursor.unknown_key(key, "[host]", &KEYS),
            }
        }
    }
}
