//! Rules files: what `iptables-save` prints, and what people keep beside it, as one table of the
//! file's family.
//!
//! [`load`] reads files; [`parse`] is the pure part behind it. All errors of a run are reported,
//! not the first.

use std::path::PathBuf;

use dockfw_iptables::parse::{
    self as text, Assume, ErrorKind, Loaded, ParseError, Span as TextSpan,
};
use dockfw_iptables::{ChainName, Family, Program, TableName};
use dockfw_ir::table::Table;
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{Compiled, Why, table};

use crate::diagnostic::Diagnostics;
use crate::policy::Source;
use crate::policy::read;
use crate::policy::report::{Draft, Report, Span};
use crate::policy::syntax::text_of;

mod family;
pub(crate) mod lenient;
mod line;

/// How rules are read and compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How much of a chain may be rewritten.
    pub optimize: Optimize,
    /// What becomes of rules that are not supported.
    pub unsupported: LeaveOut,
}

/// Which rules are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeaveOut {
    /// None: each rule that is not supported is an error.
    #[default]
    Nothing,
    /// Those that are not supported, if nothing more is accepted without them.
    Harmless,
}

/// Rules files that have been read, with at most one program for each family.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The programs, in the order of the files; IPv4 comes first when a file has both.
    pub programs: Vec<RulesProgram>,
    /// What has no effect, and what was left out.
    pub warnings: Diagnostics,
    /// The files as they were read, in order; empty after [`parse`], whose caller has them.
    pub sources: Vec<Source>,
}

/// The rules of one family.
#[derive(Debug, Clone)]
pub struct RulesProgram {
    /// The file.
    pub source: String,
    /// The rules as iptables has them.
    pub program: Program,
    /// The rules as nftables has them.
    pub table: Table,
}

impl Rules {
    /// The program of a family.
    pub fn of(&self, family: Family) -> Option<&Program> {
        let mut programs = self.programs.iter().map(|of| &of.program);
        programs.find(|program| program.family() == family)
    }
}

/// The place of the first rules file among the sources of a run; policies come before.
const BEHIND_POLICIES: usize = 1 << 20;

/// Reads and compiles rules files, for one family, or for the families that they say.
///
/// # Errors
///
/// Everything that is wrong, sorted by file and position.
pub fn load(
    paths: &[PathBuf],
    family: Option<Family>,
    options: Options,
) -> Result<Rules, Diagnostics> {
    let (sources, unreadable) = read::files(paths, BEHIND_POLICIES, "rules");
    let read = parse(&sources, family, options);
    if unreadable.is_empty() {
        return read.map(|rules| Rules { sources, ..rules });
    }
    let mut all = read.err().unwrap_or_default();
    all.extend(unreadable);
    Err(all)
}

/// Compiles rules files that have been read already.
///
/// Reads no file, no clock and no environment: the same sources give the same result.
///
/// # Errors
///
/// Everything that is wrong, sorted by file and position.
pub fn parse(
    sources: &[Source],
    family: Option<Family>,
    options: Options,
) -> Result<Rules, Diagnostics> {
    let mut reading = Reading {
        options,
        report: Report::behind(BEHIND_POLICIES, sources),
        files: Vec::new(),
        programs: Vec::new(),
    };
    for (index, source) in sources.iter().enumerate() {
        if let Some(text) = text_of(index, source, &mut reading.report) {
            reading.file(index, source, text, family);
        }
    }
    let failed = reading.report.has_errors();
    let warnings = reading.report.finish();
    if failed {
        return Err(warnings);
    }
    Ok(Rules {
        programs: reading.programs,
        warnings,
        sources: Vec::new(),
    })
}

struct Reading<'a> {
    options: Options,
    report: Report<'a>,
    /// Which file has which family.
    files: Vec<(Family, usize)>,
    programs: Vec<RulesProgram>,
}

