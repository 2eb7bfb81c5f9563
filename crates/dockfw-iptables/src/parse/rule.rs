//! The rule of a line: its header, its matches and its target.

use super::args::{Args, Extension};
use super::error::{ErrorKind, ParseError, Span, nearest};
use super::generic::Generic;
use super::read;
use super::scan::{Instance, Scanned, Used, Verdict};
use crate::address::AddressMask;
use crate::r#match::Match;
use crate::name::{ChainName, InterfacePattern};
use crate::program::{Family, TableName};
use crate::rule::Rule;
use crate::target::{self, Target};
use crate::value::{Invertible, Protocol};

/// Where a rule is going to stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) family: Family,
    pub(super) table: TableName,
    pub(super) chain: &'a str,
}

/// Makes the rules of a line; several when `-s` or `-d` lists addresses, in the order in which
/// `-A` appends them.
pub(super) fn rules(
    scanned: &Scanned,
    place: Place<'_>,
    errors: &mut Vec<ParseError>,
) -> Vec<Rule> {
    let mut reader = Reader { place, errors };
    let protocol = reader.protocol(scanned);
    let matches = scanned
        .matches
        .iter()
        .filter_map(|instance| reader.extension(instance, protocol))
        .collect();
    let rule = Rule {
        source: None,
        destination: None,
        in_interface: reader.interface(scanned, Generic::In),
        out_interface: reader.interface(scanned, Generic::Out),
        protocol: protocol.filter(|protocol| protocol.value().0 != 0),
        fragment: reader.fragment(scanned),
        matches,
        target: reader.target(scanned, protocol),
    };
    let sources = reader.addresses(scanned, Generic::Source);
    let destinations = reader.addresses(scanned, Generic::Destination);
    let mut rules = Vec::with_capacity(sources.len() * destinations.len());
    for source in &sources {
        for destination in &destinations {
            rules.push(Rule {
                source: *source,
                destination: *destination,
                ..rule.clone()
            });
        }
    }
    rules
}

struct Reader<'a> {
    place: Place<'a>,
    errors: &'a mut Vec<ParseError>,
}

/// The use of an option, if there is one.
pub(super) fn used(scanned: &Scanned, option: Generic) -> Option<&Used> {
    scanned.used.iter().find(|used| used.option == option)
}

/// The first value of an option with its place.
pub(super) fn first(used: &Used) -> (&str, Span) {
    let word = used.values.first();
    word.map_or(("", used.span), |word| (word.text.as_str(), word.span))
}

