//! The reader agrees with `serde_json` about every text, but for what it refuses on purpose.

use serde_json::Value;

use super::*;

const DEPTH: usize = 8;

/// Builds a tree by way of the reader, to be compared.
fn tree(json: Json<'_>) -> Value {
    if let Some(fields) = json.fields() {
        return fields.map(|(name, value)| (name.into_owned(), tree(value))).collect();
    }
    if let Some(text) = json.text() {
        return Value::String(text.into_owned());
    }
    serde_json::from_str(json.raw()).unwrap()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn compare(text: &str) -> bool {
    let ours = Json::parse(text, DEPTH);
    match (ours, serde_json::from_str::<Value>(text)) {
        (Ok(json), Ok(value)) => {
            assert_eq!(tree(json), value, "{text:?}");
            true
        }
        (Ok(_), Err(error)) => panic!("{text:?} is refused by serde_json: {error}"),
        (Err(words), Ok(value)) => {
            assert!(depth(&value) > DEPTH, "{text:?}: {words}");
            false
        }
        (Err(_), Err(_)) => false,
    }
}

#[test]
fn what_is_json_is_read_as_it_was_meant() {
    for text in [
        "{}",
        " { } ",
        "[]",
        "null",
        "true",
        "-0",
        "1.5e-3",
        "\"\"",
        "{\"a\":1,\"b\":[1,{\"c\":\"}\"}],\"a\":2}",
        "{\"\\u0061\\\"\\\\\\/\\b\\f\\n\\r\\t\" : \"\\ud83d\\ude00\\u00e9 \\u0000\"}",
        "{\"k\":\"a\\\\\",\"l\":\"\\\"}\"}",
        "[[[[[[[[1]]]]]]]]",
        "\t{\n\"a\" :\r[ ] , \"b\":\"ü😀\"}",
    ] {
        assert!(compare(text), "{text:?}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_a_place() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "[1,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "nul",
        "nulll",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "-",
        "0x1",
        "1e400",
        "-1e999",
        "NaN",
        "Infinity",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\n\"",
        "\"\0\"",
        "\u{feff}{}",
        "{} {}",
        "{}x",
        "[[[[[[[[[1]]]]]]]]]",
        "// c\n{}",
        "\u{a0}{}",
    ] {
        let words = Json::parse(text, DEPTH).unwrap_err();
        assert!(words.contains("at byte"), "{text:?}: {words}");
        compare(text);
    }
}

#[test]
fn any_text_is_read_as_serde_json_reads_it() {
    const PIECES: [&str; 40] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"a\"",
        "\"b\":",
        "\"\":",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\n",
        "00e9",
        "d800",
        "1",
        "0",
        "-",
        ".",
        "e",
        "E+",
        "9",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "ü",
        "😀",
        "/",
        "\t",
        "x",
        "{}",
        "[]",
        "\"c\":1,",
        "[1,2]",
        "1e308",
        "99999999999999999999",
    ];
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let mut read = 0;
    for _ in 0..200_000 {
        let inside: String = (0..below(9)).map(|_| PIECES[below(PIECES.len())]).collect();
        let text = match below(4) {
            0 => inside,
            1 => format!("{{\"a\":{inside}}}"),
            2 => format!("[{inside}]"),
            _ => format!("\"{inside}\""),
        };
        read += usize::from(compare(&text));
    }
    assert!(read > 10_000, "only {read} were JSON");
}

#[test]
fn time_is_linear_and_depth_costs_no_stack() {
    let deep = "[".repeat(1_000_000);
    assert!(Json::parse(&deep, 32).unwrap_err().contains("at byte 32"));
    let wide = format!("{{{}\"z\":1}}", "\"a\":1,".repeat(100_000));
    let json = Json::parse(&wide, 32).unwrap();
    assert_eq!(json.fields().unwrap().count(), 100_001);
}

#[test]
fn every_character_is_written_so_that_it_is_read_again() {
    let all: String =
        (0..0x300u32).chain(0x2020..0x2030).chain([0x1F600]).filter_map(char::from_u32).collect();
    let mut out = Vec::new();
    text(&all, &mut out);
    let json = String::from_utf8(out).unwrap();
    assert_eq!(Json::parse(&json, 1).unwrap().text().unwrap(), all);
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), all);
    for number in [0, 7, 10, u64::MAX] {
        let mut out = Vec::new();
        decimal(number, &mut out);
        assert_eq!(out, number.to_string().as_bytes());
    }
}
