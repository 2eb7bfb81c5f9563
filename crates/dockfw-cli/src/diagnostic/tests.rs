//! Places, rendering, and input that tries to do harm.

use super::{Diagnostic, Diagnostics, LineIndex, Location, Severity, Style, printable};

fn place(text: &str, marked: &str) -> Location {
    let start = text.find(marked).unwrap();
    LineIndex::new("p.toml", 0, text.as_bytes())
        .locate(text.as_bytes(), start..start + marked.len())
}

fn position(location: &Location) -> (usize, usize) {
    (location.line().unwrap(), location.column().unwrap())
}

#[test]
fn lines_and_columns_count_from_one_in_characters() {
    let text = "a = 1\r\nβγ = \"x\"\n\nlast";
    assert_eq!(position(&place(text, "a")), (1, 1));
    assert_eq!(position(&place(text, "\"x\"")), (2, 6));
    assert_eq!(place(text, "\"x\"").end(), Some((2, 9)));
    assert_eq!(place(text, "\"x\"").snippet().unwrap().text, "βγ = \"x\"");
    assert_eq!(position(&place(text, "last")), (4, 1));
    let index = LineIndex::new("p.toml", 0, text.as_bytes());
    assert_eq!(
        position(&index.locate(text.as_bytes(), text.len()..text.len())),
        (4, 5)
    );
    assert_eq!(position(&index.locate(text.as_bytes(), 900..1000)), (4, 5));
    assert_eq!(
        position(&LineIndex::new("e", 0, b"").locate(b"", 0..0)),
        (1, 1)
    );
}

#[test]
fn columns_of_long_lines_are_right() {
    let text = format!("{}x{}", "é".repeat(50_000), "é".repeat(50_000));
    let location = place(&text, "x");
    assert_eq!(position(&location), (1, 50_001));
    let snippet = location.snippet().unwrap();
    assert_eq!(&snippet.text[snippet.marked.clone()], "x");
    assert_eq!(snippet.text.chars().count(), 1 + 60 + 1 + 60 + 1);
    let whole = LineIndex::new("p", 0, text.as_bytes()).locate(text.as_bytes(), 0..text.len());
    assert!(whole.snippet().unwrap().text.chars().count() < 100);
    assert!(
        Diagnostic::new(Severity::Error, whole, "m")
            .to_text(Style::Plain)
            .len()
            < 1000
    );
}

#[test]
fn text_has_place_line_mark_reason_and_help() {
    let text = "version = 1\npublish = [\"8080:0\"]\n";
    let diagnostic = Diagnostic::new(Severity::Error, place(text, "0\""), "the port is 0")
        .with_help("write 1")
        .with_related(place(text, "version"), "the version");
    let plain = diagnostic.to_text(Style::Plain);
    for part in [
        "error: the port is 0",
        "p.toml:2:18",
        "publish = [\"8080:0\"]",
        "help: write 1",
    ] {
        assert!(plain.contains(part), "{part} is not in\n{plain}");
    }
    assert!(
        plain.contains("the version") && plain.contains("p.toml:1:1"),
        "{plain}"
    );
    assert!(!plain.contains('\u{1b}'));
    assert!(diagnostic.to_text(Style::Colour).contains('\u{1b}'));
    assert_eq!(
        Diagnostics::from(diagnostic).to_string(),
        "p.toml:2:18: error: the port is 0"
    );
}

#[test]
fn json_has_the_same() {
    let text = "version = 2\n";
    let diagnostic = Diagnostic::new(Severity::Warning, place(text, "2"), "what")
        .with_related(Location::whole("other", 1), "there");
    let expected = serde_json::json!([{
        "severity": "warning",
        "file": "p.toml",
        "line": 1,
        "column": 11,
        "end": { "line": 1, "column": 12 },
        "message": "what",
        "help": null,
        "related": [
            { "file": "other", "line": null, "column": null, "end": null, "message": "there" }
        ],
    }]);
    assert_eq!(Diagnostics::from(diagnostic).to_json(), expected);
}

#[test]
fn nothing_from_the_input_reaches_the_terminal() {
    let text = "name = \"\u{1b}[2J\u{202e}\u{7}\u{9b}31m\"\n";
    let location = LineIndex::new("\u{1b}]0;x", 0, text.as_bytes()).locate(text.as_bytes(), 7..9);
    let diagnostic = Diagnostic::new(Severity::Error, location.clone(), "\u{1b}[31m\r\n")
        .with_help("\u{9b}1m\u{200f}")
        .with_related(location, "\u{8}");
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{200f}';
    let plain = diagnostic.to_text(Style::Plain);
    assert!(!plain.contains(bad), "{plain:?}");
    let all = Diagnostics::from(diagnostic);
    assert!(!all.to_string().contains(bad));
    assert!(!all.to_json()["message"].to_string().contains(bad));
}

#[test]
fn long_messages_are_cut() {
    assert_eq!(
        printable(&"é".repeat(1000), 10),
        format!("{}…", "é".repeat(10))
    );
    assert_eq!(printable("a\tb", 10), "a\\tb");
}

#[test]
fn colour_needs_a_terminal_and_no_objection() {
    let set = |value: &'static str| Some(std::ffi::OsStr::new(value));
    assert_eq!(Style::choose(true, None), Style::Colour);
    assert_eq!(Style::choose(true, set("")), Style::Colour);
    assert_eq!(Style::choose(true, set("1")), Style::Plain);
    assert_eq!(Style::choose(false, None), Style::Plain);
}
