//! The text of rules: command lines, iptables-save and iptables-restore files, and the looser
//! files that people keep.
//!
//! Reading has two steps. [`Script::parse`] reads the lines; [`Script::apply`] carries them out
//! one after another and checks what depends on the lines before: chains, positions, loops.
//! [`load`] does both. Each reports everything that is wrong, with the place in the text.
//!
//! Nothing of the host is looked at: no names in DNS, no `/etc/services`, no user names.
//!
//! Source: iptables 1.8.9, `iptables/xshared.c`, `iptables/iptables-restore.c`,
//! `libxtables/xtoptions.c`.
//!
//! # Examples
//!
//! ```
//! use dockfw_iptables::Family;
//! use dockfw_iptables::parse::{Assume, load};
//!
//! let text = "
//! sudo iptables -I DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -p tcp --dport https -j DROP
//! ";
//! let assume = Assume::default().chain("DOCKER-USER")?;
//! let loaded = load(text, Family::Ipv4, &assume).map_err(|errors| format!("{errors:?}"))?;
//! assert!(loaded.program.to_string().contains(
//!     "-A DOCKER-USER ! -s 192.0.2.0/24 -i eth0 -p tcp -m tcp --dport 443 -j DROP"
//! ));
//!
//! let errors = load("-A INPUT -p tcp --dprot 22\n-A INPUT -j DORP", Family::Ipv4, &assume).unwrap_err();
//! let help: Vec<&str> = errors.iter().map(|error| error.help.as_str()).collect();
//! assert_eq!(help, ["did you mean --dport?", "did you mean -j DROP?"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod args;
mod command;
mod error;
mod generic;
mod graph;
mod lex;
mod line;
mod loaded;
mod names;
mod place;
pub(crate) mod read;
mod rule;
mod scan;
mod script;

pub use apply::load;
pub use command::{Command, Counters};
pub use error::{ErrorKind, ParseError, Span};
pub use loaded::{Assume, Loaded};
pub use script::{Located, Script};

pub(crate) use args::{Args, Extension, Opt};
pub(crate) use error::Bad;
pub(crate) use graph::reached;
pub(crate) use names::PROTOCOLS;
