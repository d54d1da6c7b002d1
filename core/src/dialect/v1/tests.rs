//! The codec, byte for byte against the transcripts, and the page for people against the same.

mod pages;
mod requests;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use super::request::MAX_DEPTH;
use super::*;
use crate::dialect::json::LOOKED_AT;
use crate::error::{Error, ErrorCode};
use crate::push::reply::Refusal;

/// The bounds of the transcripts.
const BOUNDS: Bounds = Bounds { text_bytes: 32, data_bytes: 48 };

/// One document of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    name: String,
    is_sent: bool,
    json: String,
}

fn transcript(file: &str) -> Vec<Line> {
    let path = format!("{}/../tests/transcripts/v1/{file}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<Line> = lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            let (arrow, json) = rest.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            assert!(matches!(arrow, ">" | "<"), "{line:?}");
            Line { name: name.into(), is_sent: arrow == ">", json: json.into() }
        })
        .collect();
    let keys: BTreeSet<_> = lines.iter().map(|line| (&line.name, line.is_sent)).collect();
    assert_eq!(keys.len(), lines.len(), "{file} has a name twice");
    lines
}

/// The documents of a transcript in one direction, by name.
fn documents(file: &str, is_sent: bool) -> BTreeMap<String, String> {
    let lines = transcript(file).into_iter().filter(|line| line.is_sent == is_sent);
    lines.map(|line| (line.name, line.json)).collect()
}

fn refused(id: Option<u64>, error: Error) -> String {
    let mut out = Vec::new();
    refusal(id, &Refusal::from(error), &mut out);
    String::from_utf8(out).unwrap()
}

/// What a wrong text is answered; `None`: nothing.
fn answer(text: &str) -> Option<String> {
    match read(text, BOUNDS) {
        Ok(understood) => panic!("{text} is understood: {understood:?}"),
        Err(Unread::Text(error)) => Some(refused(None, error)),
        Err(Unread::Request { id, error }) => id.map(|id| refused(Some(id), error)),
    }
}

#[test]
fn wrong_texts_are_answered_with_what_would_be_right() {
    let answers = documents("wrong", false);
    let texts = documents("wrong", true);
    assert!(answers.keys().all(|name| texts.contains_key(name)));
    for (name, text) in texts {
        assert_eq!(answer(&text).as_ref(), answers.get(&name), "{name}");
    }
}

#[test]
fn no_text_harms_the_reader_and_none_costs_more_than_its_length() {
    for text in documents("requests", true).into_values() {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(read(&text[..end], BOUNDS).is_err(), "{:?}", &text[..end]);
        }
    }
    let unknown = format!("{{{}\"id\":1,\"do\":\"leave\",\"room\":\"x\"}}", "\"k\":0,".repeat(50_000));
    assert!(read(&unknown, BOUNDS).is_ok());
    let rooms: String = (0..5_000).map(|n| format!("\"{n}\":{{\"epoch\":1,\"offset\":1}},")).collect();
    let hello = format!(
        "{{\"do\":\"hello\",\"resume\":{{\"session\":\"s\",\"rooms\":{{{rooms}\"x\":{{\"epoch\":1,\"offset\":1}}}}}}}}"
    );
    assert!(read(&hello, BOUNDS).is_ok());
}

