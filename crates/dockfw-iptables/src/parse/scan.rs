//! The words of one line as options: which command, which parts of the rule, and which options
//! belong to which extension.
//!
//! As with getopt_long(3): a long option may be shortened as long as it is the only one that
//! begins so, its value may stand behind `=`, and short options may be put together. Where
//! several extensions of a rule have an option, the last one loaded gets it. An option that
//! nobody has loads the extension of the rule's `-p`.
//!
//! Source: iptables 1.8.9, `iptables/xshared.c`, `do_parse` and `command_default`.

use super::args::{Extension, Given, Opt};
use super::error::{ErrorKind, ParseError, Span, nearest};
use super::generic::{self, Generic};
use super::lex::Word;
use super::read;
use crate::r#match::{self, Match};
use crate::program::Family;
use crate::target::{self, Target};

/// A use of an option that every rule or command has.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub(super) option: Generic,
    pub(super) inverted: bool,
    pub(super) span: Span,
    pub(super) values: Vec<Word>,
}

/// An extension in the rule with what it was given.
#[derive(Debug)]
pub(super) struct Instance<T: 'static> {
    /// `None` for one that cannot be read: its options are skipped.
    pub(super) extension: Option<&'static Extension<T>>,
    pub(super) span: Span,
    pub(super) given: Vec<Given>,
}

/// What `-j` names.
#[derive(Debug)]
pub(super) enum Verdict {
    /// A name that is no extension: a verdict or a chain.
    Name(Word),
    Extension(Instance<Target>),
}

/// Who has an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Generic(Generic),
    Match(usize),
    Target,
}

/// A line taken apart.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) used: Vec<Used>,
    pub(super) matches: Vec<Instance<Match>>,
    pub(super) verdict: Option<Verdict>,
}

