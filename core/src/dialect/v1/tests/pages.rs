//! The page for people who write a client.

use super::*;

fn page() -> String {
    let path = format!("{}/docs/protocol-v1.md", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_document_of_the_page_stands_in_a_transcript() {
    let files = ["requests", "events", "refusals", "wrong"];
    let known: BTreeSet<(bool, String)> =
        files.iter().flat_map(|file| transcript(file)).map(|line| (line.is_sent, line.json)).collect();
    let page = page();
    let mut shown = 0;
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let document = line.strip_prefix("> ").map(|json| (true, json));
        match document.or_else(|| line.strip_prefix("< ").map(|json| (false, json))) {
            Some((is_sent, json)) if is_code => {
                assert!(known.contains(&(is_sent, json.to_owned())), "in no transcript: {line}");
                shown += 1;
            }
            _ => assert!(!is_code || !line.contains('{'), "a document without a direction: {line}"),
        }
    }
    assert!(shown > 30, "only {shown} documents");
}

#[test]
fn every_request_event_and_reply_field_has_its_words_on_the_page() {
    let page = page();
    let mut words = BTreeSet::new();
    for file in ["requests", "events", "refusals"] {
        for line in transcript(file).into_iter().filter(|line| line.name != "tolerant") {
            let value: serde_json::Value = serde_json::from_str(&line.json).unwrap();
            for key in ["do", "on", "act"] {
                words.extend(value[key].as_str().map(str::to_owned));
            }
            let inside = [&value, &value["ok"], &value["error"], &value["message"]];
            words.extend(
                inside
                    .into_iter()
                    .filter_map(|value| value.as_object())
                    .flat_map(|object| object.keys().cloned()),
            );
        }
    }
    // What the host's handler answers, and limits by their own names.
    words.remove("degrees");
    let missing: Vec<_> = words.iter().filter(|word| !page.contains(&format!("`{word}"))).collect();
    assert!(missing.is_empty(), "the page says nothing of {missing:?}");
}

#[test]
fn every_code_that_a_client_can_get_has_its_words_on_the_page() {
    let page = page();
    for code in ErrorCode::ALL
        .iter()
        .filter(|code| matches!(code.number(), 104..=107 | 120..=121 | 201..=299 | 400..=499))
    {
        let row = format!("| {} | `{}` |", code.number(), code.name());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn every_close_code_has_its_words_on_the_page() {
    use crate::close::Cause;
    use crate::event::Dialect;
    let page = page();
    for cause in Cause::ALL {
        let code = cause.code(Dialect::V1);
        assert!(
            page.contains(&format!("\n| {code} | ")) || code == 1009 && page.contains("1009"),
            "{cause:?}"
        );
    }
}
