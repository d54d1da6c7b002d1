//! Rooms of two.

use super::*;
use crate::event::Subject;

fn write(to: &str, mid: &str, text: &str) -> Value {
    json!({ "do": "send", "to": to, "mid": mid, "text": text })
}

#[test]
fn first_contact_puts_both_into_a_room_of_their_own() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob", "Cy"] {
        talk.come(who);
    }
    talk.forget();
    let sent = talk.ok("Ann", write("u2", "1", "psst"));
    let room = sent["room"].as_str().unwrap().to_owned();
    assert!(room.starts_with("dm:"));
    for (who, with) in [("Ann", "u2"), ("Bob", "u1")] {
        let heard = talk.heard(who);
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert_eq!((&heard[0]["on"], &heard[0]["with"]), (&json!("joined"), &json!(with)));
        assert_eq!(heard[0]["member_count"], 2);
        assert_eq!(heard[1]["message"]["text"], "psst");
    }
    assert_eq!(talk.kinds("Cy"), [""; 0]);
    // The other way it is the same room, and nobody joins anew.
    let back = talk.ok("Bob", write("u1", "1", "what?"));
    assert_eq!(back["room"], room.as_str());
    assert_eq!(
        (talk.kinds("Ann"), talk.kinds("Bob")),
        (vec!["message".to_owned()], vec!["message".to_owned()])
    );
    let page = talk.ok("Ann", json!({ "do": "history", "room": room }));
    assert_eq!(texts_of(&page), ["psst", "what?"]);
    // By its name, too.
    talk.ok("Ann", json!({ "do": "send", "room": room, "mid": "2", "text": "nothing" }));
    assert_eq!(talk.texts("Bob"), ["nothing"]);
}

#[test]
fn what_is_refused_is_no_first_contact() {
    let mut talk = Talk::with(|settings| settings.message_rate = Rate { per_second: 1, burst: 1 });
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (long, mut answering) = ("x".repeat(20_000), write("u2", "3", "x"));
    answering["reply_to"] = 1.into();
    talk.say("Ann", "lobby", "that was my rate");
    talk.forget();
    assert_eq!(talk.no("Ann", write("u2", "1", "psst")), "rate_limited");
    talk.turn(1_000);
    assert_eq!(talk.no("Ann", write("u2", "1", " ")), "empty_text");
    assert_eq!(talk.no("Ann", write("u2", "2", &long)), "too_long");
    assert_eq!(talk.no("Ann", answering), "unknown_message");
    assert_eq!((talk.kinds("Bob"), talk.chat.room_count()), (vec![], 1));
    talk.ok("Ann", write("u2", "1", "psst"));
    // What was sent is known, whatever the rate.
    assert_eq!(talk.ok("Ann", write("u2", "1", "psst"))["duplicate"], true);
}

#[test]
fn the_host_is_asked_before_a_first_contact_and_its_no_puts_nobody_into_a_room() {
    let mut talk = Talk::with(|settings| settings.ask_may_send = true);
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    talk.forget();
    assert_eq!(talk.ask("Ann", write("u2", "1", "psst")), Value::Null);
    let asked = talk.reply(Verdict::Refuse("no whispering".into()));
    let Subject::MaySend { room, text, .. } = asked.subject else { panic!("{asked:?}") };
    assert!(room.starts_with("dm:") && text == "psst");
    assert_eq!(talk.answer("Ann")["error"]["message"], "no whispering");
    assert_eq!((talk.kinds("Ann"), talk.kinds("Bob"), talk.chat.room_count()), (vec![], vec![], 0));
    assert_eq!(talk.ask("Ann", write("u2", "1", "psst")), Value::Null);
    talk.reply(Verdict::Rewrite("hello".into()));
    assert_eq!(talk.answer("Ann")["ok"]["room"], room.as_str());
    for who in ["Ann", "Bob"] {
        assert_eq!(talk.kinds(who), ["joined", "message"]);
    }
}

#[test]
fn nobody_else_joins_reads_or_names_it() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob", "Cy"] {
        talk.come(who);
    }
    let sent = talk.ok("Ann", write("u2", "1", "psst"));
    let (room, seen) = (sent["room"].clone(), place(&sent));
    let cy = |what: &str| json!({ "do": what, "room": room });
    assert!(matches!(talk.no("Cy", cy("join")).as_str(), "bad_room_name" | "not_member" | "not_allowed"));
    for what in ["history", "members", "leave"] {
        assert_eq!(talk.no("Cy", cy(what)), "not_member");
    }
    let send = json!({ "do": "send", "room": room, "mid": "x", "text": "x" });
    assert_eq!(talk.no("Cy", send), "not_member");
    let session = talk.session("Cy");
    let mut rooms = serde_json::Map::new();
    rooms.insert(room.as_str().unwrap().to_owned(), seen);
    let ok = talk.resume("again", &session, rooms.into());
    let error = ok["rooms"].as_object().unwrap().values().next().unwrap();
    assert_eq!(error["error"]["name"], "not_member");
    assert!(talk.run(|chat, at| chat.join("dm:x", "u3", at)).is_err());
    assert_eq!(talk.no("again", json!({ "do": "join", "room": "dm:made up" })), "bad_room_name");
}

