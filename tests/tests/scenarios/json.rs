//! JSON of a scenario against JSON that came: what varies by nature may be left out, and `"$x"` is bound.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What varies from run to run, or follows from the rest: a pattern may leave it out.
const VARYING: [&str; 11] = [
    "epoch",
    "prev",
    "at",
    "time",
    "session",
    "connection",
    "color",
    "limits",
    "heartbeat_ms",
    "retry_after_ms",
    "code",
];

/// What names stand for: `$Ann`, `$t`.
#[derive(Debug, Default)]
pub(crate) struct Bindings(BTreeMap<String, Value>);

impl Bindings {
    /// Has a name stand for something.
    pub(crate) fn bind(&mut self, name: &str, value: Value) {
        self.0.insert(format!("${name}"), value);
    }

    /// A field of a command: what a name stands for, or itself.
    pub(crate) fn text(&self, text: &str) -> String {
        match self.0.get(text) {
            Some(Value::String(bound)) => bound.clone(),
            Some(other) => other.to_string(),
            None => text.to_owned(),
        }
    }

    /// JSON of a scenario with what its names stand for.
    pub(crate) fn filled(&self, json: &str) -> Value {
        self.fill(read(json))
    }

    fn fill(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.0.get(&text).cloned().unwrap_or(Value::String(text)),
            Value::Array(items) => items.into_iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => {
                let filled = fields.into_iter().map(|(name, value)| (self.text(&name), self.fill(value)));
                Value::Object(filled.collect())
            }
            other => other,
        }
    }

    /// Looks whether a document is as a pattern says; binds the names that stand for nothing yet.
    pub(crate) fn fits(&mut self, pattern: &Value, document: &Value) -> Result<(), String> {
        match (pattern, document) {
            (Value::String(any), _) if any == "..." => Ok(()),
            (Value::String(name), document) if name.starts_with('$') => match self.0.get(name) {
                Some(bound) if bound == document => Ok(()),
                Some(bound) => Err(format!("{name} is {bound}, not {document}")),
                None => {
                    self.0.insert(name.clone(), document.clone());
                    Ok(())
                }
            },
            (Value::Object(pattern), Value::Object(document)) => self.fields_fit(pattern, document),
            (Value::Array(pattern), Value::Array(document)) if pattern.len() == document.len() => {
                pattern.iter().zip(document).try_for_each(|(pattern, item)| self.fits(pattern, item))
            }
            (pattern, document) if pattern == document => Ok(()),
            _ => Err(format!("{document} is there, not {pattern}")),
        }
    }

    fn fields_fit(
        &mut self,
        pattern: &Map<String, Value>,
        document: &Map<String, Value>,
    ) -> Result<(), String> {
        let mut looked_at = Vec::new();
        for (name, pattern) in pattern {
            let name = self.text(name);
            let field = document.get(&name).ok_or_else(|| format!("there is no {name}"))?;
            self.fits(pattern, field).map_err(|wrong| format!("{name}: {wrong}"))?;
            looked_at.push(name);
        }
        let is_words = |name: &str, value: &Value| name == "message" && value.is_string();
        for (name, value) in document {
            let may_be_left_out = VARYING.contains(&name.as_str()) || is_words(name, value);
            if !looked_at.contains(name) && !may_be_left_out {
                return Err(format!("there is {name} too: {value}"));
            }
        }
        Ok(())
    }
}

/// Reads JSON of a scenario.
pub(crate) fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}
