//! Sessions: who comes back is who they were, misses nothing, and sees nothing that is not theirs to see.

use super::*;
use crate::message::RoomOptions;

fn rooms(of: &[(&str, &Value)]) -> Value {
    of.iter().map(|(room, seen)| ((*room).to_owned(), place(seen))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn coming_back_closes_the_older_connection_and_nobody_sees_it() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    assert_eq!(talk.closed("Ann"), Some(Cause::Replaced));
    assert_eq!((&ok["user"], &ok["name"]), (&json!("u1"), &json!("Ann")));
    assert_eq!(ok["session"], session.as_str());
    assert_eq!(ok["rooms"]["lobby"]["recovered"], true);
    assert_eq!(ok["rooms"]["lobby"]["member_count"], 2);
    talk.turn(60_000);
    talk.say("again", "lobby", "it is me");
    assert_eq!(talk.kinds("Bob"), ["message"]);
}

#[test]
fn the_connection_that_was_replaced_hears_nothing_more() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let session = talk.session("Ann");
    talk.resume("again", &session, json!({}));
    talk.heard("Ann");
    talk.say("Bob", "lobby", "hello");
    assert_eq!((talk.kinds("Ann"), talk.texts("again")), (vec![], vec!["hello".to_owned()]));
}

#[test]
fn a_name_is_free_again_when_the_linger_is_over_and_who_is_back_has_it_or_one_like_it() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    let (session, linger_ms) = (talk.session("Ann"), talk.settings.linger_ms);
    talk.cut("Ann");
    talk.connect("early");
    assert_eq!(talk.no("early", json!({"do": "hello", "name": "Ann"})), "name_taken");
    talk.turn(linger_ms);
    // Nobody else wanted it.
    assert_eq!(talk.resume("back", &session, json!({}))["name"], "Ann");
    talk.connect("other");
    assert_eq!(talk.no("other", json!({"do": "hello", "name": "ann"})), "name_taken");
    talk.cut("back");
    talk.turn(linger_ms);
    assert_eq!(talk.hello("third", json!({"name": "ann"}))["ok"]["name"], "ann");
    let ok = talk.resume("late", &session, json!({}));
    assert_eq!((&ok["user"], &ok["name"]), (&json!("u1"), &json!("Ann 2")));
    // Neither has the other's, and each is free when its user is gone for good.
    talk.cut("late");
    talk.cut("third");
    talk.turn(talk.settings.session_ms + linger_ms);
    assert_eq!(talk.hello("last", json!({"name": "Ann"}))["ok"]["name"], "Ann");
}

#[test]
fn a_leave_is_seen_when_the_linger_is_over_and_once() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, linger_ms) = (talk.session("Ann"), talk.settings.linger_ms);
    // Back in time, again and again.
    let mut who = "Ann".to_owned();
    for n in 0..3 {
        talk.cut(&who);
        talk.turn(linger_ms - 1);
        who = format!("Ann {n}");
        talk.resume(&who, &session, json!({}));
    }
    talk.turn(linger_ms * 3);
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    // And not in time.
    talk.cut(&who);
    talk.turn(linger_ms);
    let heard = talk.heard("Bob");
    assert_eq!((heard.len(), &heard[0]["on"], &heard[0]["member_count"]), (1, &json!("leave"), &json!(1)));
    let seen = talk.top("lobby");
    let ok = talk.resume("late", &session, rooms(&[("lobby", &seen)]));
    assert_eq!((&ok["name"], &ok["rooms"]["lobby"]["recovered"]), (&json!("Ann"), &json!(true)));
    assert_eq!(talk.kinds("Bob"), ["join"]);
}

#[test]
fn a_session_is_kept_for_its_time_and_then_begins_anew() {
    let mut talk = Talk::new();
    talk.come("Ann");
    let session = talk.session("Ann");
    talk.cut("Ann");
    talk.turn(talk.settings.session_ms - 1);
    assert_eq!(talk.resume("again", &session, json!({}))["name"], "Ann");
    talk.cut("again");
    talk.turn(talk.settings.session_ms);
    let ok = talk.resume("late", &session, json!({}));
    assert_eq!(ok["name"], "Guest 1");
    assert_ne!(ok["session"], session.as_str());
}

