//! Messages and what changes them: each once, each by whom it may be.

use super::*;

fn send(mid: &str, text: &str) -> Value {
    json!({ "do": "send", "room": "lobby", "mid": mid, "text": text })
}

fn change(what: &str, offset: &Value, mid: &str) -> Value {
    json!({ "do": what, "room": "lobby", "offset": offset, "mid": mid })
}

fn with(mut request: Value, name: &str, value: impl Into<Value>) -> Value {
    request[name] = value.into();
    request
}

#[test]
fn what_is_sent_again_is_there_once_and_answered_with_its_first_place() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let first = talk.ok("Ann", send("a", "hi"));
    assert_eq!(first["duplicate"], false);
    talk.turn(1_000);
    talk.say("Bob", "lobby", "between");
    let again = talk.ok("Ann", send("a", "hi"));
    assert_eq!(again["duplicate"], true);
    assert_eq!((place(&again), &again["at"]), (place(&first), &first["at"]));
    assert_eq!(talk.texts("Bob"), ["hi", "between"]);
    for (what, field, value) in [("edit", "text", json!("ho")), ("react", "emoji", json!("👍"))] {
        let mut request = with(change(what, &first["offset"], what), field, value);
        request["add"] = true.into();
        let one = talk.ok("Ann", request.clone());
        let two = talk.ok("Ann", request);
        assert_eq!((&one["duplicate"], &two["duplicate"]), (&json!(false), &json!(true)));
        assert_eq!(place(&one), place(&two), "{what}");
    }
    let delete = change("delete", &first["offset"], "d");
    let one = talk.ok("Ann", delete.clone());
    assert_eq!(place(&talk.ok("Ann", delete)), place(&one));
    assert_eq!(talk.kinds("Bob"), ["edit", "react", "delete"]);
}

#[test]
fn something_else_under_the_same_mid_is_a_conflict() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    let first = talk.ok("Ann", send("a", "hi"));
    let conflicts = [
        send("a", "ho"),
        with(send("a", "hi"), "data", 1),
        with(send("a", "hi"), "reply_to", first["offset"].clone()),
        with(change("edit", &first["offset"], "a"), "text", "hi"),
        change("delete", &first["offset"], "a"),
        with(with(change("react", &first["offset"], "a"), "emoji", "👍"), "add", true),
    ];
    let top = talk.top("lobby");
    for request in conflicts {
        assert_eq!(talk.no("Ann", request), "mid_conflict");
    }
    assert_eq!(talk.top("lobby"), top);
}

#[test]
fn the_same_mid_of_another_user_or_in_another_room_is_another() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.join("Ann", "den");
    let one = talk.ok("Ann", send("a", "hi"));
    let two = talk.ok("Bob", send("a", "hi"));
    let three = talk.ok("Ann", with(send("a", "hi"), "room", "den"));
    assert_ne!(place(&one), place(&two));
    assert!([one, two, three].iter().all(|sent| sent["duplicate"] == false));
}

#[test]
fn the_engine_knows_a_mid_for_its_time_and_also_for_who_has_come_back() {
    let mut talk = Talk::with(|settings| settings.dedupe_ms = 10_000);
    talk.come_to("lobby", &["Ann"]);
    let first = talk.ok("Ann", send("a", "hi"));
    let session = talk.session("Ann");
    talk.cut("Ann");
    talk.turn(9_999);
    let seen = talk.top("lobby");
    talk.resume("again", &session, json!({ "lobby": seen }));
    let again = talk.ok("again", send("a", "hi"));
    assert_eq!((&again["duplicate"], place(&again)), (&json!(true), place(&first)));
    talk.turn(1);
    assert_eq!(talk.ok("again", send("a", "hi"))["duplicate"], false);
}

#[test]
fn only_who_said_it_edits_it_and_the_message_shows_it() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.set_role("lobby", "Bob", Role::Owner);
    let of = talk.ok("Ann", send("a", "hi"))["offset"].clone();
    assert_eq!(talk.no("Bob", with(change("edit", &of, "e"), "text", "x")), "not_allowed");
    talk.ok("Ann", with(change("edit", &of, "e1"), "text", "ho"));
    talk.ok("Ann", with(change("edit", &of, "e2"), "text", "hey"));
    let page = talk.ok("Bob", json!({ "do": "history", "room": "lobby" }));
    assert_eq!((&page["messages"][0]["text"], &page["messages"][0]["revision"]), (&json!("hey"), &json!(2)));
    for bad in ["", " \n"] {
        assert_eq!(talk.no("Ann", with(change("edit", &of, "e3"), "text", bad)), "empty_text");
        assert_eq!(talk.no("Ann", send("x", bad)), "empty_text");
    }
}

