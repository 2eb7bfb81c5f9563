//! Names and comments, checked when they are made.
//!
//! nft(8) takes an identifier where a table, chain or set is named: a letter or `_` (nft wants a
//! letter), then letters, digits, `/`, `\`, `_`, `.` and `-`. What passes here can be printed
//! without quotes and reads back as the same name; nothing else reaches the kernel or a text.

use std::fmt;

/// Why a name or comment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No character at all.
    #[error("{kind} cannot be empty")]
    Empty {
        /// What was being named, with its article.
        kind: &'static str,
    },
    /// Longer than the kernel or nft(8) takes.
    #[error("{kind} has at most {max} bytes, this one has {len}")]
    TooLong {
        /// What was being named, with its article.
        kind: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The longest allowed, in bytes, without the terminating NUL.
        max: usize,
    },
    /// A character that does not belong in an identifier, or in a quoted text.
    #[error("{character:?} cannot stand in {kind}")]
    Character {
        /// What was being named, with its article.
        kind: &'static str,
        /// The first character that is wrong.
        character: char,
    },
    /// A word of the nft language.
    #[error("`{word}` is a word of the nft language and cannot be {kind}")]
    Reserved {
        /// What was being named, with its article.
        kind: &'static str,
        /// The word.
        word: String,
    },
}

/// Words that nft 1.0.6 does not take as a name because its scanner knows them.
///
/// Only words that could be a name at all are listed (a letter first).
const RESERVED: &[&str] = &[
    "accept",
    "add",
    "ah",
    "all",
    "arp",
    "auto-merge",
    "bridge",
    "burst",
    "bypass",
    "bytes",
    "cgroup",
    "cgroupv2",
    "chain",
    "chains",
    "code",
    "comment",
    "comp",
    "constant",
    "continue",
    "cookie",
    "counter",
    "counters",
    "create",
    "ct",
    "daddr",
    "day",
    "dccp",
    "debug",
    "define",
    "delete",
    "describe",
    "destroy",
    "device",
    "devices",
    "dnat",
    "dport",
    "drop",
    "dscp",
    "dst",
    "dup",
    "dynamic",
    "ecn",
    "element",
    "elements",
    "esp",
    "ether",
    "expires",
    "export",
    "exthdr",
    "fanout",
    "fib",
    "flags",
    "flow",
    "flowtable",
    "flowtables",
    "flush",
    "frag",
    "fully-random",
    "fwd",
    "geneve",
    "get",
    "goto",
    "gre",
    "gretap",
    "handle",
    "hbh",
    "helper",
    "helpers",
    "hook",
    "hooks",
    "hour",
    "ibriport",
    "icmp",
    "icmpv6",
    "icmpx",
    "igmp",
    "iif",
    "iifgroup",
    "iifname",
    "iiftype",
    "import",
    "in",
    "include",
    "index",
    "inet",
    "insert",
    "interval",
    "ip",
    "ip6",
    "ipsec",
    "jhash",
    "json",
    "jump",
    "key",
    "l4proto",
    "last",
    "length",
    "level",
    "limit",
    "limits",
    "list",
    "log",
    "mac",
    "map",
    "maps",
    "mark",
    "masquerade",
    "meta",
    "meter",
    "meters",
    "mh",
    "monitor",
    "netdev",
    "nexthdr",
    "nfproto",
    "notrack",
    "numgen",
    "obrname",
    "oif",
    "oifgroup",
    "oifname",
    "oiftype",
    "opt",
    "option",
    "options",
    "or",
    "osf",
    "over",
    "packets",
    "performance",
    "persistent",
    "pkttype",
    "policy",
    "position",
    "prefix",
    "priority",
    "protocol",
    "queue",
    "quota",
    "quotas",
    "random",
    "rate",
    "redefine",
    "redirect",
    "ref",
    "reject",
    "rename",
    "replace",
    "reset",
    "return",
    "rpl",
    "rt",
    "rule",
    "rules",
    "ruleset",
    "saddr",
    "sctp",
    "secmark",
    "secmarks",
    "sequence",
    "set",
    "sets",
    "size",
    "skgid",
    "skuid",
    "snaplen",
    "snat",
    "socket",
    "sport",
    "src",
    "srh",
    "state",
    "status",
    "string",
    "symhash",
    "synproxy",
    "synproxys",
    "table",
    "tables",
    "tcp",
    "th",
    "time",
    "timeout",
    "to",
    "tproxy",
    "trace",
    "transparent",
    "type",
    "typeof",
    "udp",
    "udplite",
    "undefine",
    "unknown",
    "until",
    "update",
    "used",
    "version",
    "vlan",
    "vmap",
    "vxlan",
    "with",
    "xt",
    "zone",
];