impl Reader<'_> {
    fn error(
        &mut self,
        span: Span,
        kind: ErrorKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors.push(ParseError::new(span, kind, message, help));
    }

    /// `-p`, `Protocol(0)` for all.
    fn protocol(&mut self, scanned: &Scanned) -> Option<Invertible<Protocol>> {
        let used = used(scanned, Generic::Protocol)?;
        let (text, span) = first(used);
        match read::protocol(text) {
            Ok(Protocol(0)) if used.inverted => {
                self.error(
                    used.span,
                    ErrorKind::Contradictory,
                    "a rule for no protocol never matches",
                    "leave the rule out, or name a protocol",
                );
                None
            }
            Ok(protocol) => Some(Invertible::new(used.inverted, protocol)),
            Err(bad) => {
                self.errors.push(bad.at(span));
                None
            }
        }
    }

    /// `-i` or `-o`. A `+` alone is every interface; iptables-save does not print it.
    fn interface(
        &mut self,
        scanned: &Scanned,
        option: Generic,
    ) -> Option<Invertible<InterfacePattern>> {
        let used = used(scanned, option)?;
        let (text, span) = first(used);
        let (letter, wrong) = if option == Generic::In {
            ("-i", ["OUTPUT", "POSTROUTING"])
        } else {
            ("-o", ["INPUT", "PREROUTING"])
        };
        if wrong.contains(&self.place.chain) {
            let chain = self.place.chain;
            self.error(
                used.span,
                ErrorKind::Contradictory,
                format!("packets in {chain} have no interface for {letter}"),
                format!("leave out {letter}, or write the other one of -i and -o"),
            );
        }
        match InterfacePattern::new(text) {
            Ok(pattern) if pattern.as_str() == "+" && !used.inverted => None,
            Ok(pattern) => Some(Invertible::new(used.inverted, pattern)),
            Err(error) => {
                self.error(
                    span,
                    ErrorKind::Invalid,
                    format!("\"{text}\" is not an interface: {error}"),
                    "write a name of at most 15 bytes, or its beginning and a +",
                );
                None
            }
        }
    }

    fn fragment(&mut self, scanned: &Scanned) -> Option<Invertible<()>> {
        let used = used(scanned, Generic::Fragment)?;
        if self.place.family == Family::Ipv6 {
            self.error(
                used.span,
                ErrorKind::Contradictory,
                "-f is for IPv4 only",
                "write -m frag, or leave it out",
            );
            return None;
        }
        Some(Invertible::new(used.inverted, ()))
    }

    /// `-s` or `-d`: one entry for each address; one `None` when every address matches.
    fn addresses(
        &mut self,
        scanned: &Scanned,
        option: Generic,
    ) -> Vec<Option<Invertible<AddressMask>>> {
        let Some(used) = used(scanned, option) else {
            return vec![None];
        };
        let (text, span) = first(used);
        if used.inverted && text.contains(',') {
            self.error(
                used.span,
                ErrorKind::Contradictory,
                "a list of addresses cannot be inverted: each address would be a rule of its own",
                "write RETURN or ACCEPT rules for the addresses in front of one rule for the rest",
            );
            return vec![None];
        }
        let mut all = Vec::new();
        for part in text.split(',') {
            match read::network(part.trim(), self.place.family) {
                Ok(mask) if mask.is_any() && !used.inverted => all.push(None),
                Ok(mask) => all.push(Some(Invertible::new(used.inverted, mask))),
                Err(bad) => self.errors.push(bad.at(span)),
            }
        }
        all
    }

    fn extension<T>(
        &mut self,
        instance: &Instance<T>,
        protocol: Option<Invertible<Protocol>>,
    ) -> Option<T> {
        let extension: &Extension<T> = instance.extension?;
        let mut args = Args {
            family: self.place.family,
            protocol,
            name: extension.name(),
            span: instance.span,
            given: &instance.given,
            errors: self.errors,
        };
        (extension.read)(&mut args)
    }

    fn target(
        &mut self,
        scanned: &Scanned,
        protocol: Option<Invertible<Protocol>>,
    ) -> Option<Target> {
        let goto = used(scanned, Generic::Goto);
        if let (Some(goto), Some(_)) = (goto, &scanned.verdict) {
            self.error(
                goto.span,
                ErrorKind::Contradictory,
                "the rule has a target already",
                "leave out -j or -g",
            );
            return None;
        }
        if let Some(goto) = goto {
            let (text, span) = first(goto);
            return self.chain(text, span).map(Target::Goto);
        }
        match scanned.verdict.as_ref()? {
            Verdict::Extension(instance) => self.extension(instance, protocol),
            Verdict::Name(word) => match word.text.as_str() {
                "ACCEPT" => Some(Target::Accept),
                "DROP" if self.place.table == TableName::Nat => {
                    self.error(
                        word.span,
                        ErrorKind::Contradictory,
                        "the nat table sees the first packet of a connection only and is not for filtering",
                        "put the rule into the filter table",
                    );
                    None
                }
                "DROP" => Some(Target::Drop),
                "RETURN" => Some(Target::Return),
                name => self.chain(name, word.span).map(Target::Jump),
            },
        }
    }

    fn chain(&mut self, name: &str, span: Span) -> Option<ChainName> {
        match ChainName::new(name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.error(
                    span,
                    ErrorKind::Invalid,
                    format!("\"{name}\" is not a chain: {error}"),
                    "write a name of at most 28 bytes without blanks and quotes",
                );
                None
            }
        }
    }
}

/// The target that a name which is no chain was meant to be.
pub(super) fn nearest_target(name: &str) -> Option<&'static str> {
    let verdicts = ["ACCEPT", "DROP", "RETURN"];
    let extensions = target::EXTENSIONS.iter().map(Extension::name);
    nearest(name, verdicts.into_iter().chain(extensions))
}

/// A match by its place in the rule, for messages.
pub(super) fn match_name(one: &Match) -> String {
    let text = one.to_string();
    text.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}
