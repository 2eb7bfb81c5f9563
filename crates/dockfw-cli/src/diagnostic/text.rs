//! Diagnostics as text for people.

use std::fmt::{self, Write as _};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::{Diagnostic, Diagnostics, Location, Related, Severity};

/// How text is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Without colour, for pipes and files.
    #[default]
    Plain,
    /// With colour.
    Colour,
}

impl Style {
    /// Colour on a terminal, unless `NO_COLOR` is set to something.
    ///
    /// Source: <https://no-color.org>.
    pub fn choose(is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> Self {
        if is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty) {
            Self::Colour
        } else {
            Self::Plain
        }
    }
}

/// Columns at which messages are wrapped. Fixed, so that the output depends on the input only.
const WIDTH: usize = 100;

impl Diagnostics {
    /// The diagnostics as text, an empty line between two of them, and a count at the end when
    /// there are several.
    pub fn to_text(&self, style: Style) -> String {
        let mut text = String::new();
        for diagnostic in self {
            text.push_str(&diagnostic.to_text(style));
            text.push('\n');
        }
        let count = |severity| self.iter().filter(|d| d.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let plural = |count, what| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        if errors + warnings > 1 {
            let _ = match (errors, warnings) {
                (_, 0) => writeln!(text, "{}", plural(errors, "error")),
                (0, _) => writeln!(text, "{}", plural(warnings, "warning")),
                _ => writeln!(
                    text,
                    "{}, {}",
                    plural(errors, "error"),
                    plural(warnings, "warning")
                ),
            };
        }
        text
    }
}

impl Diagnostic {
    /// The diagnostic as text: severity and message, place, the line with the marked part, related
    /// places, help.
    pub fn to_text(&self, style: Style) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; a renderer that gives up leaves the one-line form.
        if self.write(&mut text, style).is_err() {
            text = format!("{}: {}: {}\n", self.location, self.severity, self.message);
        }
        text
    }

    fn write(&self, text: &mut String, style: Style) -> fmt::Result {
        let theme = match style {
            Style::Plain => GraphicalTheme {
                characters: ThemeCharacters::unicode(),
                styles: ThemeStyles::none(),
            },
            Style::Colour => GraphicalTheme {
                characters: ThemeCharacters::unicode(),
                styles: ThemeStyles::ansi(),
            },
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(WIDTH)
            .with_context_lines(0);
        handler.render_report(text, &Report::of(self))?;
        for related in &self.related {
            handler.render_report(text, &Report::related(related))?;
        }
        Ok(())
    }
}

/// A diagnostic, or a related place of one, as miette sees it.
struct Report<'a> {
    severity: Option<Severity>,
    message: String,
    line: Option<Line<'a>>,
    help: Option<&'a str>,
}

/// The printed line of a place.
struct Line<'a>(&'a Location);

impl<'a> Report<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Self {
        let place = &diagnostic.location;
        let severity = diagnostic.severity;
        let message = match place.line() {
            Some(_) => format!("{severity}: {}", diagnostic.message),
            None => format!("{severity}: {}: {}", place.source(), diagnostic.message),
        };
        Self {
            severity: Some(severity),
            message,
            line: line(place),
            help: diagnostic.help(),
        }
    }

    fn related(related: &'a Related) -> Self {
        Self {
            severity: None,
            message: related.message.clone(),
            line: line(&related.location),
            help: None,
        }
    }
}

fn line(location: &Location) -> Option<Line<'_>> {
    location.snippet().map(|_| Line(location))
}

impl SourceCode for Line<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let snippet = self.0.snippet().ok_or(MietteError::OutOfBounds)?;
        let number = |position: Option<usize>| position.map_or(0, |from_1| from_1 - 1);
        let (line, column) = (number(self.0.line()), number(self.0.column()));
        let name = self.0.source().to_owned();
        let data = snippet.text.as_bytes();
        let whole = SourceSpan::from(0..data.len());
        // The column belongs to the marked place, whatever part of the line is asked for.
        let _ = span;
        Ok(Box::new(MietteSpanContents::new_named(
            name, data, whole, line, column, 1,
        )))
    }
}

impl miette::Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Some(Severity::Error) => miette::Severity::Error,
            Some(Severity::Warning) => miette::Severity::Warning,
            None => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .map(|help| -> Box<dyn fmt::Display + 'a> { Box::new(help) })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.line.as_ref().map(|line| -> &dyn SourceCode { line })
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let marked = self.line.as_ref()?.0.snippet()?.marked.clone();
        Some(Box::new(std::iter::once(
            LabeledSpan::new_primary_with_span(None, marked),
        )))
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report<'_> {}
