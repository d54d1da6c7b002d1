//! Who somebody is, and what is done to them: JSON text from the other half to the core's values.

use klatsch::{Admission, Error, ErrorCode, Moderation, Role, UserId};
use serde_json::{Map, Value};

/// Reads `{user, name, role, rooms, expiresAtMs}`; all but the name may be left out.
///
/// # Errors
/// `invalid_argument`: which field, its value, and what it may be.
pub(crate) fn admission(text: &str) -> Result<Admission, Error> {
    let fields = Fields::read("the admission", text)?;
    let mut admission = Admission::new(fields.text("name")?);
    admission.user = fields.maybe("user", text_of, A_TEXT)?.map(str::to_owned);
    admission.role = fields.maybe("role", role_of, A_ROLE)?.unwrap_or_default();
    admission.rooms = fields.maybe("rooms", texts_of, "an array of texts")?.unwrap_or_default();
    admission.expires_at_ms = fields.maybe("expiresAtMs", Value::as_u64, A_NUMBER)?;
    Ok(admission)
}

/// Reads `{act, …}` with the fields of that act and no others.
///
/// # Errors
/// `invalid_argument`: which field, its value, and what it may be. `bad_name`: a user's id.
pub(crate) fn moderation(text: &str) -> Result<Moderation, Error> {
    let fields = Fields::read("the act", text)?;
    let act = fields.text("act")?;
    let known: &[&str] = match act {
        "kick" | "unban" | "clear" => &["user"],
        "mute" | "ban" => &["user", "seconds"],
        "slow" => &["seconds"],
        "topic" => &["topic"],
        "role" => &["user", "role"],
        _ => return Err(fields.wrong("act", ACTS)),
    };
    if let Some(name) = fields.0.keys().find(|name| *name != "act" && !known.contains(&name.as_str())) {
        let known = known.join(" and ");
        return Err(invalid(format!("the act {act:?} takes {known}, not {name}")));
    }
    let user = || fields.text("user").and_then(UserId::new);
    let seconds = || fields.maybe("seconds", Value::as_u64, A_NUMBER);
    Ok(match act {
        "kick" => Moderation::Kick { user: user()? },
        "mute" => Moderation::Mute { user: user()?, seconds: seconds()? },
        "ban" => Moderation::Ban { user: user()?, seconds: seconds()? },
        "unban" => Moderation::Unban { user: user()? },
        "slow" => {
            let seconds = seconds()?.ok_or_else(|| fields.wrong("seconds", A_NUMBER))?;
            Moderation::Slow { seconds }
        }
        "topic" => Moderation::Topic { topic: fields.text("topic")?.into() },
        "role" => {
            let role = fields.maybe("role", role_of, A_ROLE)?.ok_or_else(|| fields.wrong("role", A_ROLE))?;
            Moderation::Role { user: user()?, role }
        }
        _ => {
            let user = fields.maybe("user", text_of, A_TEXT)?.map(UserId::new).transpose()?;
            Moderation::Clear { user }
        }
    })
}

/// An object's fields. What is `null` is left out.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(what: &str, text: &str) -> Result<Fields, Error> {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| invalid(format!("{what} must be an object")))?;
        Ok(Fields(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()))
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        self.maybe(name, text_of, A_TEXT)?.ok_or_else(|| self.wrong(name, A_TEXT))
    }

    fn maybe<'a, T>(
        &'a self,
        name: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        right: &str,
    ) -> Result<Option<T>, Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(name, right)),
        }
    }

    fn wrong(&self, name: &str, right: &str) -> Error {
        let shown = self.0.get(name).map_or("not there".to_owned(), Value::to_string);
        let shown: String = shown.chars().take(SHOWN_CHARS).collect();
        invalid(format!("{name} is {shown}; it must be {right}"))
    }
}

fn text_of(value: &Value) -> Option<&str> {
    value.as_str()
}

fn texts_of(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn role_of(value: &Value) -> Option<Role> {
    value.as_str().and_then(Role::from_name)
}

fn invalid(words: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, words)
}

const A_TEXT: &str = "a text";
const A_NUMBER: &str = "a whole number, 0 or more";
const A_ROLE: &str = "owner, moderator, member or guest";
const ACTS: &str = "kick, mute, ban, unban, slow, topic, role or clear";

/// How much of a wrong value is quoted.
const SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_is_read_with_what_may_be_left_out() {
        assert_eq!(admission(r#"{"name": "Ann"}"#).unwrap(), Admission::new("Ann"));
        let whole =
            r#"{"user": "ann-1", "name": "Ann", "role": "owner", "rooms": ["den"], "expiresAtMs": 5}"#;
        let mut right = Admission::user("ann-1", "Ann");
        (right.role, right.rooms, right.expires_at_ms) = (Role::Owner, vec!["den".into()], Some(5));
        assert_eq!(admission(whole).unwrap(), right);
    }

    #[test]
    fn every_act_is_read_with_its_own_fields() {
        let user = UserId::new("ann-1").unwrap();
        for (text, right) in [
            (r#"{"act": "kick", "user": "ann-1"}"#, Moderation::Kick { user: user.clone() }),
            (r#"{"act": "mute", "user": "ann-1"}"#, Moderation::Mute { user: user.clone(), seconds: None }),
            (
                r#"{"act": "ban", "user": "ann-1", "seconds": 5}"#,
                Moderation::Ban { user: user.clone(), seconds: Some(5) },
            ),
            (r#"{"act": "unban", "user": "ann-1"}"#, Moderation::Unban { user: user.clone() }),
            (r#"{"act": "slow", "seconds": 0}"#, Moderation::Slow { seconds: 0 }),
            (r#"{"act": "topic", "topic": "tea"}"#, Moderation::Topic { topic: "tea".into() }),
            (
                r#"{"act": "role", "user": "ann-1", "role": "guest"}"#,
                Moderation::Role { user: user.clone(), role: Role::Guest },
            ),
            (r#"{"act": "clear"}"#, Moderation::Clear { user: None }),
            (r#"{"act": "clear", "user": "ann-1"}"#, Moderation::Clear { user: Some(user.clone()) }),
        ] {
            assert_eq!(moderation(text).unwrap(), right);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            (r#"{"act": "dance"}"#, "act is \"dance\"; it must be kick"),
            (r#"{"act": "kick"}"#, "user is not there; it must be a text"),
            (r#"{"act": "kick", "user": 5}"#, "user is 5; it must be a text"),
            (r#"{"act": "slow", "user": "u"}"#, "takes seconds, not user"),
            (r#"{"act": "slow"}"#, "seconds is not there"),
            (r#"{"act": "mute", "user": "u", "seconds": -1}"#, "seconds is -1; it must be a whole number"),
            (r#"{"act": "role", "user": "u", "role": "king"}"#, "role is \"king\"; it must be owner"),
            (r#"{"act": "role", "user": "u"}"#, "role is not there"),
            ("[]", "must be an object"),
        ] {
            let error = moderation(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(error.message().contains(words), "{}", error.message());
        }
        for (text, words) in [
            ("{}", "name is not there"),
            (r#"{"name": "Ann", "rooms": "den"}"#, "rooms is \"den\"; it must be an array"),
            (r#"{"name": "Ann", "expiresAtMs": 0.5}"#, "expiresAtMs is 0.5"),
        ] {
            assert!(admission(text).unwrap_err().message().contains(words));
        }
    }
}