/// Texts that are as long as `n` says, and cost a reader much that reads anything more than once.
fn long_texts(n: usize) -> Vec<String> {
    let rooms: Vec<String> = (0..n).map(|n| format!("\"r{n}\":{{\"epoch\":1,\"offset\":{n}}}")).collect();
    let data = |data: String| format!("{{\"id\":1,\"do\":\"tell\",\"room\":\"x\",\"data\":{data}}}");
    let nested = format!("{}{}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
    vec![
        format!("{{{}\"id\":1,\"do\":\"leave\",\"room\":\"x\"}}", "\"k\":0,".repeat(n)),
        format!("{{{}\"id\":1,\"do\":\"leave\",\"room\":\"x\"}}", "\"id\":0,".repeat(n)),
        format!("{{\"do\":\"hello\",\"resume\":{{\"session\":\"s\",\"rooms\":{{{}}}}}}}", rooms.join(",")),
        format!("{{\"id\":1,\"do\":\"rename\",\"name\":\"{}\"}}", "\\u0041".repeat(n)),
        format!("{{\"id\":1,\"do\":\"rename\",\"name\":\"{}", "\\".repeat(n)),
        data(format!("[{}0]", "{\"a\":[1]},".repeat(n))),
        data(format!("[{}0]", format!("{nested},").repeat(n / MAX_DEPTH))),
        "[".repeat(n),
        "{\"a\":".repeat(n),
        " ".repeat(n),
        format!("{{\"id\":{}}}", "1".repeat(n)),
    ]
}

#[test]
fn no_byte_is_looked_at_more_often_than_its_depth_in_a_request_asks_for() {
    for text in long_texts(20_000) {
        LOOKED_AT.set(0);
        let _ = read(&text, BOUNDS);
        let (looked_at, bytes) = (LOOKED_AT.get(), text.len());
        // Once when the text is checked, and once for each object of a request in which it stands: a position stands in
        // a room, in rooms, in resume, in the request.
        assert!(looked_at <= 6 * bytes, "{looked_at} of {bytes} bytes: {}", &text[..40]);
    }
}

#[test]
fn what_is_nested_however_deep_is_refused_with_words() {
    for open in ["[", "{\"a\":", "[{\"a\":", " [ "] {
        for text in
            [open.repeat(10_000), format!("{{\"id\":1,\"do\":\"tell\",\"data\":{}", open.repeat(10_000))]
        {
            assert!(answer(&text).unwrap().contains("stand within one another"), "{open}");
        }
    }
}

#[test]
fn a_mangled_text_is_refused_or_understood_and_nothing_else() {
    const PIECES: [&str; 16] = [
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1",
        "-",
        "\\u",
        "\\",
        "\"room\":\"x\",",
        "true",
        "ü",
        " ",
    ];
    let texts: Vec<String> = documents("requests", true).into_values().collect();
    let mut state = 7_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let (mut understood, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let mut text = texts[below(texts.len())].clone();
        for _ in 0..=below(3) {
            let (from, to) = (below(text.len() + 1), below(text.len() + 1));
            let to = if below(2) == 0 { from } else { from.max(to.min(from + 8)) };
            if text.is_char_boundary(from) && text.is_char_boundary(to) {
                text.replace_range(from..to, PIECES[below(PIECES.len())]);
            }
        }
        let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        match read(&text, BOUNDS) {
            Ok(_) => understood += 1,
            Err(Unread::Request { .. }) => refused += 1,
            Err(Unread::Text(_)) => continue,
        }
        assert!(is_json, "{text}");
    }
    assert!(understood > 1_000 && refused > 1_000, "{understood} understood, {refused} refused");
}

#[test]
fn the_words_of_a_refusal_hold_nothing_of_what_was_sent() {
    for text in [
        r#"{"id":1,"do":"s3cr3t"}"#,
        r#"{"id":"s3cr3t","do":"leave"}"#,
        r#"{"id":1,"do":"refresh","token":["s3cr3t"]}"#,
        r#"{"id":1,"do":"send","room":"s3cr3t","mid":7,"text":"s3cr3t"}"#,
        r#"{"id":1,"do":"typing","room":"lobby","state":"s3cr3t"}"#,
        "s3cr3t",
    ] {
        let words = answer(text).unwrap();
        assert!(!words.contains("s3cr3t"), "{words}");
    }
    assert!(
        answer(&format!("{{\"id\":1,\"do\":\"read\",\"room\":\"x\",\"offset\":{}}}", "9".repeat(200)))
            .unwrap()
            .len()
            < 200
    );
}

#[test]
fn every_code_of_the_wire_stands_in_the_one_table() {
    let mut seen = 0;
    for file in ["requests", "refusals", "wrong"] {
        for json in documents(file, false).into_values() {
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            if let Some(error) = value.get("error") {
                let code = ErrorCode::from_number(error["code"].as_u64().unwrap().try_into().unwrap());
                assert_eq!(code.map(ErrorCode::name), error["name"].as_str(), "{json}");
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "only {seen} refusals");
}
