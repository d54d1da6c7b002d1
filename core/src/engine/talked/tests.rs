//! The corpus, and documents at random: right ones, wrong ones, and right ones that were broken.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[test]
fn the_corpus_of_conversations_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/talk");
    let mut files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "only {} files", files.len());
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        talk(&bytes);
        // Its neighbours: whatever line is left out, and whoever is asked.
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        for left_out in 1..lines.len() {
            let others = lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line);
            talk(&others.collect::<Vec<_>>().join(&b'\n'));
        }
        for asks in 0..16 {
            talk(&[&[asks], bytes.get(1..).unwrap_or_default()].concat());
        }
    }
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> BoxedStrategy<T> {
    prop::sample::select(all.to_vec()).boxed()
}

fn room() -> BoxedStrategy<&'static str> {
    let others = one_of(&["den", "__proto__", "a", "b", "c", "dm:x", "", " ", "x\\u0000"]);
    prop_oneof![4 => Just("lobby"), 1 => others].boxed()
}

fn user() -> BoxedStrategy<String> {
    prop_oneof![
        (0..9_u64).prop_map(|n| format!("u{n}")),
        one_of(&["host", "user-0", "user-1", "no id", ""]).prop_map(str::to_owned)
    ]
    .boxed()
}

fn offset() -> BoxedStrategy<u64> {
    prop_oneof![0..12_u64, one_of(&[65_536, 65_540, 1 << 53, u64::MAX])].boxed()
}

fn position() -> BoxedStrategy<String> {
    (prop_oneof![Just(1_700_000_000_000_u64), 1_700_000_000_000..1_700_000_000_009_u64], offset())
        .prop_map(|(epoch, offset)| format!("{{\"epoch\":{epoch},\"offset\":{offset}}}"))
        .boxed()
}

fn mid() -> BoxedStrategy<&'static str> {
    one_of(&["1", "2", "3", "4", "5", "6", "7", "8"])
}

fn text() -> BoxedStrategy<&'static str> {
    one_of(&["hi", "ho", "", " ", "\\u00e9\\ud83d\\ude00", "\\u0000", "<b>", "x x x"])
}

fn data() -> BoxedStrategy<&'static str> {
    one_of(&["1", "null", "{\"a\":[1,2.5e3]}", "\"x\"", "[[[[]]]]", "-0"])
}

