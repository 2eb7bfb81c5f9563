//! The diagnostics of a run while they are collected, with compact spans.

use std::ops::Range;

use dockfw_lower::docker::check::{self, Problem};

use super::places::Places;
use super::{MAX_BYTES, Source};
use crate::diagnostic::{Diagnostic, Diagnostics, LineIndex, Location, Severity};

/// A byte range of a source. Files have at most 16 MiB, so 32 bits are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Index of the source.
    pub(crate) source: u32,
    /// The first byte.
    pub(crate) start: u32,
    /// The byte after the last one.
    pub(crate) end: u32,
}

const _: () = assert!(MAX_BYTES < 1 << 31, "spans have 32 bits");

impl Span {
    pub(crate) fn new(source: usize, range: Range<usize>) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            source: narrow(source),
            start: narrow(range.start),
            end: narrow(range.end),
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        let wide = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        wide(self.start)..wide(self.end)
    }

    pub(crate) fn source(self) -> usize {
        usize::try_from(self.source).unwrap_or(usize::MAX)
    }
}

/// Diagnostics on their way; places become lines and columns when they are added, so that a run
/// without diagnostics never counts lines.
pub(crate) struct Report<'a> {
    sources: &'a [Source],
    /// The place of the first source among those of the run.
    first: usize,
    lines: Vec<Option<LineIndex>>,
    all: Vec<Diagnostic>,
    errors: usize,
}

/// A diagnostic that is being built; it belongs to the report when it is pushed.
#[derive(Debug)]
pub(crate) struct Draft {
    severity: Severity,
    span: Span,
    message: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Draft {
    /// What is wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            severity: Severity::Error,
            span,
            message,
            help: None,
            related: Vec::new(),
        }
    }

    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push((span, note.into()));
        self
    }
}

impl<'a> Report<'a> {
    pub(crate) fn new(sources: &'a [Source]) -> Self {
        Self::behind(0, sources)
    }

    /// For sources that come behind others, which have a report of their own.
    pub(crate) fn behind(first: usize, sources: &'a [Source]) -> Self {
        let lines = sources.iter().map(|_| None).collect();
        Self {
            sources,
            first,
            lines,
            all: Vec::new(),
            errors: 0,
        }
    }

    pub(crate) fn source(&self, index: usize) -> Option<&'a Source> {
        self.sources.get(index)
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn push(&mut self, draft: Draft) {
        if draft.severity == Severity::Error {
            self.errors += 1;
        }
        let place = self.location(draft.span);
        let mut diagnostic = Diagnostic::new(draft.severity, place, &draft.message);
        if let Some(help) = &draft.help {
            diagnostic = diagnostic.with_help(help);
        }
        for (span, note) in draft.related {
            diagnostic = diagnostic.with_related(self.location(span), &note);
        }
        self.all.push(diagnostic);
    }

    /// Adds a problem of the host model.
    pub(super) fn problem(&mut self, places: &Places, problem: &Problem) {
        let span = places.find(problem.place);
        let mut draft = match problem.severity {
            check::Severity::Error => Draft::error(span, problem.message.as_str()),
            check::Severity::Warning => Draft::warning(span, problem.message.as_str()),
        };
        draft.help.clone_from(&problem.help);
        for (place, note) in &problem.related {
            draft = draft.related(places.find(*place), note.as_str());
        }
        self.push(draft);
    }

    /// Where a span is, in lines and columns.
    pub(crate) fn location(&mut self, span: Span) -> Location {
        let index = span.source();
        let (Some(source), Some(lines)) = (self.sources.get(index), self.lines.get_mut(index))
        else {
            return Location::whole("policy", self.first + index);
        };
        let order = self.first + index;
        let build = || LineIndex::new(&source.name, order, &source.bytes);
        lines
            .get_or_insert_with(build)
            .locate(&source.bytes, span.range())
    }

    pub(crate) fn finish(self) -> Diagnostics {
        Diagnostics::new(self.all)
    }
}
