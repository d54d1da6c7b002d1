//! Who is here, what they are called, what they show one another, and whom somebody does not want to see.

use super::*;

#[test]
fn the_first_connection_in_and_the_last_one_out_are_seen_and_no_other() {
    let mut talk = Talk::with(|settings| settings.linger_ms = 0);
    talk.come_to("lobby", &["Bob"]);
    for who in ["one", "two"] {
        talk.admit(who, Admission::user("ann-1", "Ann"));
        talk.join(who, "lobby");
    }
    let heard = talk.heard("Bob");
    assert_eq!((heard.len(), &heard[0]["on"], &heard[0]["name"]), (1, &json!("join"), &json!("Ann")));
    talk.ok("one", json!({ "do": "leave", "room": "lobby" }));
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    talk.say("two", "lobby", "still here");
    talk.cut("two");
    talk.turn(0);
    assert_eq!(talk.kinds("Bob"), ["message", "leave"]);
}

#[test]
fn above_max_presence_count_only_the_number_is_told_and_once_a_second_at_the_most() {
    let mut talk = Talk::with(|settings| settings.max_presence_count = 3);
    talk.come_to("lobby", &["a", "b", "c"]);
    for round in 1..=3_u64 {
        for n in 0..10 {
            let who = format!("x{round} {n}");
            talk.come(&who);
            talk.join(&who, "lobby");
        }
        assert_eq!(talk.kinds("a"), [""; 0], "a moment later");
        talk.turn(1_000);
        let told = talk.heard("a");
        let members = json!({
            "on": "members", "room": "lobby", "member_count": 3 + 10 * round, "changed": true
        });
        assert_eq!(told, [members]);
    }
    let ok = talk.ok("a", json!({ "do": "members", "room": "lobby", "limit": 5 }));
    assert_eq!(ok["member_count"], 33);
}

#[test]
fn members_are_given_part_by_part_each_once() {
    let mut talk = Talk::new();
    for n in 0..23 {
        let who = format!("m{n}");
        talk.come(&who);
        talk.join(&who, "lobby");
    }
    let mut names = Vec::new();
    let mut request = json!({ "do": "members", "room": "lobby", "limit": 5 });
    loop {
        let ok = talk.ok("m0", request.clone());
        let page = ok["members"].as_array().unwrap();
        assert!(page.len() <= 5 && ok["member_count"] == 23);
        names.extend(page.iter().map(|member| member["name"].as_str().unwrap().to_owned()));
        match ok.get("cursor") {
            Some(cursor) => request["cursor"] = cursor.clone(),
            None => break,
        }
    }
    assert_eq!(names, (0..23).map(|n| format!("m{n}")).collect::<Vec<_>>());
}

#[test]
fn a_new_name_is_told_in_every_room_of_its_user_and_the_old_one_is_free() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    for who in ["Ann", "Bob"] {
        talk.join(who, "den");
    }
    talk.come("Cy");
    talk.forget();
    let ok = talk.ok("Ann", json!({ "do": "rename", "name": "Anna" }));
    assert_eq!(ok["name"], "Anna");
    let told = talk.heard("Bob");
    assert_eq!(told.len(), 2);
    for (event, room) in told.iter().zip(["lobby", "den"]) {
        assert_eq!((&event["on"], &event["room"]), (&json!("rename"), &json!(room)));
        assert_eq!((&event["user"], &event["name"]), (&json!("u1"), &json!("Anna")));
    }
    assert_eq!(talk.kinds("Cy"), [""; 0]);
    talk.say("Ann", "lobby", "it is me");
    assert_eq!(talk.heard("Bob")[0]["message"]["name"], "Anna");
    let members = talk.ok("Bob", json!({ "do": "members", "room": "lobby" }));
    assert_eq!(members["members"][0]["name"], "Anna");
    assert_eq!(talk.error("Cy", json!({ "do": "rename", "name": "anna" }))["name"], "name_taken");
    assert_eq!(talk.ok("Cy", json!({ "do": "rename", "name": "Ann" }))["name"], "Ann");
    // One's own name, and another spelling of it, are no other's.
    talk.forget();
    talk.ok("Ann", json!({ "do": "rename", "name": "Anna" }));
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    talk.ok("Ann", json!({ "do": "rename", "name": "ANNA" }));
}

#[test]
fn whom_the_host_named_does_not_take_another_name() {
    let mut talk = Talk::new();
    talk.admit("Ann", Admission::user("ann-1", "Ann"));
    assert_eq!(talk.no("Ann", json!({ "do": "rename", "name": "Zoe" })), "not_allowed");
}

fn block(who: &str, on: bool) -> Value {
    json!({ "do": "block", "user": who, "on": on })
}