#[test]
fn who_comes_later_finds_it_and_it_counts_among_no_limit_of_rooms() {
    let mut talk = Talk::with(|settings| settings.max_connection_room_count = 1);
    talk.come("Ann");
    talk.join("Ann", "lobby");
    for n in 2..8 {
        talk.come(&format!("x{n}"));
        talk.ok("Ann", write(&format!("u{n}"), "1", "hi"));
    }
    assert_eq!(talk.no("Ann", json!({ "do": "join", "room": "den" })), "too_many_rooms");
    let session = talk.session("Ann");
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms);
    talk.ok("x2", write("u1", "2", "are you there?"));
    talk.resume("again", &session, json!({}));
    let joined = talk.heard("again");
    assert_eq!(joined.len(), 6, "{joined:?}");
    assert_eq!(joined[0]["last"]["text"], "are you there?");
}

#[test]
fn who_comes_back_late_to_one_room_is_told_of_another_that_was_made_meanwhile() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob", "Cy"] {
        talk.come(who);
    }
    let first = talk.ok("Ann", write("u2", "1", "hi"));
    let session = talk.session("Ann");
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms);
    let second = talk.ok("Cy", write("u1", "1", "are you there?"));
    let (room, seen) = (first["room"].as_str().unwrap(), place(&first));
    let ok = talk.resume("again", &session, json!({ room: seen }));
    assert_eq!(ok["rooms"][room]["recovered"], true);
    let heard = talk.heard("again");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((&heard[0]["on"], &heard[0]["room"]), (&json!("joined"), &second["room"]));
}

#[test]
fn who_blocks_the_author_of_a_logs_first_record_is_given_the_next_one_as_the_first() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    talk.ok("Ann", json!({ "do": "block", "user": "u2", "on": true }));
    let room = talk.ok("Bob", write("u1", "1", "psst"))["room"].clone();
    talk.ok("Ann", json!({ "do": "send", "room": room, "mid": "2", "text": "who is there?" }));
    let page = talk.ok("Ann", json!({ "do": "history", "room": room, "after": 0 }));
    let records = page["records"].as_array().unwrap();
    assert_eq!((records.len(), &records[0]["offset"], &records[0]["prev"]), (1, &json!(2), &json!(null)));
    assert!(records[0].as_object().unwrap().contains_key("prev"));
}

#[test]
fn the_host_is_told_of_a_message_for_somebody_who_is_away() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    let aways = |talk: &Talk| {
        let away = |event: &Event| match event {
            Event::Away { user, message } => Some((user.to_string(), message.text.clone())),
            _ => None,
        };
        talk.told.iter().filter_map(away).collect::<Vec<_>>()
    };
    talk.ok("Ann", write("u2", "1", "here"));
    assert_eq!(aways(&talk), []);
    talk.cut("Bob");
    talk.ok("Ann", write("u2", "2", "away"));
    assert_eq!(aways(&talk), [("u2".to_owned(), "away".to_owned())]);
    // Sent again it is not told again.
    talk.ok("Ann", write("u2", "2", "away"));
    assert_eq!(aways(&talk).len(), 1);
}

#[test]
fn to_oneself_to_nobody_and_to_the_host_nothing_is_written() {
    let mut talk = Talk::new();
    talk.come("Ann");
    assert_eq!(talk.no("Ann", write("u1", "1", "x")), "bad_request");
    for to in ["u99", "host", "no id", "dm:x"] {
        assert_eq!(talk.no("Ann", write(to, "1", "x")), "unknown_user", "{to}");
    }
    assert_eq!(talk.chat.room_count(), 0);
}

#[test]
fn who_is_blocked_writes_and_is_not_heard_and_the_host_is_not_told() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    talk.ok("Bob", json!({ "do": "block", "user": "u1", "on": true }));
    talk.forget();
    let ok = talk.ok("Ann", write("u2", "1", "psst"));
    assert_eq!(ok["duplicate"], false);
    assert!(!talk.heard("Bob").iter().any(|event| event.to_string().contains("psst")));
    talk.cut("Bob");
    talk.ok("Ann", write("u2", "2", "psst"));
    assert!(!talk.told.iter().any(|event| matches!(event, Event::Away { .. })));
}

#[test]
fn a_room_of_two_is_neither_left_nor_moderated() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    let room = talk.ok("Ann", write("u2", "1", "psst"))["room"].clone();
    assert_eq!(talk.no("Ann", json!({ "do": "leave", "room": room })), "not_allowed");
    for act in ["kick", "ban", "mute"] {
        let request = json!({ "do": "moderate", "room": room, "act": act, "user": "u2" });
        assert_eq!(talk.no("Ann", request), "not_allowed");
    }
}

#[test]
fn a_room_of_two_is_forgotten_when_both_users_are() {
    let mut talk = Talk::new();
    for who in ["Ann", "Bob"] {
        talk.come(who);
    }
    talk.ok("Ann", write("u2", "1", "psst"));
    talk.cut("Ann");
    talk.cut("Bob");
    talk.turn(talk.settings.session_ms - 1);
    assert_eq!(talk.chat.room_count(), 1);
    talk.turn(1);
    assert_eq!(talk.chat.room_count(), 0);
    assert_eq!(talk.log.held_bytes(), 0);
}