/// One request of every kind, its `id` left out.
fn request() -> BoxedStrategy<String> {
    let act = prop_oneof![
        one_of(&["kick", "mute", "ban", "unban", "clear"]).prop_map(str::to_owned),
        Just("slow\",\"value\":1,\"x\":\"".to_owned()),
        Just("topic\",\"value\":\"t".to_owned()),
        one_of(&["owner", "moderator", "member", "guest"])
            .prop_map(|role| format!("role\",\"value\":\"{role}")),
    ];
    let resumed = (0..4_u64, vec((room(), position()), 0..4)).prop_map(|(session, rooms)| {
        let rooms: Vec<String> = rooms.iter().map(|(room, seen)| format!("\"{room}\":{seen}")).collect();
        let rooms = rooms.join(",");
        format!("\"do\":\"hello\",\"resume\":{{\"session\":\"{session:032x}\",\"rooms\":{{{rooms}}}}}")
    });
    let way = prop_oneof![
        Just(String::new()),
        (one_of(&["after", "before", "around"]), offset()).prop_map(|(way, at)| format!(",\"{way}\":{at}"))
    ];
    prop_oneof![
        one_of(&["Ann", "ann", "Bob", "", "admin"]).prop_map(|name| format!("\"do\":\"hello\",\"name\":\"{name}\"")),
        Just("\"do\":\"hello\"".to_owned()),
        resumed,
        Just("\"do\":\"refresh\",\"token\":\"t\"".to_owned()),
        room().prop_map(|room| format!("\"do\":\"join\",\"room\":\"{room}\"")),
        (room(), position())
            .prop_map(|(room, since)| format!("\"do\":\"join\",\"room\":\"{room}\",\"since\":{since}")),
        room().prop_map(|room| format!("\"do\":\"leave\",\"room\":\"{room}\"")),
        (0..4_u64, offset()).prop_map(|(limit, at)| format!("\"do\":\"rooms\",\"limit\":{limit},\"cursor\":\"{at}\"")),
        (room(), mid(), text(), data()).prop_map(|(room, mid, text, data)| {
            format!("\"do\":\"send\",\"room\":\"{room}\",\"mid\":\"{mid}\",\"text\":\"{text}\",\"data\":{data}")
        }),
        (user(), mid(), text())
            .prop_map(|(to, mid, text)| format!("\"do\":\"send\",\"to\":\"{to}\",\"mid\":\"{mid}\",\"text\":\"{text}\"")),
        (room(), offset(), mid(), text()).prop_map(|(room, of, mid, text)| {
            format!("\"do\":\"edit\",\"room\":\"{room}\",\"offset\":{of},\"mid\":\"{mid}\",\"text\":\"{text}\"")
        }),
        (room(), offset(), mid()).prop_map(|(room, of, mid)| {
            format!("\"do\":\"delete\",\"room\":\"{room}\",\"offset\":{of},\"mid\":\"{mid}\"")
        }),
        (room(), offset(), mid(), any::<bool>()).prop_map(|(room, of, mid, add)| {
            format!("\"do\":\"react\",\"room\":\"{room}\",\"offset\":{of},\"mid\":\"{mid}\",\"emoji\":\"👍\",\"add\":{add}")
        }),
        (room(), way).prop_map(|(room, way)| format!("\"do\":\"history\",\"room\":\"{room}\"{way}")),
        Just("\"do\":\"search\",\"query\":\"x\"".to_owned()),
        (room(), offset())
            .prop_map(|(room, at)| format!("\"do\":\"members\",\"room\":\"{room}\",\"limit\":2,\"cursor\":\"{at}\"")),
        (room(), offset()).prop_map(|(room, at)| format!("\"do\":\"read\",\"room\":\"{room}\",\"offset\":{at}")),
        room().prop_map(|room| format!("\"do\":\"typing\",\"room\":\"{room}\",\"state\":\"active\"")),
        (room(), data()).prop_map(|(room, data)| format!("\"do\":\"tell\",\"room\":\"{room}\",\"data\":{data}")),
        (user(), data()).prop_map(|(to, data)| format!("\"do\":\"tell\",\"to\":\"{to}\",\"data\":{data}")),
        one_of(&["Zoe", "Ann", "", "a\\u202eb"]).prop_map(|name| format!("\"do\":\"rename\",\"name\":\"{name}\"")),
        (room(), act, user()).prop_map(|(room, act, user)| {
            format!("\"do\":\"moderate\",\"room\":\"{room}\",\"user\":\"{user}\",\"act\":\"{act}\"")
        }),
        (user(), any::<bool>()).prop_map(|(user, on)| format!("\"do\":\"block\",\"user\":\"{user}\",\"on\":{on}")),
        data().prop_map(|data| format!("\"do\":\"call\",\"method\":\"m\",\"data\":{data}")),
        Just("\"do\":\"dance\"".to_owned()),
    ]
    .boxed()
}

/// What spoils a document, wherever it is put.
const SPOILED: [&str; 17] = [
    "\"id\":1,",
    "1e400",
    "\\ud83d",
    "\u{0}",
    "\\u0000",
    "}",
    "{",
    "]",
    "[",
    "\"",
    "\\",
    "null",
    "true",
    ",",
    ":",
    "-1",
    "9007199254740992",
];

fn document() -> BoxedStrategy<String> {
    let whole = (1..100_u64, request()).prop_map(|(id, request)| format!("{{\"id\":{id},{request}}}"));
    let blind = request().prop_map(|request| format!("{{{request}}}"));
    let spoiled = (whole.clone(), any::<prop::sample::Index>(), one_of(&SPOILED), 0..8_usize).prop_map(
        |(mut text, at, spoiled, gone)| {
            let mut at = at.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + gone).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, spoiled);
            text
        },
    );
    let deep = one_of(&["[", "{\"a\":", "[{\"a\":"]).prop_map(|open| open.repeat(10_000));
    let garbage = ".{0,40}";
    prop_oneof![20 => whole, 2 => blind, 6 => spoiled, 1 => deep, 1 => garbage, 1 => Just("{}".to_owned())]
        .boxed()
}

fn line() -> BoxedStrategy<String> {
    let said = (0..4_u8, document()).prop_map(|(who, text)| format!("{who}{}", text.replace('\n', " ")));
    let done = ("[ctynwaulbkmxojph]", 0..20_u64).prop_map(|(what, number)| format!("!{what}{number}"));
    let later = one_of(&["!t15000", "!t10000", "!t1000", "!t86400000"]).prop_map(str::to_owned);
    prop_oneof![12 => said, 3 => done, 1 => later].boxed()
}

#[test]
fn every_request_of_a_random_conversation_is_answered_once_and_nothing_panics() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let count = std::cell::Cell::new((0, 0));
    let result = runner.run(&(prop_oneof![Just(0), 0..16_u8], vec(line(), 1..200)), |(asks, lines)| {
        let (done, refused) = talk(&[&[asks], lines.join("\n").as_bytes()].concat());
        count.set((count.get().0 + done, count.get().1 + refused));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (done, refused) = count.get();
    assert!(done > 1_000 && refused > 1_000, "{done} were done, {refused} refused");
}
