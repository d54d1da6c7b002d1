//! How much anybody gets, and what becomes of who asks for more.

use super::*;

#[test]
fn a_connection_is_in_so_many_rooms_and_one_it_leaves_makes_place() {
    let mut talk = Talk::with(|settings| settings.max_connection_room_count = 3);
    talk.come("Ann");
    for room in ["a", "b", "c"] {
        talk.join("Ann", room);
    }
    assert_eq!(talk.no("Ann", json!({ "do": "join", "room": "d" })), "too_many_rooms");
    talk.join("Ann", "b");
    talk.ok("Ann", json!({ "do": "leave", "room": "a" }));
    talk.join("Ann", "d");
    // A resume is no way around it.
    let session = talk.session("Ann");
    let nowhere = json!({ "epoch": 1, "offset": 1 });
    let rooms = json!({ "a": nowhere, "b": nowhere, "x": nowhere });
    let ok = talk.resume("again", &session, rooms);
    assert_eq!(ok["rooms"]["b"]["recovered"], false);
    for room in ["a", "x"] {
        assert_eq!(ok["rooms"][room]["error"]["name"], "too_many_rooms");
    }
}

#[test]
fn joining_room_after_room_forgets_those_that_are_empty() {
    let mut talk = Talk::with(|settings| settings.max_room_count = 5);
    talk.come("Ann");
    for n in 0..200 {
        talk.join("Ann", &n.to_string());
        talk.say("Ann", &n.to_string(), "x");
        talk.ok("Ann", json!({ "do": "leave", "room": n.to_string() }));
    }
    assert_eq!(talk.chat.room_count(), 5);
    assert!(talk.log.held_bytes() < 10_000, "{} bytes", talk.log.held_bytes());
    // All are full: nobody makes another.
    for n in 0..5 {
        talk.join("Ann", &n.to_string());
    }
    assert_eq!(talk.no("Ann", json!({ "do": "join", "room": "six" })), "too_many_rooms");
}

#[test]
fn a_user_has_so_many_connections_and_one_more_is_closed() {
    let mut talk = Talk::with(|settings| settings.max_user_connection_count = 2);
    let ann = || Admission::user("ann-1", "Ann");
    talk.admit("one", ann());
    talk.admit("two", ann());
    assert_eq!(talk.admit("three", ann())["error"]["name"], "too_many");
    assert_eq!(talk.closed("three"), Some(Cause::TooManyConnections));
    // Taking one's own place over is not one more.
    let session = talk.session("one");
    talk.resume("again", &session, json!({}));
    talk.cut("two");
    assert!(talk.admit("four", ann())["ok"].is_object());
    // Nor does a session that is away get past it.
    assert_eq!(talk.admit("five", ann())["error"]["name"], "too_many");
}

#[test]
fn so_many_users_can_be_blocked() {
    let mut talk = Talk::new();
    talk.come("Ann");
    let block = |n: u64, on: bool| json!({ "do": "block", "user": format!("x{n}"), "on": on });
    for n in 0..1_000 {
        talk.ok("Ann", block(n, true));
    }
    assert_eq!(talk.no("Ann", block(1_000, true)), "too_many");
    talk.ok("Ann", block(7, true));
    talk.ok("Ann", block(7, false));
    talk.ok("Ann", block(1_000, true));
    assert_eq!(talk.no("Ann", json!({ "do": "block", "user": "u1", "on": true })), "bad_request");
}

#[test]
fn a_page_holds_so_many_messages_and_so_many_bytes_and_goes_on() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann"]);
    let long = "x".repeat(16_000);
    for _ in 0..40 {
        talk.say("Ann", "lobby", &long);
    }
    let sizes = |talk: &mut Talk, request: Value| {
        let ok = talk.ok("Ann", request);
        assert!(ok.to_string().len() <= 256 * 1_024, "{} bytes", ok.to_string().len());
        assert_eq!(ok["more"], true);
        texts_of(&ok).len()
    };
    for way in [json!({}), json!({ "after": 0 }), json!({ "before": 41 }), json!({ "around": 20 })] {
        let mut request = json!({ "do": "history", "room": "lobby", "limit": 100 });
        request.as_object_mut().unwrap().extend(way.as_object().unwrap().clone());
        let count = sizes(&mut talk, request.clone());
        assert!((1..40).contains(&count), "{request}: {count}");
    }
    assert!(sizes(&mut talk, json!({ "do": "join", "room": "lobby", "history": 100 })) < 40);
    let limited = json!({ "do": "history", "room": "lobby", "limit": 1 });
    assert_eq!(sizes(&mut talk, limited), 1);
}

