//! What a name looks like.
//!
//! In: names. Out: skeletons; who holds one. Two names that people may take for one another share a skeleton's key.
//!
//! Source: UTS 39, 4.

use std::collections::HashMap;

use unicode_security::skeleton;

/// What a name looks like, whatever letters it was written with, in both orders of folding.
///
/// Whether case is folded before or after the look-alikes matters: "ADMIN" and "admin" are one only if it comes
/// first, because a capital I looks like a small l; "pauI" and "paul" only if it comes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skeleton([Box<str>; 2]);

impl Skeleton {
    pub(crate) fn of(name: &str) -> Skeleton {
        // The last step again, because folding makes small letters of capitals, which look like others.
        let last = alike(&folded(&alike(name)));
        Skeleton([alike(&folded(name)).into(), last.into()])
    }

    pub(super) fn keys(&self) -> &[Box<str>; 2] {
        &self.0
    }

    pub(super) fn into_keys(self) -> [Box<str>; 2] {
        self.0
    }
}

/// Who holds which look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks<T>(HashMap<Box<str>, T>);

impl<T: Clone> Looks<T> {
    /// Whoever holds a name that looks like this one.
    pub(crate) fn holder(&self, skeleton: &Skeleton) -> Option<&T> {
        skeleton.0.iter().find_map(|key| self.0.get(key))
    }

    /// Gives the look to somebody, whoever held it.
    pub(crate) fn give(&mut self, skeleton: Skeleton, holder: T) {
        self.0.extend(skeleton.0.map(|key| (key, holder.clone())));
    }
}

/// Whether it shows nothing but blanks, like a braille cell without dots.
pub(super) fn is_blank(text: &str) -> bool {
    skeleton(text).all(char::is_whitespace)
}

/// The text with each character replaced by the one it looks like.
fn alike(text: &str) -> String {
    plain_alike(text).unwrap_or_else(|| any_alike(text))
}

/// As [`any_alike`], for ASCII without the one character that looks like others only: without asking the tables.
pub(super) fn plain_alike(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("''"),
            b'0' => out.push('O'),
            b'1' | b'I' | b'|' => out.push('l'),
            b'`' => out.push('\''),
            b'm' => out.push_str("rn"),
            b'%' => return None,
            b' ' | b'!'..=b'~' => out.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(out)
}

pub(super) fn any_alike(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in skeleton(text) {
        // These have a dot already: a second one is not seen.
        if !(char == DOT_ABOVE && out.ends_with(['i', 'j'])) {
            out.push(char);
        }
    }
    out
}

/// The text without case: by way of the capitals, so that ß and SS, σ and ς become one.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

const DOT_ABOVE: char = '\u{307}';
