//! Whether a line that cannot be read may be left out: what can be said of its words alone.
//!
//! Whatever is not plain is not left out: options that are shortened, joined with their value or
//! quoted in unusual ways.

use dockfw_iptables::parse::Span;

/// Matches that keep something other rules look at, or change the packet.
const WITH_EFFECTS: [&str; 6] = [
    "connlabel",
    "hashlimit",
    "nfacct",
    "quota",
    "recent",
    "socket",
];

/// Whether a word names a match whose absence another rule could notice.
pub(super) fn has_effects(word: &str) -> bool {
    WITH_EFFECTS.contains(&word)
}

/// The lines of a text.
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Where each line begins, and the table of the section around it.
    starts: Vec<(usize, Option<&'t str>)>,
}

/// A line, and what is known about it.
pub(super) struct Line<'t> {
    /// Its bytes, without the end.
    pub(super) span: Span,
    text: &'t str,
    section: Option<&'t str>,
    /// The line before goes on here.
    continues: bool,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut starts = Vec::new();
        let (mut at, mut section) = (0, None);
        for line in text.split_inclusive('\n') {
            starts.push((at, section));
            let trimmed = line.trim();
            if let Some(table) = trimmed.strip_prefix('*') {
                section = Some(table);
            } else if trimmed == "COMMIT" {
                section = None;
            }
            at += line.len();
        }
        Self { text, starts }
    }

    /// The line of a byte.
    pub(super) fn at(&self, at: usize) -> Line<'t> {
        let behind = self.starts.partition_point(|(start, _)| *start <= at);
        let found = behind
            .checked_sub(1)
            .and_then(|index| self.starts.get(index));
        let (start, section) = found.copied().unwrap_or_default();
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let before = self.text.get(..start).unwrap_or_default();
        let before = before.trim_end_matches(['\n', '\r']);
        Line {
            span: Span {
                start,
                end: start + text.len(),
            },
            text,
            section,
            continues: before.ends_with('\\'),
        }
    }
}

impl Line<'_> {
    /// Whether nothing more is accepted without the line: it adds a rule to the table filter that
    /// accepts, logs or counts.
    pub(super) fn may_go(&self) -> bool {
        if self.continues || self.section.is_some_and(|table| table != "filter") {
            return false;
        }
        words(self.text).is_some_and(|words| adds_harmless(&words))
    }
}

/// The words of a line; `None` when its quotes are not simple.
fn words(line: &str) -> Option<Vec<&str>> {
    if line.contains(['\\', '\'', '#', '`', '$', ';', '|', '&', '<', '>']) {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            rest.split_once([' ', '\t']).unwrap_or((rest, ""))
        };
        let ends = behind.is_empty() || behind.starts_with([' ', '\t']) || !rest.starts_with('"');
        if word.contains('"') || !ends {
            return None;
        }
        words.push(word);
        rest = behind.trim_start();
    }
    Some(words)
}

fn adds_harmless(words: &[&str]) -> bool {
    let mut words = words;
    loop {
        match words {
            ["sudo", rest @ ..] | ["-t" | "--table", "filter", rest @ ..] => words = rest,
            [first, rest @ ..] if first.starts_with('[') || is_program(first) => words = rest,
            _ => break,
        }
    }
    let ["-A" | "-I" | "--append" | "--insert", chain, rest @ ..] = words else {
        return false;
    };
    let is_option = |word: &str| word.starts_with('-') || word == "!";
    let plain = !is_option(chain)
        && rest.first().is_none_or(|word| is_option(word))
        && rest.iter().all(|word| is_plain(word) && !has_effects(word));
    let mut targets = rest.iter().zip(rest.iter().skip(1));
    let is_target = |word: &&&str| matches!(**word, "-j" | "--jump");
    let harmless = match rest.iter().filter(is_target).count() {
        0 => true,
        1 => targets.any(|(option, value)| {
            is_target(&option) && matches!(*value, "ACCEPT" | "LOG" | "NFLOG")
        }),
        _ => false,
    };
    plain && harmless
}

fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    ["iptables", "ip6tables"].iter().any(|program| {
        let rest = name.strip_prefix(program);
        rest.is_some_and(|rest| matches!(rest, "" | "-legacy" | "-nft"))
    })
}

/// Whether an option can hide no target and no table.
fn is_plain(word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or(long);
        let hides = |option: &str| !name.is_empty() && option.starts_with(name);
        return long == "jump" || !(hides("jump") || hides("goto") || hides("table"));
    }
    match word.strip_prefix('-') {
        None => true,
        Some("g" | "t") => false,
        Some(short) => short.len() < 2 || !short.starts_with(|c: char| c.is_ascii_alphabetic()),
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[track_caller]
    fn may_go(text: &str) -> bool {
        Lines::new(text).at(text.len() - 1).may_go()
    }

    #[test]
    fn plain_rules_that_accept_log_or_count() {
        for line in [
            "-A INPUT -m time --timestart 8:00 -j ACCEPT",
            "-A INPUT -m time --timestart 8:00 -j LOG --log-prefix \"at night: \"",
            "-A INPUT -m time --timestart 8:00 -j NFLOG --nflog-group 1",
            "-A INPUT -m time --timestart 8:00",
            "-I INPUT ! -s 192.0.2.0/24 -m string --string \"a b\" --algo bm -j ACCEPT",
            "[12:34] -A INPUT -m u32 --u32 0=1 --jump ACCEPT",
            "sudo /usr/sbin/iptables -t filter -A INPUT -m u32 --u32 0=1 -j ACCEPT",
            "*filter\n-A INPUT -m u32 --u32 0=1 -j ACCEPT",
            "*nat\nCOMMIT\n-A INPUT -m u32 --u32 0=1 -j ACCEPT",
        ] {
            assert!(may_go(line), "{line}");
        }
    }

    #[test]
    fn rules_that_do_anything_else() {
        for target in [
            "-j DROP",
            "-j REJECT",
            "-j RETURN",
            "-j MARK --set-mark 1",
            "-j CHAIN",
            "-g CHAIN",
            "--goto CHAIN",
            "-j ACCEPT -j DROP",
            "-jDROP",
            "-j",
        ] {
            let line = format!("-A INPUT -m time {target}");
            assert!(!may_go(&line), "{line}");
        }
    }

    #[test]
    fn other_tables_and_other_commands() {
        for line in [
            "*nat\n-A POSTROUTING -m time -j ACCEPT",
            "-t nat -A POSTROUTING -m time -j ACCEPT",
            "-A POSTROUTING -t nat -m time -j ACCEPT",
            "-A POSTROUTING -tnat -m time -j ACCEPT",
            "-A POSTROUTING --tab nat -m time -j ACCEPT",
            "-A POSTROUTING --table=nat -m time -j ACCEPT",
            "-D INPUT -m time -j ACCEPT",
            "-R INPUT 1 -m time -j ACCEPT",
            "-I INPUT 2 -m time -j ACCEPT",
            "-C INPUT -m time -j ACCEPT",
            "-P INPUT ACCEPT",
        ] {
            assert!(!may_go(line), "{line}");
        }
    }

    #[test]
    fn whatever_is_not_plain() {
        for line in [
            "-A INPUT -m time --jum DROP",
            "-A INPUT -m time --jump=DROP",
            "-A INPUT -m time --got CHAIN",
            "-A INPUT -fj DROP",
            "-A INPUT -m time -m comment --comment \"-j\" -j ACCEPT",
            "-A INPUT -m time -m comment --comment \"a\\\"b\" -j ACCEPT",
            "-A INPUT -m time '-j' ACCEPT",
            "-A INPUT -m time \"-\"j DROP",
            "-A INPUT -m time -j \"ACC\"EPT",
            "-A INPUT -m time \\\n-j ACCEPT",
            "-A INPUT -m comment --comment \"x\n y\" -m time -j ACCEPT",
        ] {
            assert!(!may_go(line), "{line}");
        }
    }

    #[test]
    fn matches_that_others_notice() {
        for name in ["recent", "hashlimit", "socket", "quota"] {
            assert!(!may_go(&format!("-A INPUT -m {name} -j ACCEPT")), "{name}");
        }
    }
}
