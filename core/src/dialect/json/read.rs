//! A text is checked once, as a whole; then its values are taken out of it as slices.

use std::borrow::Cow;

/// One value, as it stands in a text that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Checks a text that holds one value and nothing else, `max_depth` objects and arrays within one another at most.
    ///
    /// # Errors
    /// Words: what is wrong, and at which byte.
    pub(crate) fn parse(text: &'a str, max_depth: usize) -> Result<Json<'a>, String> {
        #[cfg(test)]
        count(text.len());
        let mut checker = Checker { bytes: text.as_bytes(), at: 0 };
        let checked = checker.value(max_depth).and_then(|()| match checker.peek() {
            None => Ok(()),
            Some(_) => Err("the end is expected"),
        });
        match checked {
            Ok(()) => Ok(Json(text.trim_matches(is_blank))),
            Err(why) => Err(format!("the text cannot be read: at byte {} {why}", checker.at)),
        }
    }

    /// The value as it was written.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A whole number, not below zero, written in plain digits.
    pub(crate) fn whole(self) -> Option<u64> {
        match self.0.bytes().all(|byte| byte.is_ascii_digit()) {
            true => self.0.parse().ok(),
            false => None,
        }
    }

    /// A text, without its escapes.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        match inside.contains('\\') {
            false => Some(Cow::Borrowed(inside)),
            true => Some(Cow::Owned(unescaped(inside))),
        }
    }

    /// The fields of an object, in their order, with all that are there twice.
    pub(crate) fn fields(self) -> Option<Fields<'a>> {
        Some(Fields(self.0.strip_prefix('{')?))
    }

    /// The items of a list, in their order.
    pub(crate) fn items(self) -> Option<Items<'a>> {
        Some(Items(self.0.strip_prefix('[')?))
    }

    /// What kind of value it is, in words.
    pub(crate) fn kind(self) -> &'static str {
        match self.0.as_bytes().first() {
            Some(b'"') => "a text",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b'n') => "null",
            Some(b't') => "true",
            _ => "false",
        }
    }
}

/// What is left of an object's inside.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = (Cow<'a, str>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(|char| char == ',' || is_blank(char));
        let (name, rest) = split(rest)?;
        let rest = rest.trim_start_matches(|char| char == ':' || is_blank(char));
        let (value, rest) = split(rest)?;
        self.0 = rest;
        Some((name.text()?, value))
    }
}

/// What is left of a list's inside.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a>(&'a str);

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(|char| char == ',' || is_blank(char));
        let (value, rest) = split(rest)?;
        self.0 = rest;
        Some(value)
    }
}

/// The value at the front of a checked text, and what follows it.
fn split(text: &str) -> Option<(Json<'_>, &str)> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        at += match text.as_bytes().get(at)? {
            b'"' => string_length(&text[at..])?,
            b'{' | b'[' => {
                depth += 1;
                1
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                1
            }
            _ if depth > 0 => 1,
            _ => text[at..].find(|char| matches!(char, ',' | ':' | '}' | ']') || is_blank(char))?,
        };
        if depth == 0 {
            #[cfg(test)]
            count(at);
            return Some((Json(&text[..at]), &text[at..]));
        }
    }
}

/// The length of the string at the front of a checked text, with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The inside of a checked string without its escapes.
fn unescaped(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let mut used = 1;
        out.push(match escape.as_bytes().first() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = unit(&escape.as_bytes()[1..]).unwrap_or(0);
                used = 5;
                let low = match escape.as_bytes().get(5..) {
                    Some([b'\\', b'u', digits @ ..]) if is_high(high) => {
                        used = 11;
                        unit(digits)
                    }
                    _ => None,
                };
                let units = [Some(high), low];
                char::decode_utf16(units.into_iter().flatten())
                    .next()
                    .and_then(Result::ok)
                    .unwrap_or('\u{FFFD}')
            }
            // The quote, the backslash and the slash stand for themselves.
            Some(&byte) => char::from(byte),
            None => break,
        });
        rest = &escape[used..];
    }
    out.push_str(rest);
    out
}

/// The four hexadecimal digits at the front.
fn unit(bytes: &[u8]) -> Option<u16> {
    bytes.get(..4)?.iter().try_fold(0, |unit, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

fn is_high(unit: u16) -> bool {
    matches!(unit, 0xD800..=0xDBFF)
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}

/// Goes through a text once, and no deeper than it may.
struct Checker<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Checked = Result<(), &'static str>;

impl Checker<'_> {
    fn value(&mut self, depth: usize) -> Checked {
        match self.peek() {
            Some(b'{' | b'[') if depth == 0 => {
                Err("more objects and lists stand within one another than may")
            }
            Some(b'{') => self.list(b'}', |checker| {
                checker.peek();
                checker.string()?;
                match checker.peek() {
                    Some(b':') => checker.at += 1,
                    _ => return Err("a colon is expected"),
                }
                checker.value(depth - 1)
            }),
            Some(b'[') => self.list(b']', |checker| checker.value(depth - 1)),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err("a value is expected"),
        }
    }

    /// Blanks are passed over; gives the byte behind them.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn list(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Checked) -> Checked {
        self.at += 1;
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err("a comma or the end of the object or list is expected"),
            }
        }
    }

    fn string(&mut self) -> Checked {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err("a text in double quotes is expected");
        }
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None => return Err("the text in double quotes does not end"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(0..=0x1F) => return Err("a control character stands in a text; it must be escaped"),
                Some(b'\\') => self.escape()?,
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Checked {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let high = unit(&self.bytes[self.at + 2..]).ok_or("four hexadecimal digits are expected")?;
                let pair = match self.bytes.get(self.at + 6..) {
                    Some([b'\\', b'u', digits @ ..]) if is_high(high) => unit(digits),
                    _ => None,
                };
                self.at += match (high, pair) {
                    (0xD800..=0xDBFF, Some(0xDC00..=0xDFFF)) => 12,
                    (0xD800..=0xDFFF, _) => return Err("half of a surrogate pair stands alone"),
                    _ => 6,
                };
            }
            _ => return Err("there is no such escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Checked {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = str::from_utf8(&self.bytes[start..self.at]).ok();
        match number.and_then(|number| number.parse().ok()).is_some_and(f64::is_finite) {
            true => Ok(()),
            false => {
                self.at = start;
                Err("a number is too large for a double")
            }
        }
    }

    fn digits(&mut self) -> Checked {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err("a digit is expected") }
    }

    fn word(&mut self, word: &[u8]) -> Checked {
        match self.bytes[self.at..].starts_with(word) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err("a value is expected"),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How many bytes were looked at.
    pub(in crate::dialect) static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
fn count(bytes: usize) {
    LOOKED_AT.set(LOOKED_AT.get() + bytes);
}