#[test]
fn all_rooms_of_a_resume_together_hold_no_more_than_one_page() {
    let mut talk = Talk::new();
    talk.come("Ann");
    let (long, mut rooms) = ("x".repeat(16_000), serde_json::Map::new());
    for n in 0..30 {
        let room = format!("room {n}");
        rooms.insert(room.clone(), place(&talk.join("Ann", &room)));
    }
    for n in 0..30 {
        for _ in 0..5 {
            talk.say("Ann", &format!("room {n}"), &long);
        }
    }
    let session = talk.session("Ann");
    let ok = talk.resume("again", &session, rooms.into());
    let bytes = ok.to_string().len();
    assert!(bytes <= 2 * 256 * 1_024, "{bytes} bytes");
    // Nothing is passed over in silence: each room has its beginning, and says that there is more.
    for n in 0..30 {
        let room = &ok["rooms"][format!("room {n}")];
        assert_eq!(room["recovered"], true, "room {n}");
        let count = room["records"].as_array().unwrap().len();
        assert!(count == 5 || room["more"] == true, "room {n}: {count}");
    }
}

#[test]
fn what_is_too_long_is_refused_and_not_cut() {
    let mut talk = Talk::with(|settings| (settings.max_text_bytes, settings.max_data_bytes) = (10, 20));
    talk.come_to("lobby", &["Ann"]);
    let send = |text: &str, data: Value| json!({ "do": "send", "room": "lobby", "mid": "m", "text": text, "data": data });
    assert_eq!(talk.no("Ann", send("0123456789x", json!(1))), "too_long");
    assert_eq!(talk.no("Ann", send("x", json!("0123456789012345678"))), "too_long");
    assert_eq!(
        talk.no("Ann", json!({ "do": "tell", "room": "lobby", "data": "0123456789012345678" })),
        "too_long"
    );
    talk.ok("Ann", send("0123456789", json!("012345678901234567")));
}

#[test]
fn what_is_told_too_fast_is_refused_and_typing_is_left_out() {
    let mut talk = Talk::with(|settings| settings.tell_rate = Rate { per_second: 2, burst: 3 });
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.turn(500);
    let tell = || json!({ "do": "tell", "room": "lobby", "data": 1 });
    for _ in 0..3 {
        talk.ok("Ann", tell());
    }
    let error = talk.error("Ann", tell());
    assert_eq!((&error["name"], &error["retry_after_ms"]), (&json!("rate_limited"), &json!(500)));
    talk.forget();
    talk.ok("Ann", json!({ "do": "typing", "room": "lobby", "state": "active" }));
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    // It is a rate of its own: messages go on.
    talk.say("Ann", "lobby", "x");
    talk.turn(500);
    talk.ok("Ann", tell());
}

#[test]
fn who_comes_and_goes_too_fast_or_shows_tokens_too_often_is_refused() {
    let mut talk = Talk::with(|settings| settings.tell_rate = Rate { per_second: 2, burst: 3 });
    talk.come_to("lobby", &["Bob"]);
    talk.come("Ann");
    let join = || json!({ "do": "join", "room": "lobby" });
    for _ in 0..3 {
        talk.ok("Ann", join());
        talk.ok("Ann", json!({ "do": "leave", "room": "lobby" }));
    }
    talk.forget();
    let error = talk.error("Ann", join());
    assert_eq!((&error["name"], &error["retry_after_ms"]), (&json!("rate_limited"), &json!(500)));
    assert_eq!(talk.no("Ann", json!({ "do": "refresh", "token": "guessed" })), "rate_limited");
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    talk.turn(500);
    talk.ok("Ann", join());
    // Where one is already, one may look as often as one likes.
    talk.ok("Ann", join());
}

#[test]
fn fifty_refusals_in_ten_seconds_are_a_flood_and_fewer_are_not() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    let wrong = || json!({ "do": "leave", "room": "nowhere" });
    for _ in 0..5 {
        for _ in 0..49 {
            talk.no("Ann", wrong());
        }
        talk.turn(10_000);
    }
    assert_eq!(talk.closed("Ann"), None);
    for _ in 0..50 {
        talk.no("Ann", wrong());
    }
    assert_eq!(talk.closed("Ann"), Some(Cause::Flood));
    assert_eq!(talk.closed("Bob"), None);
}

#[test]
fn texts_that_are_no_requests_and_refusals_that_nobody_asked_for_count_too() {
    for text in ["nonsense", r#"{"do":"dance"}"#, r#"{"do":"leave","room":"nowhere"}"#] {
        let mut talk = Talk::new();
        talk.come("Ann");
        let connection = talk.people["Ann"].connection;
        for n in 0..50 {
            assert_eq!(talk.closed("Ann"), None, "{text}, {n}");
            talk.text(connection, text);
        }
        assert_eq!(talk.closed("Ann"), Some(Cause::Flood), "{text}");
    }
}

#[test]
fn also_before_hello_refusals_are_counted() {
    let mut talk = Talk::new();
    talk.come("Ann");
    talk.connect("x");
    for _ in 0..50 {
        talk.say_hello("x", json!({ "name": "Ann" }));
    }
    assert_eq!(talk.closed("x"), Some(Cause::Flood));
}