pub(super) struct Scanner<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, Word>>,
    family: Family,
    errors: &'a mut Vec<ParseError>,
    out: Scanned,
    /// A `!` that waits for its option.
    not: Option<Span>,
    /// The extensions in the order of loading.
    loaded: Vec<Owner>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(words: &'a [Word], family: Family, errors: &'a mut Vec<ParseError>) -> Self {
        Self {
            words: words.iter().peekable(),
            family,
            errors,
            out: Scanned::default(),
            not: None,
            loaded: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Scanned {
        while let Some(word) = self.words.next() {
            let text = word.text.as_str();
            if text == "!" && !word.quoted {
                if let Some(first) = self.not.replace(word.span) {
                    self.dangling(first);
                }
            } else if let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) {
                self.long(long, word);
            } else if text.len() > 1 && text.starts_with('-') {
                self.short(word);
            } else if !self.is_opaque() {
                self.not = None;
                self.stray(word);
            }
        }
        if let Some(not) = self.not {
            self.dangling(not);
        }
        self.out
    }

    fn error(&mut self, span: Span, kind: ErrorKind, message: String, help: String) {
        self.errors.push(ParseError::new(span, kind, message, help));
    }

    fn dangling(&mut self, span: Span) {
        self.error(
            span,
            ErrorKind::Syntax,
            "there is no option behind this !".to_owned(),
            "write ! in front of an option, as in ! -s 192.0.2.1".to_owned(),
        );
    }

    fn stray(&mut self, word: &Word) {
        let help = match self.out.used.last() {
            Some(last) if last.option == Generic::Append => {
                "-A adds at the end and takes no position; use -I for one".to_owned()
            }
            _ => "put it in quotes if it belongs to the value in front, or leave it out".to_owned(),
        };
        let message = format!(
            "\"{}\" is neither an option nor the value of one",
            word.text
        );
        self.error(word.span, ErrorKind::Syntax, message, help);
    }

    /// Whether options may belong to an extension that cannot be read.
    fn is_opaque(&self) -> bool {
        self.loaded.iter().any(|owner| match *owner {
            Owner::Match(index) => {
                let instance = self.out.matches.get(index);
                instance.is_some_and(|instance| instance.extension.is_none())
            }
            Owner::Target => matches!(
                &self.out.verdict,
                Some(Verdict::Extension(Instance {
                    extension: None,
                    ..
                }))
            ),
            Owner::Generic(_) => false,
        })
    }

    fn long(&mut self, long: &str, word: &'a Word) {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let attached = attached.map(|text| Word {
            text: text.to_owned(),
            span: word.span,
            quoted: true,
        });
        let found = self.find(name).or_else(|| {
            self.load_protocol(word.span);
            self.find(name)
        });
        match found {
            Some(Found::One(owner, opt)) => self.take(owner, opt, word.span, attached),
            Some(Found::Several(names)) => {
                self.not = None;
                self.error(
                    word.span,
                    ErrorKind::Unknown,
                    format!("--{name} is short for several options"),
                    format!("write one of {names}"),
                );
            }
            None if self.is_opaque() => self.skip_values(),
            None => {
                self.not = None;
                let help = self.advice(name);
                let message = format!("this rule has no option --{name}");
                self.error(word.span, ErrorKind::Unknown, message, help);
                self.skip_values();
            }
        }
    }

    /// Skips what looks like the values of an option nobody knows.
    fn skip_values(&mut self) {
        self.not = None;
        while self
            .words
            .next_if(|word| word.quoted || !(word.text.starts_with('-') || word.text == "!"))
            .is_some()
        {}
    }

    /// What to write instead of an option that the rule does not have.
    fn advice(&self, name: &str) -> String {
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

    fn find(&self, name: &str) -> Option<Found> {
        let known = self.known();
        let exact = known.iter().find(|(_, opt)| opt.names.contains(&name));
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
    fn load_protocol(&mut self, span: Span) {
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

    fn short(&mut self, word: &'a Word) {
        let mut letters = word.text.chars();
        letters.next();
        while let Some(letter) = letters.next() {
            let found = generic::OPTIONS
                .iter()
                .find(|(_, short, _)| *short == Some(letter));
            let Some((option, _, opt)) = found else {
                if self.is_opaque() {
                    return self.skip_values();
                }
                self.not = None;
                let message = format!("there is no option -{letter}");
                let help = match letters.as_str() {
                    "" => "see iptables(8) for the options".to_owned(),
                    _ => format!("did you mean -{}?", word.text),
                };
                return self.error(word.span, ErrorKind::Unknown, message, help);
            };
            let rest = letters.as_str();
            if *option == Generic::Wait && rest.parse::<u32>().is_ok() {
                return;
            }
            let attached = (!rest.is_empty() && opt.values > 0).then(|| Word {
                text: rest.to_owned(),
                span: word.span,
                quoted: true,
            });
            let stop = attached.is_some();
            self.take(Owner::Generic(*option), opt, word.span, attached);
            if stop {
                return;
            }
        }
    }

    /// Takes an option with its values.
    fn take(&mut self, owner: Owner, opt: &'static Opt, span: Span, attached: Option<Word>) {
        let mut not = self.not.take();
        let mut values: Vec<Word> = attached.into_iter().collect();
        // The old spelling puts the ! between the option and its value.
        if opt.values > 0
            && opt.invertible
            && values.is_empty()
            && let Some(word) = self.words.next_if(|word| word.text == "!" && !word.quoted)
        {
            not = Some(word.span);
        }
        while values.len() < opt.values {
            let Some(word) = self.words.next() else {
                let key = opt.key();
                let message = format!("--{key} needs a value");
                let help = format!("write the value behind --{key}");
                return self.error(span, ErrorKind::Missing, message, help);
            };
            values.push(word.clone());
        }
        if let Some(not) = not.filter(|_| !opt.invertible) {
            self.error(
                not.to(span),
                ErrorKind::Invalid,
                format!("--{} cannot be inverted", opt.key()),
                "leave out the !".to_owned(),
            );
        }
        let whole = values.iter().fold(span, |span, word| span.to(word.span));
        let given = Given {
            key: opt.key(),
            inverted: not.is_some(),
            span: not.map_or(whole, |not| not.to(whole)),
            values,
        };
        match owner {
            Owner::Generic(option) => self.generic(option, given),
            Owner::Match(index) => {
                if let Some(instance) = self.out.matches.get_mut(index) {
                    push(&mut instance.given, given, self.errors);
                }
            }
            Owner::Target => {
                if let Some(Verdict::Extension(instance)) = &mut self.out.verdict {
                    push(&mut instance.given, given, self.errors);
                }
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other options are noted in the same way"
    )]
    fn generic(&mut self, option: Generic, mut given: Given) {
        let more = option.optional_values();
        for _ in 0..more {
            let next = self
                .words
                .next_if(|word| !word.text.starts_with('-') && word.text != "!");
            if let Some(word) = next {
                given.span = given.span.to(word.span);
                given.values.push(word.clone());
            }
        }
        let (text, span) = given.value(0);
        match option {
            Generic::Match => {
                let name = text.to_owned();
                self.load_match(&name, given.span);
            }
            Generic::Jump => {
                let word = Word {
                    text: text.to_owned(),
                    span,
                    quoted: false,
                };
                self.load_target(word, given.span);
            }
            other => {
                let twice = self.out.used.iter().any(|used| used.option == other);
                if twice && !other.is_repeatable() {
                    let message = format!("--{} stands there twice", given.key);
                    let help = "leave one of them out".to_owned();
                    self.error(given.span, ErrorKind::Contradictory, message, help);
                    return;
                }
                self.out.used.push(Used {
                    option: other,
                    inverted: given.inverted,
                    span: given.span,
                    values: given.values,
                });
            }
        }
    }

    fn load_match(&mut self, name: &str, span: Span) {
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

    fn load_target(&mut self, word: Word, span: Span) {
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

/// The result of looking for an option.
enum Found {
    One(Owner, &'static Opt),
    Several(String),
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

/// Adds an option to what an extension was given, unless it is there.
fn push(all: &mut Vec<Given>, given: Given, errors: &mut Vec<ParseError>) {
    if all.iter().any(|other| other.key == given.key) {
        errors.push(ParseError::new(
            given.span,
            ErrorKind::Contradictory,
            format!("--{} stands there twice", given.key),
            "leave one of them out, or use the match twice",
        ));
        return;
    }
    all.push(given);
}
