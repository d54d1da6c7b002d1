//! What clients of `klatsch.v1` do and get, and the fields of the host's calls that speak of them.

use klatsch_tests::scenario::{ExpectedError, Payload};
use serde_json::Value;

use super::{Play, Wrong, right};
use crate::client::{DEADLINE, Document, is_about_presence};

impl Play {
    pub(super) fn say_hello(&mut self, who: &str, mut fields: Value) {
        fields["do"] = "hello".into();
        self.ask(who, fields);
    }

    /// Sends a request, with an id of its own where it has none.
    pub(super) fn ask(&mut self, who: &str, mut request: Value) {
        let client = self.client(who);
        if request.get("id").is_none() {
            client.request_id += 1;
            request["id"] = client.request_id.into();
        }
        if let Some(id) = request["id"].as_u64() {
            client.unanswered.push_back(id);
        }
        client.send(&Payload::Text(request.to_string()));
    }

    /// The next document is the reply to the oldest request that had none. Who is welcomed has a name for their id
    /// and their session from here on.
    pub(super) fn is_answered(
        &mut self,
        who: &str,
        wanted: Result<&Value, &ExpectedError>,
    ) -> Result<(), Wrong> {
        let id = self.client(who).unanswered.pop_front().ok_or("everything is answered already")?;
        let document = self.next_json(who, false)?;
        right(document["id"] == id, || format!("{who} gets {document}, which is not the reply to {id}"))?;
        match wanted {
            Ok(pattern) => {
                let ok = &document["ok"];
                if ok["session"].is_string() {
                    self.bindings.bind(who, ok["user"].clone());
                    self.bindings.bind(&format!("{who}.session"), ok["session"].clone());
                }
                self.bindings.fits(pattern, ok).map_err(|wrong| format!("{who} gets {document}: {wrong}"))
            }
            Err(error) => {
                let (name, words) = (&document["error"]["name"], &document["error"]["message"]);
                let words = words.as_str().unwrap_or_default();
                let fits = *name == error.code && words.contains(error.words.as_deref().unwrap_or_default());
                right(fits && !words.is_empty(), || format!("{who} gets {document}"))
            }
        }
    }

    pub(super) fn gets(&mut self, who: &str, pattern: &Value) -> Result<(), Wrong> {
        let document = self.next_json(who, is_about_presence(pattern))?;
        self.client(who).unanswered.retain(|id| document["id"] != *id);
        self.bindings.fits(pattern, &document).map_err(|wrong| format!("{who} gets {document}: {wrong}"))
    }

    fn next_json(&mut self, who: &str, is_presence: bool) -> Result<Value, Wrong> {
        match self.client(who).next_document(is_presence, DEADLINE) {
            Some(Document::Json(document)) => Ok(document),
            other => Err(format!("{who} gets {other:?}")),
        }
    }
}

/// A field of an object as a command has it: empty where there is none.
pub(super) fn field_of(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// USER NAME ROLE ROOMS EXPIRES_AT_MS: rooms with commas between them.
pub(super) fn admission_fields(admission: &Value) -> [String; 5] {
    let rooms = admission["rooms"].as_array().map_or(String::new(), |rooms| {
        rooms.iter().map(|room| room.as_str().expect("a room is a text")).collect::<Vec<_>>().join(",")
    });
    let field = |name| field_of(admission, name);
    [field("user"), field("name"), field("role"), rooms, field("expires_at_ms")]
}

/// What v1 clients offer.
pub(super) const V1: &str = "klatsch.v1";
