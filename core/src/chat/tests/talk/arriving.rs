//! Hello: who somebody is, for how long, and what comes first.

use super::*;

/// Lets Ann in for so many milliseconds.
fn until(talk: &Talk, ms: u64) -> Admission {
    Admission { expires_at_ms: Some(talk.now.unix_ms + ms), ..Admission::user("ann-1", "Ann") }
}

#[test]
fn who_gives_no_name_is_a_guest_with_a_number() {
    let mut talk = Talk::new();
    for number in 1..=3 {
        let who = format!("g{number}");
        let hello = talk.hello(&who, json!({}));
        assert_eq!(hello["ok"]["name"], format!("Guest {number}"));
        let joined = talk.join(&who, "lobby");
        let me = joined["members"].as_array().unwrap().last().unwrap();
        assert_eq!(me["role"], "guest");
    }
}

#[test]
fn the_first_hello_says_who_one_is_and_what_holds() {
    let mut talk = Talk::new();
    let ok = talk.come("Ann");
    assert_eq!((ok["connection"].as_u64(), ok["user"].as_str()), (Some(1), Some("u1")));
    assert_eq!(ok["time"], 1_700_000_000_000_u64);
    assert_eq!(ok.get("expires_at"), None);
    assert_eq!(ok.get("rooms"), None);
    assert_eq!(ok["session"].as_str().unwrap().len(), 32);
    assert_eq!(ok["limits"]["max_text_bytes"], talk.settings.max_text_bytes);
    assert_eq!(ok["limits"]["dedupe_ms"], talk.settings.dedupe_ms);
    let other = talk.come("Bob");
    assert_ne!((&other["session"], &other["user"]), (&ok["session"], &ok["user"]));
}

#[test]
fn the_heartbeat_is_the_smaller_of_both_wishes_but_not_all_the_time() {
    let mut talk = Talk::new();
    for (wish, agreed) in [(10_000, 10_000), (60_000, 25_000), (1, 1_000)] {
        let hello = talk.hello("x", json!({ "heartbeat_ms": wish }));
        assert_eq!(hello["ok"]["heartbeat_ms"], agreed);
    }
}

#[test]
fn a_name_that_is_taken_or_looks_taken_brings_a_free_one_and_the_client_may_try_again() {
    let mut talk = Talk::new();
    talk.come("Paul");
    talk.connect("x");
    for taken in ["Paul", "paul", "Pau1", " PAUL "] {
        let answer = talk.say_hello("x", json!({ "name": taken }));
        assert_eq!(answer["error"]["name"], "name_taken", "{taken}");
        assert!(answer["error"]["suggestion"].is_string(), "{answer}");
    }
    let answer = talk.say_hello("x", json!({ "name": "Paul" }));
    let free = answer["error"]["suggestion"].as_str().unwrap().to_owned();
    assert_eq!(talk.say_hello("x", json!({ "name": free }))["ok"]["name"], free);
}

#[test]
fn a_name_is_its_users_until_they_have_lingered() {
    let mut talk = Talk::new();
    talk.come("Ann");
    talk.cut("Ann");
    talk.turn(talk.settings.linger_ms - 1);
    assert_eq!(talk.hello("x", json!({ "name": "Ann" }))["error"]["name"], "name_taken");
    talk.turn(1);
    assert_eq!(talk.hello("y", json!({ "name": "Ann" }))["ok"]["name"], "Ann");
}

#[test]
fn a_name_that_may_be_nobodys_is_refused_and_another_may_follow() {
    let mut talk = Talk::new();
    talk.connect("x");
    for name in ["", " ", "a\u{202e}b", "\u{2800}", &"x".repeat(33)] {
        let answer = talk.say_hello("x", json!({ "name": name }));
        assert!(answer["error"]["code"].is_u64(), "{name:?}: {answer}");
    }
    assert!(talk.say_hello("x", json!({ "name": "Ann" }))["ok"].is_object());
}

