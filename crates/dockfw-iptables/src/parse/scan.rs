//! The words of one line as options: which command, which parts of the rule, and which options
//! belong to which extension.
//!
//! As with getopt_long(3): a long option may be shortened as long as it is the only one that
//! begins so, its value may stand behind `=`, and short options may be put together. Where
//! several extensions of a rule have an option, the last one loaded gets it. An option that
//! nobody has loads the extension of the rule's `-p`.
//!
//! Source: iptables 1.8.9, `iptables/xshared.c`, `do_parse` and `command_default`.

mod extension;

use super::args::{Extension, Given, Opt};
use super::error::{ErrorKind, ParseError, Span};
use super::generic::{self, Generic};
use super::lex::Word;
use crate::r#match::Match;
use crate::program::Family;
use crate::target::Target;
use extension::Found;

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
