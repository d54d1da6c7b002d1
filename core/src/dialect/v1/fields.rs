//! The fields of one object, each of the type that is asked for, or words that say which is not.

use std::borrow::Cow;

use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode};
use crate::id::Position;

/// The fields of an object of a request.
///
/// What nobody asks for is ignored, so that newer clients can say more. `null` counts as absent. A field that is asked
/// for and there twice is an error, because readers differ about which of the two counts.
pub(super) struct Fields<'a> {
    /// What stands before the names of fields in words: nothing, or `since.`.
    inside: &'static str,
    list: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Fields<'a> {
    /// `None`: it is no object.
    pub(super) fn of(json: Json<'a>, inside: &'static str) -> Option<Fields<'a>> {
        Some(Fields { inside, list: json.fields()?.collect() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All fields, for an object whose names are the client's own.
    pub(super) fn into_list(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.list
    }

    /// Any value.
    pub(super) fn any(&self, name: &str) -> Result<Option<Json<'a>>, Error> {
        let mut found = self.list.iter().filter(|(field, _)| field == name).map(|(_, value)| *value);
        let first = found.next();
        if found.next().is_some() {
            return Err(bad_request(format!("{}{name} stands there twice; once is right", self.inside)));
        }
        Ok(first.filter(|value| !value.is_null()))
    }

    /// A text of 1 to `max` bytes.
    pub(super) fn text(&self, name: &str, max: usize) -> Result<Option<Cow<'a, str>>, Error> {
        let Some(value) = self.any(name)? else { return Ok(None) };
        match value.text() {
            Some(text) if (1..=max).contains(&text.len()) => Ok(Some(text)),
            Some(text) => {
                let found = format!("a text of {} bytes", text.len());
                Err(self.wrong(name, &found, &text_of(max)))
            }
            None => Err(self.wrong(name, value.kind(), &text_of(max))),
        }
    }

    pub(super) fn needed_text(&self, name: &str, max: usize) -> Result<Cow<'a, str>, Error> {
        self.text(name, max)?.ok_or_else(|| self.missing(name, &text_of(max)))
    }

    /// A text of whatever length: the limits that are options are looked at by who knows them.
    pub(super) fn any_text(&self, name: &str) -> Result<Cow<'a, str>, Error> {
        let value = self.any(name)?.ok_or_else(|| self.missing(name, "a text"))?;
        value.text().ok_or_else(|| self.wrong(name, value.kind(), "a text"))
    }

    /// A whole number from `min` up to what JavaScript can count.
    pub(super) fn whole(&self, name: &str, min: u64) -> Result<Option<u64>, Error> {
        let Some(value) = self.any(name)? else { return Ok(None) };
        match value.whole() {
            Some(number) if (min..=MAX_WHOLE).contains(&number) => Ok(Some(number)),
            _ if value.kind() == "a number" => {
                let found = value.raw().get(..MAX_QUOTED).unwrap_or(value.raw());
                Err(self.wrong(name, found, &whole_from(min)))
            }
            _ => Err(self.wrong(name, value.kind(), &whole_from(min))),
        }
    }

    pub(super) fn needed_whole(&self, name: &str, min: u64) -> Result<u64, Error> {
        self.whole(name, min)?.ok_or_else(|| self.missing(name, &whole_from(min)))
    }

    pub(super) fn needed_boolean(&self, name: &str) -> Result<bool, Error> {
        let right = "true or false";
        let value = self.any(name)?.ok_or_else(|| self.missing(name, right))?;
        value.boolean().ok_or_else(|| self.wrong(name, value.kind(), right))
    }

    /// One of some words.
    pub(super) fn needed_choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let right = format!("one of {}", words.join(", "));
        let value = self.any(name)?.ok_or_else(|| self.missing(name, &right))?;
        let text = value.text().ok_or_else(|| self.wrong(name, value.kind(), &right))?;
        let choice = choices.iter().find(|(word, _)| *word == text);
        choice.map(|(_, choice)| *choice).ok_or_else(|| self.wrong(name, "another text", &right))
    }

    /// An object `{epoch, offset}`.
    pub(super) fn position(&self, name: &str, inside: &'static str) -> Result<Option<Position>, Error> {
        self.any(name)?.map(|value| position(value, name, inside)).transpose()
    }

    pub(super) fn missing(&self, name: &str, right: &str) -> Error {
        bad_request(format!("{}{name} is missing; {right} is right", self.inside))
    }

    pub(super) fn wrong(&self, name: &str, found: &str, right: &str) -> Error {
        bad_request(format!("{}{name} is {found}; {right} is right", self.inside))
    }
}

/// A position; `inside` stands before its fields in words.
pub(super) fn position(value: Json<'_>, name: &str, inside: &'static str) -> Result<Position, Error> {
    let fields = Fields::of(value, inside).ok_or_else(|| {
        bad_request(format!("{name} is {}; an object {{epoch, offset}} is right", value.kind()))
    })?;
    Ok(Position { epoch: fields.needed_whole("epoch", 0)?, offset: fields.needed_whole("offset", 0)? })
}

pub(super) fn bad_request(words: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadRequest, words)
}

fn text_of(max: usize) -> String {
    format!("a text of 1 to {max} bytes")
}

fn whole_from(min: u64) -> String {
    format!("a whole number from {min} to {MAX_WHOLE}")
}

/// The largest number below which JavaScript counts every one: 2^53 - 1.
const MAX_WHOLE: u64 = (1 << 53) - 1;
/// How much of a wrong number is quoted.
const MAX_QUOTED: usize = 32;
