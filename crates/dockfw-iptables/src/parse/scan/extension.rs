//! Which extension has an option, and loading extensions.

use super::{Instance, Owner, Scanner, Verdict};
use crate::r#match::{self, Match};
use crate::parse::args::{Extension, Opt};
use crate::parse::error::{ErrorKind, ParseError, Span, nearest};
use crate::parse::generic::{self, Generic};
use crate::parse::lex::Word;
use crate::parse::read;
use crate::program::Family;
use crate::target;

/// The result of looking for an option.
pub(super) enum Found {
    One(Owner, &'static Opt),
    Several(String),
}

impl Scanner<'_> {
    /// What to write instead of an option that the rule does not have.
    pub(super) fn advice(&self, name: &str) -> String {
        let owners = r#match::EXTENSIONS
            .iter()
            .filter(|extension| has_option(extension, name))
            .map(|extension| format!("-m {}", extension.name()));
        let targets = target::EXTENSIONS
            .iter()
            .filter(|extension| has_option(extension, name))
            .map(|extension| format!("-j {}", extension.name()));
        let owners: Vec<String> = owners.chain(targets).collect();
        if !owners.is_empty() {
            let transport = ["-m tcp", "-m udp", "-m sctp"];
            if owners
                .iter()
                .any(|owner| transport.contains(&owner.as_str()))
            {
                return "write -p tcp or another protocol in front of it".to_owned();
            }
            return format!("add {} in front of it", owners.join(" or "));
        }
        let known = self.known();
        let names = known.iter().flat_map(|(_, opt)| opt.names).copied();
        match nearest(name, names) {
            Some(near) => format!("did you mean --{near}?"),
            None => "load the match or target it belongs to with -m or -j, or leave it out".into(),
        }
    }

    fn known(&self) -> Vec<(Owner, &'static Opt)> {
        let mut known: Vec<(Owner, &'static Opt)> = generic::OPTIONS
            .iter()
            .map(|(generic, _, opt)| (Owner::Generic(*generic), opt))
            .collect();
        for owner in self.loaded.iter().rev() {
            let options: &'static [Opt] = match *owner {
                Owner::Match(index) => {
                    let instance = self.out.matches.get(index);
                    let extension = instance.and_then(|instance| instance.extension);
                    extension.map_or(&[], |extension| extension.options)
                }
                Owner::Target => match &self.out.verdict {
                    Some(Verdict::Extension(instance)) => instance
                        .extension
                        .map_or(&[], |extension| extension.options),
                    Some(Verdict::Name(_)) | None => &[],
                },
                Owner::Generic(_) => &[],
            };
            known.extend(options.iter().map(|opt| (*owner, opt)));
        }
        known
    }

    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let known = self.known();
        let is_generic = |owner: &Owner| matches!(owner, Owner::Generic(_));
        let mut exact = known.iter().filter(|(_, opt)| opt.names.contains(&name));
        let own = exact.clone().find(|(owner, _)| !is_generic(owner));
        // `--proto` is one of `policy` too, which then has it.
        let exact = own.or_else(|| exact.next());
        if let Some((owner, opt)) = exact {
            return Some(Found::One(*owner, opt));
        }
        if self.is_opaque() {
            return None;
        }
        let mut found: Option<(Owner, &'static Opt)> = None;
        let mut names = Vec::new();
        for (owner, opt) in known {
            let Some(full) = opt.names.iter().find(|full| full.starts_with(name)) else {
                continue;
            };
            names.push(format!("--{full}"));
            match found {
                Some((_, other)) if other.key() == opt.key() => {}
                _ => found = Some((owner, opt)),
            }
        }
        let (owner, opt) = found?;
        names.dedup();
        if names.len() > 1 {
            return Some(Found::Several(names.join(", ")));
        }
        Some(Found::One(owner, opt))
    }

