//! JSON text, written without building a tree first.

use std::fmt::Display;
use std::io::Write;

/// An object that is being written.
pub(crate) struct Object<'out> {
    out: &'out mut Vec<u8>,
    separator: &'static [u8],
}

impl<'out> Object<'out> {
    /// Begins one at the end of `out`.
    pub(crate) fn new(out: &'out mut Vec<u8>) -> Object<'out> {
        Object { out, separator: b"{" }
    }

    /// Adds a field whose value `write` writes. Names are written as they are: they need no escapes.
    pub(crate) fn field(mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.out.extend_from_slice(self.separator);
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(self.out);
        self.separator = b",";
        self
    }

    /// Adds a text.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.field(name, |out| text(out, value))
    }

    /// Adds a number below 2^53.
    pub(crate) fn number(self, name: &str, value: u64) -> Self {
        self.field(name, |out| number(out, value))
    }

    /// Adds a text, or `null`.
    pub(crate) fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        self.field(name, |out| match value {
            Some(value) => text(out, value),
            None => out.extend_from_slice(b"null"),
        })
    }

    /// Adds a number below 2^53, or `null`.
    pub(crate) fn maybe_number(self, name: &str, value: Option<u64>) -> Self {
        self.field(name, |out| match value {
            Some(value) => number(out, value),
            None => out.extend_from_slice(b"null"),
        })
    }

    /// Ends it; one without fields is `{}`.
    pub(crate) fn end(self) {
        if self.separator == b"{" {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

/// Writes a text with its quotes and escapes.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(out, value).expect("a text always has a JSON form, and a Vec takes every write");
}

/// Writes a number below 2^53, beyond which JavaScript would round it.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    display(out, value);
}

/// Writes something whose text needs no escapes, with its quotes.
pub(crate) fn plain(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    display(out, value);
    out.push(b'"');
}

/// Writes an array at the end of `out`, whose elements `write` writes.
pub(crate) fn array_into<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes an array as a text of its own.
pub(crate) fn array<T>(items: &[T], write: impl FnMut(&mut Vec<u8>, &T)) -> String {
    let mut out = Vec::new();
    array_into(&mut out, items, write);
    finish(out)
}

/// The text that was written.
pub(crate) fn finish(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("only text was written")
}

/// Writes bytes in base64 (RFC 4648 §4), with its quotes.
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4 + 2);
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let sextet = (group >> (18 - 6 * index)) & 63;
            out.push(if index <= chunk.len() { ALPHABET[sextet as usize] } else { b'=' });
        }
    }
    out.push(b'"');
}

/// Writes something whose text is JSON as it is: a number, `true`.
pub(crate) fn display(out: &mut Vec<u8>, value: impl Display) {
    write!(out, "{value}").expect("a Vec takes every write");
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        finish(out)
    }

    #[test]
    fn an_object_is_what_a_json_reader_reads() {
        let text = written(|out| {
            Object::new(out)
                .text("text", "<b>\"\\\n\u{1}\u{2028}가")
                .number("number", 9_007_199_254_740_991)
                .maybe_text("none", None)
                .maybe_number("some", Some(0))
                .field("list", |out| array_into(out, &["a", "b"], |out, item| text(out, item)))
                .field("empty", |out| Object::new(out).end())
                .end();
        });
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let right = serde_json::json!({
            "text": "<b>\"\\\n\u{1}\u{2028}가", "number": 9_007_199_254_740_991_u64, "none": null, "some": 0,
            "list": ["a", "b"], "empty": {}
        });
        assert_eq!(read, right);
    }

    /// Source: RFC 4648 §10.
    #[test]
    fn bytes_are_written_in_base64() {
        for (bytes, right) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(written(|out| base64(out, bytes.as_bytes())), format!("\"{right}\""));
        }
        assert_eq!(written(|out| base64(out, &[0xFB, 0xFF, 0xFE])), "\"+//+\"");
    }
}