impl Reading<'_> {
    fn file(&mut self, index: usize, source: &Source, text: &str, asked: Option<Family>) {
        let families = match family::families(index, &source.name, text, asked) {
            Ok(families) => families,
            Err(draft) => return self.report.push(draft),
        };
        for draft in families.warnings {
            self.report.push(draft);
        }
        for family in families.families {
            let first = self.files.iter().find(|(other, _)| *other == family);
            if let Some((_, first)) = first {
                self.taken(index, *first, family);
                continue;
            }
            self.files.push((family, index));
            self.program(index, source, text, family);
        }
    }

    /// Two files have rules of one family.
    fn taken(&mut self, index: usize, first: usize, family: Family) {
        let word = family::word(family);
        let message = format!("{word} rules stand in another file already");
        let draft = Draft::error(Span::new(index, 0..0), message)
            .related(Span::new(first, 0..0), "this one")
            .help("put them into one file, or say with --family what the file is for");
        self.report.push(draft);
    }

    fn program(&mut self, index: usize, source: &Source, text: &str, family: Family) {
        let place = |span: TextSpan| Span::new(index, span.start..span.end);
        let mut kept = Vec::new();
        let mut blanked = None;
        if self.options.unsupported == LeaveOut::Harmless {
            let lenient = lenient::leave_out(text, family);
            for left_out in &lenient.left_out {
                self.report.push(left_out.draft(place(left_out.span)));
            }
            kept = lenient.kept;
            blanked = Some(lenient.text);
        }
        let text = blanked.as_deref().unwrap_or(text);
        let is_lenient = blanked.is_some();
        let loaded = match text::load(text, family, &Assume::default()) {
            Ok(loaded) => loaded,
            Err(errors) => {
                for error in errors {
                    self.report
                        .push(unread(&error, place(error.span), is_lenient));
                }
                return;
            }
        };
        if loaded.program.tables().next().is_none() {
            let message = format!("the file has no {} rules", family::word(family));
            let draft = Draft::error(Span::new(index, 0..0), message)
                .help("write what iptables-save prints, or iptables commands");
            return self.report.push(draft);
        }
        let name = dockfw_lower::table_name();
        match table(&loaded.program, name, self.options.optimize) {
            Ok(compiled) => {
                self.idle(index, &loaded, &compiled);
                self.programs.push(RulesProgram {
                    source: source.name.clone(),
                    program: loaded.program,
                    table: compiled.table,
                });
            }
            Err(refused) => {
                for of in refused {
                    let span = origin(&loaded, of.table, &of.chain, of.index).unwrap_or_default();
                    let is_kept = kept.contains(&(span, of.reason.message.clone()));
                    let help = if is_kept {
                        lenient::help(&of.reason.help)
                    } else {
                        of.reason.help
                    };
                    let draft = Draft::error(place(span), of.reason.message).help(help);
                    self.report.push(draft);
                }
            }
        }
    }

    fn idle(&mut self, index: usize, loaded: &Loaded, compiled: &Compiled) {
        let place = |span: TextSpan| Span::new(index, span.start..span.end);
        for idle in &compiled.idle {
            let origin = |rule| origin(loaded, idle.table, &idle.chain, rule);
            let Some(span) = origin(idle.index) else {
                continue;
            };
            let draft = match idle.why {
                Why::Impossible => Draft::warning(place(span), "no packet can match this rule")
                    .help("remove it, or correct the match that excludes everything"),
                Why::Covered(by) => {
                    let draft = Draft::warning(place(span), "no packet comes to this rule")
                        .help("remove it, or put it in front of the one that takes its packets");
                    match origin(by) {
                        Some(span) => draft.related(place(span), "this rule takes its packets"),
                        None => draft,
                    }
                }
            };
            self.report.push(draft);
        }
    }
}

fn origin(loaded: &Loaded, table: TableName, chain: &ChainName, rule: usize) -> Option<TextSpan> {
    loaded.origin(table, chain.as_str(), rule)
}

fn unread(error: &ParseError, span: Span, is_lenient: bool) -> Draft {
    let is_unsupported = matches!(error.kind, ErrorKind::Unsupported { .. });
    let help = if is_unsupported && is_lenient {
        lenient::help(&error.help)
    } else {
        error.help.clone()
    };
    Draft::error(span, error.message.as_str()).help(help)
}

#[cfg(test)]
mod tests;