#[test]
fn the_oldest_session_without_a_connection_makes_place_and_those_with_one_do_not_count() {
    let mut talk = Talk::with(|settings| settings.max_session_count = 2);
    for name in ["Ann", "Bob", "Cy", "Dan", "Eve"] {
        talk.come(name);
    }
    for name in ["Ann", "Bob", "Cy"] {
        talk.cut(name);
    }
    let session = |talk: &Talk, who: &str| talk.session(who);
    let (ann, bob, cy) = (session(&talk, "Ann"), session(&talk, "Bob"), session(&talk, "Cy"));
    assert_eq!(talk.resume("b", &bob, json!({}))["name"], "Bob");
    assert_eq!(talk.resume("c", &cy, json!({}))["name"], "Cy");
    assert_eq!(talk.resume("a", &ann, json!({}))["name"], "Guest 1");
    assert_eq!((talk.closed("Dan"), talk.closed("Eve")), (None, None));
}

#[test]
fn where_no_session_is_kept_clients_come_in_all_the_same_and_one_may_take_its_own_over() {
    let mut talk = Talk::with(|settings| settings.max_session_count = 0);
    talk.come_to("lobby", &["Ann", "Bob"]);
    let session = talk.session("Ann");
    assert_eq!(talk.resume("again", &session, json!({}))["name"], "Ann");
    talk.cut("again");
    assert_eq!(talk.kinds("Bob"), ["leave"]);
    assert_eq!(talk.resume("late", &session, json!({}))["name"], "Guest 1");
}

#[test]
fn who_comes_back_gets_every_record_that_it_missed_once_and_in_order() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.say("Bob", "lobby", "before");
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    talk.cut("Ann");
    let of = talk.say("Bob", "lobby", "one")["offset"].clone();
    let change = |what: &str, mid: &str| json!({ "do": what, "room": "lobby", "offset": of, "mid": mid });
    let mut edit = change("edit", "e");
    edit["text"] = "two".into();
    talk.ok("Bob", edit);
    let mut react = change("react", "r");
    (react["emoji"], react["add"]) = ("👍".into(), true.into());
    talk.ok("Bob", react);
    talk.moderate("lobby", Moderation::Topic { topic: "new".into() });
    talk.ok("Bob", json!({ "do": "rename", "name": "Rob" }));
    talk.ok("Bob", change("delete", "d"));
    let missed = talk.heard("Bob");
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    let lobby = &ok["rooms"]["lobby"];
    assert_eq!(lobby["recovered"], true);
    assert_eq!(lobby.get("more"), None);
    assert_eq!(kinds_of(&lobby["records"]), ["message", "edit", "react", "moderation", "rename", "delete"]);
    let positions: Vec<Value> = lobby["records"].as_array().unwrap().iter().map(place).collect();
    let shown: Vec<Value> = missed.iter().filter(|event| event["on"] != "message").map(place).collect();
    assert_eq!(positions[1..], shown[..], "the same that was shown to Bob");
    // As it stands now, so that what was taken back is not told.
    assert_eq!(lobby["records"][0]["message"]["deleted"], true);
    assert_eq!(lobby["records"][0]["message"].get("text"), None);
    assert_eq!(place(lobby), talk.top("lobby"));
    talk.say("Bob", "lobby", "after");
    assert_eq!(talk.texts("again"), ["after"]);
}

#[test]
fn who_has_missed_nothing_is_told_so() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    for said in [false, true] {
        if said {
            talk.say("Ann", "lobby", "x");
        }
        let seen = talk.top("lobby");
        let ok = talk.ok("Ann", json!({ "do": "join", "room": "lobby", "since": seen }));
        assert_eq!((&ok["recovered"], &ok["records"]), (&json!(true), &json!([])));
    }
}

#[test]
fn a_log_that_does_not_reach_back_gives_its_newest_page_and_never_a_part() {
    let mut talk = Talk::keeping(3, |_| {});
    talk.come_to("lobby", &["Ann", "Bob"]);
    let seen = place(&talk.say("Bob", "lobby", "0"));
    let session = talk.session("Ann");
    talk.cut("Ann");
    for n in 1..=20 {
        talk.say("Bob", "lobby", &n.to_string());
    }
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    let lobby = &ok["rooms"]["lobby"];
    assert_eq!((&lobby["recovered"], lobby.get("records")), (&json!(false), None));
    assert_eq!(texts_of(lobby), ["18", "19", "20"]);
    assert_eq!(place(lobby), talk.top("lobby"));
}