#[test]
fn what_is_deleted_is_gone_from_every_answer_and_cannot_be_changed() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let start = talk.top("lobby");
    let secret = with(send("a", "s3cr3t"), "data", json!({ "k": "s3cr3t" }));
    let of = talk.ok("Ann", secret)["offset"].clone();
    talk.ok("Bob", with(with(change("react", &of, "r"), "emoji", "👍"), "add", true));
    talk.ok("Ann", with(change("delete", &of, "d"), "reason", "s3cr3t"));
    for request in [
        json!({ "do": "history", "room": "lobby" }),
        json!({ "do": "history", "room": "lobby", "after": 0 }),
        json!({ "do": "history", "room": "lobby", "around": of }),
        json!({ "do": "join", "room": "lobby" }),
        json!({ "do": "join", "room": "lobby", "since": start }),
        json!({ "do": "rooms" }),
    ] {
        let ok = talk.ok("Bob", request);
        assert!(!ok.to_string().contains("s3cr3t"), "{ok}");
    }
    for request in [
        with(change("edit", &of, "e"), "text", "x"),
        change("delete", &of, "d2"),
        with(with(change("react", &of, "r2"), "emoji", "👍"), "add", true),
    ] {
        assert_eq!(talk.no("Ann", request), "unknown_message");
    }
}

#[test]
fn nothing_stands_where_no_message_does() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    talk.say("Ann", "lobby", "x");
    talk.moderate("lobby", Moderation::Topic { topic: "t".into() });
    let top = talk.top("lobby")["offset"].as_u64().unwrap();
    for offset in [top, top + 1, 1 << 40] {
        let of = json!(offset);
        assert_eq!(talk.no("Ann", change("delete", &of, "d")), "unknown_message");
        assert_eq!(talk.no("Ann", with(change("edit", &of, "e"), "text", "x")), "unknown_message");
    }
    assert_eq!(talk.no("Ann", with(send("b", "x"), "reply_to", top + 1)), "unknown_message");
    let read = json!({ "do": "read", "room": "lobby", "offset": top + 1 });
    assert_eq!(talk.no("Ann", read), "unknown_message");
}

#[test]
fn a_moderator_deletes_what_others_said_below_and_nobody_what_the_host_said() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Max", "Ann", "Own"]);
    talk.set_role("lobby", "Max", Role::Moderator);
    talk.set_role("lobby", "Own", Role::Owner);
    let anns = talk.ok("Ann", send("a", "x"))["offset"].clone();
    let owns = talk.ok("Own", send("a", "x"))["offset"].clone();
    talk.run(|chat, at| chat.broadcast("lobby", "from the host", at)).unwrap();
    let hosts = talk.top("lobby")["offset"].clone();
    assert_eq!(talk.no("Ann", change("delete", &owns, "d1")), "not_allowed");
    assert_eq!(talk.no("Max", change("delete", &owns, "d2")), "not_allowed");
    assert_eq!(talk.no("Own", change("delete", &hosts, "d3")), "not_allowed");
    talk.ok("Max", change("delete", &anns, "d4"));
}

#[test]
fn a_reaction_is_there_once_and_taken_away_once() {
    let mut talk = Talk::with(|settings| settings.max_reaction_count = 3);
    talk.come_to("lobby", &["Ann", "Bob"]);
    let of = talk.ok("Ann", send("a", "x"))["offset"].clone();
    let react =
        |emoji: &str, add: bool, mid: &str| with(with(change("react", &of, mid), "emoji", emoji), "add", add);
    talk.ok("Ann", react("👍", true, "1"));
    talk.ok("Bob", react("👍", true, "1"));
    talk.forget();
    assert_eq!(talk.ok("Bob", react("👍", true, "2"))["duplicate"], true);
    assert_eq!(talk.ok("Bob", react("🎉", false, "3"))["duplicate"], true);
    assert_eq!(talk.kinds("Ann"), [""; 0], "nothing has changed");
    let page = talk.ok("Ann", json!({ "do": "history", "room": "lobby" }));
    assert_eq!(page["messages"][0]["reactions"], json!({ "👍": ["u1", "u2"] }));
    talk.ok("Bob", react("🎉", true, "4"));
    assert_eq!(talk.no("Bob", react("🙈", true, "5")), "too_many");
    talk.ok("Bob", react("👍", false, "6"));
    talk.ok("Bob", react("🙈", true, "7"));
    let page = talk.ok("Ann", json!({ "do": "history", "room": "lobby" }));
    assert_eq!(page["messages"][0]["reactions"], json!({ "👍": ["u1"], "🎉": ["u2"], "🙈": ["u2"] }));
    for emoji in ["a b", "\u{7}", "x\ny"] {
        assert_eq!(talk.no("Ann", react(emoji, true, "8")), "bad_request");
    }
}

#[test]
fn too_fast_is_refused_with_the_time_after_which_it_is_right() {
    let mut talk = Talk::with(|settings| settings.message_rate = Rate { per_second: 2, burst: 3 });
    talk.come_to("lobby", &["Ann", "Bob"]);
    for n in 0..3 {
        talk.say("Ann", "lobby", &n.to_string());
    }
    let error = talk.error("Ann", send("a", "late"));
    assert_eq!((&error["name"], &error["retry_after_ms"]), (&json!("rate_limited"), &json!(500)));
    // What is there already, and what others say, does not count.
    assert_eq!(talk.ok("Ann", send("m1", "0"))["duplicate"], true);
    talk.say("Bob", "lobby", "x");
    talk.turn(499);
    assert_eq!(talk.error("Ann", send("a", "late"))["retry_after_ms"], 1);
    talk.turn(1);
    talk.ok("Ann", send("a", "late"));
    assert_eq!(talk.texts("Bob"), ["0", "1", "2", "x", "late"]);
}