#[test]
fn nothing_is_seen_of_whom_one_has_blocked_and_all_of_it_by_others() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob", "Cy"]);
    talk.ok("Ann", block("u2", true));
    let of = talk.say("Bob", "lobby", "hello")["offset"].clone();
    talk.ok("Bob", json!({ "do": "edit", "room": "lobby", "offset": of, "mid": "e", "text": "ho" }));
    talk.ok("Bob", json!({ "do": "typing", "room": "lobby", "state": "active" }));
    talk.ok("Bob", json!({ "do": "read", "room": "lobby", "offset": of }));
    talk.ok("Bob", json!({ "do": "tell", "room": "lobby", "data": 1 }));
    talk.ok("Bob", json!({ "do": "tell", "to": "u1", "data": 1 }));
    talk.ok("Bob", json!({ "do": "leave", "room": "lobby" }));
    talk.join("Bob", "lobby");
    assert_eq!(talk.kinds("Ann"), [""; 0]);
    assert_eq!(talk.kinds("Cy"), ["message", "edit", "typing", "read", "tell", "leave", "join"]);
    for request in [
        json!({ "do": "history", "room": "lobby" }),
        json!({ "do": "history", "room": "lobby", "after": 0 }),
        json!({ "do": "join", "room": "lobby" }),
        json!({ "do": "rooms" }),
    ] {
        let seen = talk.ok("Ann", request);
        assert!(!seen.to_string().contains("\"ho\""), "{seen}");
    }
    talk.ok("Ann", block("u2", false));
    talk.say("Bob", "lobby", "again");
    assert_eq!(talk.texts("Ann"), ["again"]);
    assert_eq!(texts_of(&talk.ok("Ann", json!({ "do": "history", "room": "lobby" }))), ["ho", "again"]);
}

/// Follows the rule of positions, as a client does. Gives how many records were taken.
fn follow(mut mine: Value, records: &[Value]) -> usize {
    for record in records {
        let at = place(record);
        let before = match record.get("prev") {
            Some(Value::Null) => json!({ "epoch": at["epoch"], "offset": 0 }),
            Some(prev) => prev.clone(),
            None => json!({ "epoch": at["epoch"], "offset": at["offset"].as_u64().unwrap() - 1 }),
        };
        assert_eq!(before["offset"], mine["offset"], "no gap, no duplicate, no rollback: {record}");
        mine = at;
    }
    records.len()
}

#[test]
fn what_a_block_leaves_out_is_no_gap_as_it_happens_nor_in_what_was_missed() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob", "Cy"]);
    talk.say("Cy", "lobby", "0");
    talk.ok("Ann", block("u2", true));
    let seen = place(&talk.join("Ann", "lobby"));
    talk.forget();
    for who in ["Bob", "Cy", "Bob", "Bob", "Cy", "Cy", "Bob", "Ann", "Bob"] {
        talk.say(who, "lobby", who);
    }
    let heard = talk.heard("Ann");
    assert_eq!(follow(seen.clone(), &heard), 4);
    let after = json!({ "do": "history", "room": "lobby", "after": seen["offset"] });
    let page = talk.ok("Ann", after);
    assert_eq!(follow(seen.clone(), page["records"].as_array().unwrap()), 4);
    let ok = talk.ok("Ann", json!({ "do": "join", "room": "lobby", "since": seen }));
    assert_eq!((&ok["recovered"], follow(seen, ok["records"].as_array().unwrap())), (&json!(true), 4));
    // Goes on from the newest position, though that is Bob's.
    let mine = place(&ok);
    talk.say("Bob", "lobby", "x");
    talk.say("Cy", "lobby", "y");
    assert_eq!(follow(mine, &talk.heard("Ann")), 1);
}

#[test]
fn a_page_of_nothing_but_what_is_blocked_is_empty_and_goes_on() {
    let mut talk = Talk::with(|settings| settings.max_page_count = 5);
    talk.come_to("lobby", &["Ann", "Bob", "Cy"]);
    talk.ok("Ann", block("u2", true));
    talk.say("Cy", "lobby", "first");
    for n in 0..12 {
        talk.say("Bob", "lobby", &n.to_string());
    }
    talk.say("Cy", "lobby", "last");
    let ok = talk.ok("Ann", json!({ "do": "history", "room": "lobby", "after": 0 }));
    assert_eq!((texts_of(&ok), &ok["more"]), (vec!["first", "last"], &json!(false)));
}

#[test]
fn read_marks_only_rise_and_count_what_is_unread() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    for n in 0..3 {
        talk.say("Bob", "lobby", &n.to_string());
    }
    talk.forget();
    let read = |offset: u64| json!({ "do": "read", "room": "lobby", "offset": offset });
    assert_eq!(talk.ok("Ann", read(2))["offset"], 2);
    assert_eq!(talk.heard("Bob"), [json!({ "on": "read", "room": "lobby", "user": "u1", "offset": 2 })]);
    assert_eq!(talk.ok("Ann", read(1))["offset"], 2);
    assert_eq!(talk.ok("Ann", read(2))["offset"], 2);
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    let joined = talk.join("Ann", "lobby");
    assert_eq!((&joined["read"], &joined["unread_count"]), (&json!(2), &json!(1)));
    let rooms = talk.ok("Ann", json!({ "do": "rooms" }));
    assert_eq!((&rooms["rooms"][0]["read"], &rooms["rooms"][0]["unread_count"]), (&json!(2), &json!(1)));
}