#[test]
fn what_is_asked_before_hello_breaks_the_protocol() {
    for request in [
        json!({ "do": "join", "room": "lobby" }),
        json!({ "do": "rooms" }),
        json!({ "do": "refresh", "token": "t" }),
        json!({ "do": "send", "room": "lobby", "mid": "m", "text": "x" }),
    ] {
        let mut talk = Talk::new();
        talk.connect("x");
        assert_eq!(talk.no("x", request), "bad_request");
        assert_eq!(talk.closed("x"), Some(Cause::Protocol));
        assert_eq!(talk.chat.room_count(), 0);
    }
}

#[test]
fn a_second_hello_breaks_the_protocol() {
    let mut talk = Talk::new();
    talk.come("Ann");
    assert_eq!(talk.no("Ann", json!({ "do": "hello", "name": "Bob" })), "bad_request");
    assert_eq!(talk.closed("Ann"), Some(Cause::Protocol));
}

#[test]
fn who_says_no_hello_in_time_is_closed_and_who_says_it_is_not() {
    let mut talk = Talk::new();
    talk.connect("x");
    talk.come("Ann");
    talk.turn(talk.settings.hello_timeout_ms - 1);
    assert_eq!(talk.closed("x"), None);
    talk.turn(1);
    assert_eq!((talk.closed("x"), talk.closed("Ann")), (Some(Cause::NoHello), None));
    talk.turn(100_000);
    assert_eq!(talk.closed("Ann"), None);
}

#[test]
fn a_token_that_nobody_judges_lets_nobody_in() {
    let mut talk = Talk::new();
    let answer = talk.hello("x", json!({ "token": "made up", "name": "Ann" }));
    assert_eq!(answer["error"]["name"], "unauthorized");
    assert_eq!(talk.closed("x"), Some(Cause::Unauthorized));
}

#[test]
fn a_ticket_names_its_user_and_is_good_once_and_for_its_time() {
    let mut talk = Talk::new();
    let one = talk.ticket(Admission::user("ann-1", "Ann"));
    let late = talk.ticket(Admission::user("bob-1", "Bob"));
    let ok = talk.hello("Ann", json!({ "token": one, "name": "Somebody" }))["ok"].clone();
    assert_eq!((ok["user"].as_str(), ok["name"].as_str()), (Some("ann-1"), Some("Ann")));
    assert_eq!(talk.hello("x", json!({ "token": one }))["error"]["name"], "unauthorized");
    talk.turn(60_000);
    assert_eq!(talk.hello("y", json!({ "token": late }))["error"]["name"], "unauthorized");
    assert!(talk.told.iter().all(|event| !format!("{event:?}").contains(&one)), "a ticket was told");
}

#[test]
fn a_ticket_puts_its_user_into_rooms_private_ones_too() {
    let mut talk = Talk::new();
    let private = crate::message::RoomOptions { private: Some(true), ..Default::default() };
    talk.run(|chat, at| chat.set_room("staff", &private, at)).unwrap();
    let rooms = vec!["staff".to_owned(), "lobby".to_owned()];
    talk.admit("Ann", Admission { rooms, ..Admission::user("ann-1", "Ann") });
    let joined = talk.heard("Ann");
    assert_eq!(joined.iter().map(|event| &event["on"]).collect::<Vec<_>>(), ["joined", "joined"]);
    assert_eq!((&joined[0]["room"], &joined[1]["room"]), (&json!("staff"), &json!("lobby")));
    talk.say("Ann", "staff", "hello");
    talk.come("Bob");
    assert_eq!(talk.no("Bob", json!({ "do": "join", "room": "staff" })), "not_allowed");
}