#[test]
fn a_user_has_one_rate_however_many_connections() {
    let mut talk = Talk::with(|settings| settings.message_rate = Rate { per_second: 1, burst: 2 });
    for who in ["one", "two"] {
        talk.admit(who, Admission::user("ann-1", "Ann"));
        talk.join(who, "lobby");
    }
    talk.say("one", "lobby", "1");
    talk.say("two", "lobby", "2");
    assert_eq!(talk.no("one", send("a", "3")), "rate_limited");
    assert_eq!(talk.no("two", send("b", "3")), "rate_limited");
}

#[test]
fn in_slow_mode_each_waits_but_not_those_who_keep_order() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Max", "Ann", "Bob"]);
    talk.set_role("lobby", "Max", Role::Moderator);
    talk.ok("Max", json!({ "do": "moderate", "room": "lobby", "act": "slow", "value": 10 }));
    for who in ["Ann", "Bob"] {
        talk.say(who, "lobby", "1");
        let error = talk.error(who, send("a", "2"));
        assert_eq!((&error["name"], &error["retry_after_ms"]), (&json!("rate_limited"), &json!(10_000)));
    }
    talk.say("Max", "lobby", "1");
    talk.say("Max", "lobby", "2");
    talk.turn(9_999);
    assert_eq!(talk.error("Ann", send("a", "2"))["retry_after_ms"], 1);
    talk.turn(1);
    talk.ok("Ann", send("a", "2"));
    talk.ok("Max", json!({ "do": "moderate", "room": "lobby", "act": "slow", "value": 0 }));
    talk.say("Ann", "lobby", "3");
}

#[test]
fn a_slow_mode_however_long_is_one() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    talk.moderate("lobby", Moderation::Slow { seconds: u64::MAX });
    talk.turn(1_000);
    talk.say("Ann", "lobby", "1");
    talk.turn(1_000);
    assert_eq!(talk.no("Ann", send("a", "2")), "rate_limited");
    talk.moderate("lobby", Moderation::Mute { user: talk.user("Ann"), seconds: Some(u64::MAX) });
    assert_eq!(talk.no("Ann", send("a", "2")), "muted");
}

#[test]
fn who_is_muted_for_a_time_is_told_and_speaks_again_after_it() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.moderate("lobby", Moderation::Mute { user: talk.user("Ann"), seconds: Some(60) });
    assert_eq!(talk.no("Ann", send("a", "x")), "muted");
    talk.turn(59_999);
    assert_eq!(talk.no("Ann", send("a", "x")), "muted");
    talk.turn(1);
    talk.ok("Ann", send("a", "x"));
    talk.moderate("lobby", Moderation::Mute { user: talk.user("Ann"), seconds: None });
    talk.turn(1_000_000_000);
    assert_eq!(talk.no("Ann", send("b", "x")), "muted");
    talk.moderate("lobby", Moderation::Mute { user: talk.user("Ann"), seconds: Some(0) });
    talk.ok("Ann", send("b", "x"));
    assert_eq!(talk.texts("Bob"), ["x", "x"]);
}

#[test]
fn the_room_is_read_only_to_whom_it_is() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Own", "Max", "Ann"]);
    talk.set_role("lobby", "Own", Role::Owner);
    talk.set_role("lobby", "Max", Role::Moderator);
    let read_only = crate::message::RoomOptions { read_only: Some(true), ..Default::default() };
    let of = talk.ok("Ann", send("a", "x"))["offset"].clone();
    talk.run(|chat, at| chat.set_room("lobby", &read_only, at)).unwrap();
    for request in [
        send("b", "x"),
        with(change("edit", &of, "e"), "text", "y"),
        with(with(change("react", &of, "r"), "emoji", "👍"), "add", true),
        json!({ "do": "typing", "room": "lobby", "state": "active" }),
    ] {
        assert_eq!(talk.no("Ann", request), "not_allowed");
    }
    for who in ["Own", "Max"] {
        talk.say(who, "lobby", "news");
    }
}

#[test]
fn every_order_of_things_has_places_without_a_hole_and_each_names_its_predecessor() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let mut shown = Vec::new();
    for n in 0..10_u64 {
        let of = talk.say("Ann", "lobby", &n.to_string())["offset"].clone();
        talk.ok("Bob", with(with(change("react", &of, &format!("r{n}")), "emoji", "👍"), "add", true));
        talk.turn(1_000);
        shown.extend(talk.heard("Bob"));
    }
    let offsets: Vec<u64> = shown.iter().map(|event| event["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, (1..=20).collect::<Vec<_>>());
    assert_eq!(shown[0]["prev"], Value::Null);
    assert!(shown[0].as_object().unwrap().contains_key("prev"));
    assert!(shown[1..].iter().all(|event| event.get("prev").is_none()));
}