    /// Loads the match of the rule's `-p`, as iptables does for an option it does not know.
    pub(super) fn load_protocol(&mut self, span: Span) {
        let mut protocols = self
            .out
            .used
            .iter()
            .filter(|used| used.option == Generic::Protocol);
        let word = protocols.next().and_then(|used| used.values.first());
        let Some(protocol) = word.and_then(|word| read::protocol(&word.text).ok()) else {
            return;
        };
        let Some(name) = r#match::of_protocol(protocol, self.family) else {
            return;
        };
        let loaded = |instance: &Instance<Match>| {
            instance
                .extension
                .is_some_and(|extension| extension.name() == name)
        };
        if !self.out.matches.iter().any(loaded) {
            self.load_match(name, span);
        }
    }

    pub(super) fn load_match(&mut self, name: &str, span: Span) {
        let found = r#match::EXTENSIONS
            .iter()
            .filter(|extension| extension.family.is_none_or(|family| family == self.family))
            .find(|extension| extension.names.contains(&name));
        if found.is_none() {
            let error = self.no_extension(name, span, "match", "-m", r#match::UNSUPPORTED, || {
                names(r#match::EXTENSIONS).collect()
            });
            self.errors.push(error);
        }
        self.loaded.push(Owner::Match(self.out.matches.len()));
        self.out.matches.push(Instance {
            extension: found,
            span,
            given: Vec::new(),
        });
    }

    pub(super) fn load_target(&mut self, word: Word, span: Span) {
        if let Some(Verdict::Name(_) | Verdict::Extension(_)) = self.out.verdict {
            let help = "leave one of the targets out: a rule has one".to_owned();
            let message = "the rule has a target already".to_owned();
            return self.error(span, ErrorKind::Contradictory, message, help);
        }
        let name = word.text.as_str();
        let named = target::EXTENSIONS
            .iter()
            .find(|extension| extension.names.contains(&name));
        let found = named.filter(|found| found.family.is_none_or(|family| family == self.family));
        let unsupported = target::UNSUPPORTED.iter().any(|(other, _)| *other == name);
        if found.is_none() && named.is_none() && !unsupported {
            self.out.verdict = Some(Verdict::Name(word));
            return;
        }
        if found.is_none() {
            let error = self.no_extension(name, span, "target", "-j", target::UNSUPPORTED, || {
                names(target::EXTENSIONS).collect()
            });
            self.errors.push(error);
        }
        self.loaded.push(Owner::Target);
        self.out.verdict = Some(Verdict::Extension(Instance {
            extension: found,
            span,
            given: Vec::new(),
        }));
    }

    fn no_extension(
        &self,
        name: &str,
        span: Span,
        what: &str,
        letter: &str,
        unsupported: &[(&'static str, &'static str)],
        known: impl FnOnce() -> Vec<&'static str>,
    ) -> ParseError {
        let unsupported = unsupported.iter().find(|(other, _)| *other == name);
        if let Some((extension, reason)) = unsupported {
            return ParseError::new(
                span,
                ErrorKind::Unsupported { extension, reason },
                format!("the {what} {extension} cannot be taken over: {reason}"),
                "leave the rule out, or say the same with other matches",
            );
        }
        let known = known();
        if known.contains(&name) {
            let other = match self.family {
                Family::Ipv4 => "IPv6",
                Family::Ipv6 => "IPv4",
            };
            return ParseError::new(
                span,
                ErrorKind::Contradictory,
                format!("the {what} {name} is for {other} only"),
                "leave the rule out for this family",
            );
        }
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean {letter} {near}?"),
            None => "see iptables-extensions(8) for the names".to_owned(),
        };
        ParseError::new(
            span,
            ErrorKind::Unknown,
            format!("there is no {what} called \"{name}\""),
            help,
        )
    }
}

fn names<T>(extensions: &'static [Extension<T>]) -> impl Iterator<Item = &'static str> {
    extensions.iter().map(Extension::name)
}

fn has_option<T>(extension: &Extension<T>, name: &str) -> bool {
    extension
        .options
        .iter()
        .any(|opt| opt.names.contains(&name))
}
