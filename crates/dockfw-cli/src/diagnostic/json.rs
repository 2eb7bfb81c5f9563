//! Diagnostics as JSON, for editors and CI.

use serde_json::{Value, json};

use super::{Diagnostic, Diagnostics, Location};

impl Diagnostics {
    /// An array with one object for each diagnostic: `severity`, `file`, `line`, `column`, `end`
    /// (an object with `line` and `column`, exclusive), `message`, `help`, `related`.
    ///
    /// Lines and columns count from 1, columns in characters; they are null for a file that could
    /// not be read.
    pub fn to_json(&self) -> Value {
        self.iter().map(Diagnostic::to_json).collect()
    }
}

impl Diagnostic {
    /// The diagnostic as an object; see [`Diagnostics::to_json`].
    pub fn to_json(&self) -> Value {
        let mut object = place(self.location());
        if let Some(fields) = object.as_object_mut() {
            fields.insert("severity".to_owned(), json!(self.severity().to_string()));
            fields.insert("message".to_owned(), json!(self.message()));
            fields.insert("help".to_owned(), json!(self.help()));
            let related = self.related().iter().map(|related| {
                let mut object = place(related.location());
                if let Some(fields) = object.as_object_mut() {
                    fields.insert("message".to_owned(), json!(related.message()));
                }
                object
            });
            fields.insert("related".to_owned(), related.collect());
        }
        object
    }
}

fn place(location: &Location) -> Value {
    json!({
        "file": location.source(),
        "line": location.line(),
        "column": location.column(),
        "end": location.end().map(|(line, column)| json!({ "line": line, "column": column })),
    })
}
