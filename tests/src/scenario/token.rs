//! A line to its pieces: words, quoted texts, JSON, commas.

/// A piece of a line. Names may stand in quotes, so most places take both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    /// An object or a list, as it stands there.
    Json(String),
    Comma,
}

use Token::{Comma, Json, Quoted, Word};

impl Token {
    /// The word, for matching keywords; quotes make no keyword.
    pub(super) fn key(&self) -> &str {
        match self {
            Word(word) => word,
            Quoted(_) => "\"",
            Json(_) => "{",
            Comma => ",",
        }
    }
}

pub(super) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let taken = if rest.starts_with('"') {
            let (text, length) = quoted(rest)?;
            tokens.push(Quoted(text));
            length
        } else if rest.starts_with(['{', '[']) {
            let length = json_length(rest)?;
            tokens.push(Json(rest[..length].to_owned()));
            length
        } else if rest.starts_with(',') {
            tokens.push(Comma);
            1
        } else {
            let length = rest.find([' ', '\t', ',']).unwrap_or(rest.len());
            tokens.push(Word(rest[..length].to_owned()));
            length
        };
        rest = rest[taken..].trim_start();
    }
    repeat(tokens)
}

/// Reads a quoted text from the front of `rest`; gives it and how many bytes it took.
fn quoted(rest: &str) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((text, at + 1)),
            '\\' => text.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, same @ ('"' | '\\'))) => same,
                _ => return Err("after \\ comes one of n t \" \\".into()),
            }),
            other => text.push(other),
        }
    }
    Err("a quote is not closed".into())
}

/// How long the object or list is with which `rest` begins.
fn json_length(rest: &str) -> Result<usize, String> {
    let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
    }
    Err("an object or a list is not closed".into())
}

/// Turns `"x" times 3` into `"xxx"`.
fn repeat(tokens: Vec<Token>) -> Result<Vec<Token>, String> {
    let mut out: Vec<Token> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (token, out.last_mut()) {
            (Word(times), Some(Quoted(text))) if times == "times" => {
                let count = tokens.next().ok_or("how many times?")?;
                *text = text.repeat(number(&count)?);
            }
            (token, _) => out.push(token),
        }
    }
    Ok(out)
}

pub(super) fn text(token: &Token) -> Result<String, String> {
    match token {
        Word(text) | Quoted(text) => Ok(text.clone()),
        Json(_) => Err("an object or a list stands where a word is wanted".into()),
        Comma => Err("a comma stands where a word is wanted".into()),
    }
}

pub(super) fn json(token: &Token) -> Result<String, String> {
    match token {
        Json(text) => Ok(text.clone()),
        _ => Err(format!("{:?} is no object and no list", token.key())),
    }
}

pub(super) fn number<T: std::str::FromStr>(token: &Token) -> Result<T, String> {
    token.key().parse().map_err(|_| format!("{:?} is no number that fits", token.key()))
}

/// Reads bytes written as pairs of hexadecimal digits.
///
/// # Errors
/// Words: what is no such pair.
pub fn from_hex(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    pairs
        .map(|pair| match pair.len() {
            2 => u8::from_str_radix(pair, 16).map_err(|_| format!("{pair:?} is no byte in hexadecimal")),
            _ => Err(format!("{hex:?} has half a byte")),
        })
        .collect()
}