#[test]
fn a_position_that_the_log_never_held_is_not_gone_on_from() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    let at = place(&talk.say("Ann", "lobby", "x"));
    let (epoch, offset) = (at["epoch"].as_u64().unwrap(), at["offset"].as_u64().unwrap());
    for (epoch, offset) in [
        (epoch, offset + 1),
        (epoch + 1, offset),
        (epoch - 1, offset),
        (0, 0),
        (epoch, u64::from(u32::MAX)),
        ((1 << 53) - 1, (1 << 53) - 1),
    ] {
        let since = json!({ "epoch": epoch, "offset": offset });
        let ok = talk.ok("Ann", json!({ "do": "join", "room": "lobby", "since": since }));
        assert_eq!(ok["recovered"], false, "{since}");
        assert_eq!(texts_of(&ok), ["x"]);
    }
}

#[test]
fn another_log_of_the_same_name_is_not_gone_on_with_and_shows_no_word_of_the_first() {
    let mut talk = Talk::with(|settings| settings.max_room_count = 1);
    talk.come_to("den", &["Ann"]);
    let seen = place(&talk.say("Ann", "den", "of the first"));
    let session = talk.session("Ann");
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms);
    // Another room takes its place, and then its name.
    talk.come("Bob");
    talk.join("Bob", "other");
    talk.ok("Bob", json!({ "do": "leave", "room": "other" }));
    talk.join("Bob", "den");
    talk.say("Bob", "den", "of the second");
    let ok = talk.resume("again", &session, rooms(&[("den", &seen)]));
    assert_eq!(ok["rooms"]["den"]["recovered"], false);
    assert_eq!(texts_of(&ok["rooms"]["den"]), ["of the second"]);
}

#[test]
fn what_the_log_lost_is_rolled_back_for_those_who_are_here_and_those_who_come_back() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let kept = place(&talk.say("Bob", "lobby", "kept"));
    let seen = place(&talk.say("Bob", "lobby", "lost"));
    let (session, lobby) = (talk.session("Ann"), talk.chat.room("lobby").unwrap());
    talk.cut("Ann");
    talk.forget();
    talk.run(|chat, at| chat.lose(lobby, 1, at));
    assert_eq!(talk.heard("Bob"), [json!({ "on": "rollback", "room": "lobby", "to": kept })]);
    // Its sender has had no answer and sends it again: it is not there, so it is no duplicate.
    let again = json!({ "do": "send", "room": "lobby", "mid": "m2", "text": "lost" });
    let sent = talk.ok("Bob", again);
    assert_eq!(sent["duplicate"], false);
    assert!(sent["epoch"].as_u64() > seen["epoch"].as_u64());
    assert!(sent["offset"].as_u64() > seen["offset"].as_u64(), "an offset is never used twice");
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    let records = &ok["rooms"]["lobby"]["records"];
    assert_eq!(ok["rooms"]["lobby"]["recovered"], true);
    assert_eq!(records[0], json!({ "on": "rollback", "to": kept }));
    assert_eq!((&records[1]["message"]["text"], &records[1]["prev"]), (&json!("lost"), &kept));
    assert_eq!(records.as_array().unwrap().len(), 2);
    // A place that was lost holds no message.
    let of = seen["offset"].clone();
    let edit = json!({ "do": "edit", "room": "lobby", "offset": of, "mid": "e", "text": "x" });
    assert_eq!(talk.no("Bob", edit), "unknown_message");
}