#[test]
fn what_is_deleted_or_of_somebody_blocked_is_not_unread() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob", "Cy"]);
    talk.say("Bob", "lobby", "one");
    talk.say("Cy", "lobby", "two");
    talk.say("Bob", "lobby", "three");
    let unread = |talk: &mut Talk| talk.join("Ann", "lobby")["unread_count"].clone();
    assert_eq!(unread(&mut talk), 3);
    talk.ok("Bob", json!({ "do": "delete", "room": "lobby", "offset": 1, "mid": "d" }));
    assert_eq!(unread(&mut talk), 2);
    talk.ok("Ann", json!({ "do": "block", "user": "u3", "on": true }));
    assert_eq!(unread(&mut talk), 1);
    let rooms = talk.ok("Ann", json!({ "do": "rooms" }));
    assert_eq!(rooms["rooms"][0]["unread_count"], 1);
}

#[test]
fn a_room_that_was_begun_anew_is_unread() {
    let mut talk = Talk::with(|settings| settings.max_room_count = 1);
    talk.come_to("den", &["Ann"]);
    for n in 0..3 {
        talk.say("Ann", "den", &n.to_string());
    }
    talk.ok("Ann", json!({ "do": "read", "room": "den", "offset": 3 }));
    for (room, what) in [("den", "leave"), ("other", "join"), ("other", "leave")] {
        talk.ok("Ann", json!({ "do": what, "room": room }));
    }
    talk.come_to("den", &["Bob"]);
    for n in 0..5 {
        talk.say("Bob", "den", &n.to_string());
    }
    let joined = talk.join("Ann", "den");
    assert_eq!((&joined["read"], &joined["unread_count"]), (&json!(0), &json!(5)));
    assert_eq!(talk.ok("Ann", json!({ "do": "read", "room": "den", "offset": 1 }))["offset"], 1);
}

#[test]
fn typing_is_shown_to_the_room_and_stands_in_no_log() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.come_to("den", &["Cy"]);
    let top = talk.top("lobby");
    for state in ["active", "done"] {
        talk.ok("Ann", json!({ "do": "typing", "room": "lobby", "state": state }));
        let event = json!({ "on": "typing", "room": "lobby", "user": "u1", "state": state });
        assert_eq!(talk.heard("Bob"), [event]);
    }
    assert_eq!((talk.top("lobby"), talk.kinds("Cy")), (top, vec![]));
}

#[test]
fn what_is_told_goes_to_those_who_are_here_as_it_was_written() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.come("Cy");
    let data = json!({ "x": 1.5, "list": [null, true] });
    talk.ok("Ann", json!({ "do": "tell", "room": "lobby", "data": data }));
    let event = json!({ "on": "tell", "room": "lobby", "user": "u1", "data": data });
    assert_eq!((talk.heard("Bob"), talk.kinds("Cy")), (vec![event], vec![]));
    talk.ok("Ann", json!({ "do": "tell", "to": "u3", "data": 1 }));
    assert_eq!(talk.heard("Cy"), [json!({ "on": "tell", "user": "u1", "data": 1 })]);
    assert_eq!(talk.no("Ann", json!({ "do": "tell", "to": "nobody", "data": 1 })), "unknown_user");
    talk.run(|chat, at| chat.tell_user("u3", "[2]", at)).unwrap();
    assert_eq!(talk.heard("Cy"), [json!({ "on": "tell", "data": [2] })]);
}

#[test]
fn rooms_are_listed_with_their_topic_and_last_message_part_by_part() {
    let mut talk = Talk::new();
    talk.come("Ann");
    for n in 0..7 {
        talk.join("Ann", &format!("room {n}"));
    }
    talk.say("Ann", "room 3", "hi");
    talk.moderate("room 3", Moderation::Topic { topic: "three".into() });
    let mut lines = Vec::new();
    let mut request = json!({ "do": "rooms", "limit": 3 });
    loop {
        let ok = talk.ok("Ann", request.clone());
        lines.extend(ok["rooms"].as_array().unwrap().clone());
        match ok.get("cursor") {
            Some(cursor) => request["cursor"] = cursor.clone(),
            None => break,
        }
    }
    let names: Vec<_> = lines.iter().map(|line| line["room"].as_str().unwrap()).collect();
    assert_eq!(names, (0..7).map(|n| format!("room {n}")).collect::<Vec<_>>());
    assert_eq!((&lines[3]["topic"], &lines[3]["last"]["text"]), (&json!("three"), &json!("hi")));
    assert_eq!(talk.no("Ann", json!({ "do": "rooms", "cursor": "x" })), "bad_request");
}