#[test]
fn the_host_is_told_of_a_room_of_its_admission_that_there_is_no_place_for() {
    let mut talk = Talk::with(|settings| settings.max_room_count = 1);
    talk.come_to("lobby", &["Bob"]);
    let rooms = vec!["den".to_owned(), "lobby".to_owned()];
    talk.admit("Ann", Admission { rooms, ..Admission::user("ann-1", "Ann") });
    assert_eq!(talk.heard("Ann")[0]["room"], "lobby");
    let is_told = |event: &Event| matches!(event, Event::Refused { error, .. } if error.code() == crate::error::ErrorCode::TooManyRooms);
    assert_eq!(talk.told.iter().filter(|event| is_told(event)).count(), 1, "{:?}", talk.told);
}

#[test]
fn the_hosts_word_ends_within_its_second_whatever_the_unix_clock_does() {
    const DAY_MS: i64 = 86_400_000;
    for jump_ms in [0, DAY_MS, -DAY_MS, 3_600_000, -3_600_000] {
        let mut talk = Talk::new();
        let expires_at_ms = Some(talk.now.unix_ms + 5_000);
        let hello = talk.admit("Ann", Admission { expires_at_ms, ..Admission::user("ann-1", "Ann") });
        assert_eq!(hello["ok"]["expires_at"].as_u64(), expires_at_ms);
        talk.turn(1);
        talk.now.unix_ms = talk.now.unix_ms.saturating_add_signed(jump_ms);
        talk.turn(4_998);
        assert_eq!(talk.closed("Ann"), None, "{jump_ms}");
        talk.turn(1_000);
        assert_eq!(talk.closed("Ann"), Some(Cause::Unauthorized), "{jump_ms}");
    }
}

#[test]
fn a_word_that_has_ended_already_closes_at_once() {
    let mut talk = Talk::new();
    let expires_at_ms = Some(talk.now.unix_ms - 1);
    talk.admit("Ann", Admission { expires_at_ms, ..Admission::user("ann-1", "Ann") });
    talk.turn(1_000);
    assert_eq!(talk.closed("Ann"), Some(Cause::Unauthorized));
}

#[test]
fn an_end_that_is_put_off_many_times_has_one_timer_and_one_that_comes_sooner_counts() {
    let mut talk = Talk::new();
    let first = until(&talk, 5_000);
    talk.admit("Ann", first);
    let before = talk.chat.timers.count();
    for second in 0..20 {
        talk.turn(10);
        let next = until(&talk, 60_000 + second * 1_000);
        let next = talk.ticket(next);
        talk.ok("Ann", json!({ "do": "refresh", "token": next }));
    }
    assert_eq!(talk.chat.timers.count(), before);
    talk.turn(30_000);
    assert_eq!(talk.closed("Ann"), None);
    let sooner = until(&talk, 1_000);
    let sooner = talk.ticket(sooner);
    talk.ok("Ann", json!({ "do": "refresh", "token": sooner }));
    talk.turn(999);
    assert_eq!(talk.closed("Ann"), None);
    talk.turn(1);
    assert_eq!(talk.closed("Ann"), Some(Cause::Unauthorized));
}

#[test]
fn a_new_token_in_time_keeps_its_user_and_another_users_does_not() {
    let mut talk = Talk::new();
    let first = until(&talk, 5_000);
    talk.admit("Ann", first);
    let (next, foreign) = (until(&talk, 20_000), Admission::user("bob-1", "Bob"));
    let expires_at_ms = next.expires_at_ms;
    let (next, foreign) = (talk.ticket(next), talk.ticket(foreign));
    assert_eq!(talk.no("Ann", json!({ "do": "refresh", "token": foreign })), "unauthorized");
    assert_eq!(talk.no("Ann", json!({ "do": "refresh", "token": "made up" })), "unauthorized");
    let ok = talk.ok("Ann", json!({ "do": "refresh", "token": next }));
    assert_eq!(ok["expires_at"].as_u64(), expires_at_ms);
    talk.turn(19_999);
    assert_eq!(talk.closed("Ann"), None);
    talk.turn(1);
    assert_eq!(talk.closed("Ann"), Some(Cause::Unauthorized));
}