#[test]
fn more_than_a_page_is_gone_on_with_until_nothing_is_missing() {
    let mut talk = Talk::with(|settings| settings.max_page_count = 7);
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    talk.cut("Ann");
    for n in 0..40 {
        talk.say("Bob", "lobby", &n.to_string());
    }
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    let mut page = ok["rooms"]["lobby"].clone();
    assert_eq!((&page["recovered"], &page["more"]), (&json!(true), &json!(true)));
    let mut got: Vec<String> = Vec::new();
    loop {
        let records = page["records"].as_array().unwrap().clone();
        assert!(records.len() <= 7);
        got.extend(texts_of(&page).into_iter().map(str::to_owned));
        if page["more"] != true {
            break;
        }
        let after = records.last().unwrap()["offset"].clone();
        page = talk.ok("again", json!({ "do": "history", "room": "lobby", "after": after }));
    }
    assert_eq!(got, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn rooms_that_a_client_does_not_name_are_told_behind_the_answer() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.join("Ann", "den");
    talk.ok("Bob", json!({ "do": "send", "to": "u1", "mid": "d", "text": "psst" }));
    let session = talk.session("Ann");
    let seen = talk.top("den");
    talk.resume("again", &session, rooms(&[("den", &seen)]));
    let joined = talk.heard("again");
    assert!(joined.iter().all(|event| event["on"] == "joined"), "{joined:?}");
    assert_eq!((joined.len(), &joined[0]["room"]), (2, &json!("lobby")));
    assert_eq!(joined[1]["with"], "u2");
    assert_eq!(joined[1]["last"]["text"], "psst");
}

#[test]
fn who_was_kicked_does_not_resume_into_the_room_and_reads_nothing_of_it() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    let user = talk.user("Ann");
    talk.moderate("lobby", Moderation::Kick { user });
    assert_eq!(talk.kinds("Ann").last().unwrap(), "removed");
    for request in ["history", "members"] {
        assert_eq!(talk.no("Ann", json!({ "do": request, "room": "lobby" })), "not_member");
    }
    talk.say("Bob", "lobby", "she is gone");
    assert_eq!(talk.kinds("Ann"), [""; 0]);
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    assert_eq!(ok["rooms"]["lobby"]["error"]["name"], "not_member");
    assert!(!ok.to_string().contains("she is gone"));
    // But may join again.
    assert_eq!(texts_of(&talk.join("again", "lobby")), ["she is gone"]);
}

#[test]
fn who_was_kicked_while_away_does_not_resume_into_the_room() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen, user) = (talk.session("Ann"), talk.top("lobby"), talk.user("Ann"));
    talk.cut("Ann");
    talk.moderate("lobby", Moderation::Kick { user });
    assert_eq!(talk.kinds("Bob"), ["moderation", "leave"]);
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    assert_eq!(ok["rooms"]["lobby"]["error"]["name"], "not_member");
}

#[test]
fn who_is_banned_from_a_room_neither_joins_nor_resumes_nor_reads_until_the_ban_ends() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen, user) = (talk.session("Ann"), talk.top("lobby"), talk.user("Ann"));
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms);
    talk.moderate("lobby", Moderation::Ban { user, seconds: Some(60) });
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    assert_eq!(ok["rooms"]["lobby"]["error"]["name"], "banned");
    assert_eq!(talk.no("again", json!({ "do": "join", "room": "lobby", "since": seen })), "banned");
    assert_eq!(talk.no("again", json!({ "do": "history", "room": "lobby" })), "not_member");
    talk.turn(60_000);
    talk.join("again", "lobby");
}

#[test]
fn a_room_that_has_become_private_meanwhile_is_not_come_back_to() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms);
    let private = RoomOptions { private: Some(true), ..RoomOptions::default() };
    talk.run(|chat, at| chat.set_room("lobby", &private, at)).unwrap();
    talk.say("Bob", "lobby", "among ourselves");
    let ok = talk.resume("again", &session, rooms(&[("lobby", &seen)]));
    assert_eq!(ok["rooms"]["lobby"]["error"]["name"], "not_allowed");
    assert_eq!(talk.no("again", json!({ "do": "join", "room": "lobby" })), "not_allowed");
    // The host may put her there.
    talk.run(|chat, at| chat.join("lobby", "u1", at)).unwrap();
    assert_eq!(talk.kinds("again"), ["joined"]);
    assert_eq!(
        talk.ok("again", json!({ "do": "history", "room": "lobby" }))["messages"][0]["text"],
        "among ourselves"
    );
}

#[test]
fn one_session_reads_nothing_of_what_another_of_the_same_user_has_joined() {
    let mut talk = Talk::new();
    talk.admit("one", Admission::user("ann-1", "Ann"));
    talk.admit("two", Admission::user("ann-1", "Ann"));
    talk.join("one", "lobby");
    talk.say("one", "lobby", "x");
    assert_eq!(talk.no("two", json!({ "do": "history", "room": "lobby" })), "not_member");
    assert_eq!(talk.kinds("two"), [""; 0]);
}