fn identifier(kind: &'static str, text: &str) -> Result<String, NameError> {
    /// `NFT_NAME_MAXLEN` is 256 with the terminating NUL.
    const MAX: usize = 255;
    let Some(first) = text.chars().next() else {
        return Err(NameError::Empty { kind });
    };
    if !first.is_ascii_alphabetic() {
        return Err(NameError::Character {
            kind,
            character: first,
        });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if let Some(character) = text.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { kind, character });
    }
    if text.len() > MAX {
        return Err(NameError::TooLong {
            kind,
            len: text.len(),
            max: MAX,
        });
    }
    if RESERVED.binary_search(&text).is_ok() {
        return Err(NameError::Reserved {
            kind,
            word: text.to_owned(),
        });
    }
    Ok(text.to_owned())
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks a name.
            ///
            /// # Errors
            ///
            /// [`NameError`] when nft(8) would not read the name back as it is.
            pub fn new(text: &str) -> Result<Self, NameError> {
                identifier($kind, text).map(|name| Self(name.into_boxed_str()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The name of a table: at most 255 bytes.
    TableName, "a table name"
);
identifier!(
    /// The name of a chain: at most 255 bytes, unique in its table.
    ChainName, "a chain name"
);
identifier!(
    /// The name of a set or map: at most 255 bytes; sets and maps of a table share one namespace.
    SetName, "a set name"
);

impl SetName {
    /// What the kernel makes the name of an anonymous set from, and no set with a name is called.
    pub(crate) fn anonymous() -> Self {
        Self("__set%d".into())
    }
}

/// The name of a network interface: 1 to 15 bytes of printable ASCII, as the kernel's
/// `dev_valid_name` allows it.
///
/// Refused besides: quotes, `\` and `*`, which nft(8) gives a meaning inside a quoted name.
/// Matched exactly. Padded with NUL to 16 bytes on the wire.
///
/// Source: linux v6.12, `net/core/dev.c`, `dev_valid_name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(Box<str>);

impl IfName {
    /// The longest name in bytes: `IFNAMSIZ` − 1.
    pub const MAX: usize = 15;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the kernel would not take it or nft(8) would read it as something else.
    pub fn new(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "an interface name";
        if text.is_empty() {
            return Err(NameError::Empty { kind: KIND });
        }
        if text == "." || text == ".." {
            return Err(NameError::Character {
                kind: KIND,
                character: '.',
            });
        }
        let bad =
            |c: &char| !c.is_ascii_graphic() || matches!(c, '/' | ':' | '"' | '\'' | '\\' | '*');
        if let Some(character) = text.chars().find(bad) {
            return Err(NameError::Character {
                kind: KIND,
                character,
            });
        }
        if text.len() > Self::MAX {
            return Err(NameError::TooLong {
                kind: KIND,
                len: text.len(),
                max: Self::MAX,
            });
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A comment of a table, chain, rule, set or element: at most 128 bytes of printable text
/// without `"` and `\`.
///
/// nft 1.0.6 refuses longer ones. [`Comment::lossy`] cuts and replaces; [`Comment::new`] refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comment(Box<str>);

impl Comment {
    /// The longest comment in bytes, without the terminating NUL (`NFTNL_UDATA_COMMENT_MAXLEN`).
    pub const MAX: usize = 128;

    fn allowed(character: char) -> bool {
        character == ' ' || (character.is_ascii_graphic() && !matches!(character, '"' | '\\'))
    }

    /// Checks a comment.
    ///
    /// # Errors
    ///
    /// [`NameError`] when nft(8) would refuse it or read it as something else.
    pub fn new(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "a comment";
        if text.is_empty() {
            return Err(NameError::Empty { kind: KIND });
        }
        if let Some(character) = text.chars().find(|c| !Self::allowed(*c)) {
            return Err(NameError::Character {
                kind: KIND,
                character,
            });
        }
        if text.len() > Self::MAX {
            return Err(NameError::TooLong {
                kind: KIND,
                len: text.len(),
                max: Self::MAX,
            });
        }
        Ok(Self(text.into()))
    }

    /// Makes a comment of any text: what cannot stand in one becomes `?`, what is too long is cut.
    ///
    /// `None` when nothing is left.
    pub fn lossy(text: &str) -> Option<Self> {
        let clean: String = text
            .chars()
            .map(|c| if Self::allowed(c) { c } else { '?' })
            .take(Self::MAX)
            .collect();
        (!clean.is_empty()).then(|| Self(clean.into()))
    }

    /// The comment as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_that_nft_reads_back() {
        for good in ["DOCKER-USER", "DOCKER__br-web", "a", "publish4.any"] {
            assert!(ChainName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "4x", "fwd", "a b", "a;b", "a\"b", "ä", &"x".repeat(256)] {
            assert!(ChainName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn comments_cannot_break_out() {
        assert!(Comment::new("a \" b").is_err());
        assert!(Comment::new("a\nb").is_err());
        assert_eq!(
            Comment::lossy("a\"\n\\é").map(|c| c.to_string()),
            Some("a????".to_owned())
        );
        assert_eq!(
            Comment::lossy(&"x".repeat(300)).map(|c| c.as_str().len()),
            Some(128)
        );
        assert_eq!(Comment::lossy(""), None);
    }
}