#[test]
fn a_session_of_another_user_than_the_host_names_is_left_alone() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    let (session, token) = (talk.session("Ann"), talk.ticket(Admission::user("bob-1", "Bob")));
    let seen = talk.top("lobby");
    let resume = json!({ "session": session, "rooms": { "lobby": seen } });
    let ok = talk.hello("Bob", json!({ "token": token, "resume": resume }))["ok"].clone();
    assert_eq!(ok["user"], "bob-1");
    assert_ne!(ok["session"], session.as_str());
    assert_eq!(talk.closed("Ann"), None);
    talk.say("Ann", "lobby", "still here");
}

#[test]
fn what_the_host_says_of_a_role_holds_from_the_next_hello_on() {
    let mut talk = Talk::new();
    talk.admit("Ann", Admission::user("ann-1", "Ann"));
    talk.join("Ann", "lobby");
    let session = talk.session("Ann");
    let token = talk.ticket(Admission { role: Role::Owner, ..Admission::user("ann-1", "Ann") });
    let resume = json!({ "session": session, "rooms": {} });
    talk.hello("again", json!({ "token": token, "resume": resume }));
    let members = talk.ok("again", json!({ "do": "members", "room": "lobby" }));
    assert_eq!(members["members"][0]["role"], "owner");
}

#[test]
fn who_is_banned_does_not_come_in_and_who_is_here_is_put_out() {
    let mut talk = Talk::new();
    let ticket = |talk: &mut Talk| talk.ticket(Admission::user("ann-1", "Ann"));
    talk.admit("Ann", Admission::user("ann-1", "Ann"));
    let session = talk.session("Ann");
    talk.run(|chat, at| chat.ban("ann-1", Some(60), at)).unwrap();
    assert_eq!(talk.closed("Ann"), Some(Cause::Banned));
    let token = ticket(&mut talk);
    assert_eq!(talk.hello("x", json!({ "token": token }))["error"]["name"], "banned");
    assert_eq!(talk.closed("x"), Some(Cause::Banned));
    // Nor by the session.
    let resume = json!({ "session": session, "rooms": {} });
    assert_eq!(talk.hello("y", json!({ "resume": resume }))["error"]["name"], "banned");
    talk.turn(60_000);
    let token = ticket(&mut talk);
    assert_eq!(talk.hello("z", json!({ "token": token }))["ok"]["user"], "ann-1");
}

#[test]
fn a_banned_address_is_put_out_and_stays_out_until_it_is_not_banned() {
    let mut talk = Talk::new();
    talk.connect_from("a", Some("192.0.2.1")).unwrap();
    talk.connect_from("b", Some("192.0.2.2")).unwrap();
    talk.run(|chat, at| chat.ban_address("::ffff:192.0.2.1".parse().unwrap(), None, at)).unwrap();
    assert_eq!((talk.closed("a"), talk.closed("b")), (Some(Cause::Banned), None));
    talk.connect_from("c", Some("192.0.2.1")).unwrap();
    assert_eq!(talk.say_hello("c", json!({}))["error"]["name"], "banned");
    assert_eq!(talk.closed("c"), Some(Cause::Banned));
    talk.run(|chat, at| chat.ban_address("192.0.2.1".parse().unwrap(), Some(0), at)).unwrap();
    talk.connect_from("d", Some("192.0.2.1")).unwrap();
    assert!(talk.say_hello("d", json!({}))["ok"].is_object());
}

#[test]
fn a_wish_for_heartbeats_is_met_within_the_engines_own_interval_however_short_that_is() {
    for (interval_ms, wish_ms, given_ms) in [
        (25_000, 10_000, 10_000),
        (25_000, 1, 1_000),
        (25_000, 60_000, 25_000),
        (400, 1, 400),
        (400, 5_000, 400),
    ] {
        let mut talk = Talk::with(|settings| settings.heartbeat_interval_ms = interval_ms);
        let answer = talk.hello("x", json!({ "heartbeat_ms": wish_ms }));
        assert_eq!(answer["ok"]["heartbeat_ms"], given_ms, "{interval_ms} {wish_ms}");
    }
}
