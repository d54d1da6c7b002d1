//! Who may do what: every cell.

use super::*;
use crate::message::RoomOptions;

const WHO: [&str; 7] = ["owner", "moderator", "member", "guest", "muted", "banned", "stranger"];

/// A room with somebody ("Me") who is what is said, and with Bob, a member. Both have said something, at 1 and 2.
fn room_with(me: &str) -> Talk {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Bob"]);
    let hello = if me == "guest" { json!({}) } else { json!({ "name": "Me" }) };
    assert!(talk.hello("Me", hello)["ok"].is_object());
    if me == "stranger" {
        talk.say("Bob", "lobby", "one");
    } else {
        talk.join("Me", "lobby");
        talk.say("Me", "lobby", "one");
    }
    talk.say("Bob", "lobby", "two");
    let user = talk.user("Me");
    match me {
        "owner" => talk.set_role("lobby", "Me", Role::Owner),
        "moderator" => talk.set_role("lobby", "Me", Role::Moderator),
        "muted" => talk.moderate("lobby", Moderation::Mute { user, seconds: None }),
        "banned" => talk.moderate("lobby", Moderation::Ban { user, seconds: None }),
        _ => {}
    }
    talk.forget();
    talk
}

/// What a request comes to, for each of [`WHO`].
type Row = (Value, [&'static str; 7]);

const YES: &str = "ok";
const NO: &str = "not_allowed";
const OUT: &str = "not_member";

fn rows() -> Vec<Row> {
    let lobby = |what: &str| json!({ "do": what, "room": "lobby" });
    let of = |what: &str, offset: u64| json!({ "do": what, "room": "lobby", "offset": offset, "mid": "x" });
    let and = |mut request: Value, name: &str, value: Value| {
        request[name] = value;
        request
    };
    let anybody = [YES; 7];
    let members = [YES, YES, YES, YES, YES, OUT, OUT];
    let speakers = [YES, YES, YES, YES, "muted", OUT, OUT];
    let nobody = [NO, NO, NO, NO, NO, OUT, OUT];
    let keepers = [YES, YES, NO, NO, NO, OUT, OUT];
    let named = [YES, YES, YES, NO, YES, YES, YES];
    let send = json!({ "do": "send", "mid": "x", "text": "x" });
    let react = and(and(of("react", 2), "emoji", json!("👍")), "add", json!(true));
    let mut rows = vec![
        (lobby("join"), [YES, YES, YES, YES, YES, "banned", YES]),
        (lobby("leave"), members),
        (lobby("history"), members),
        (and(lobby("history"), "after", json!(0)), members),
        (and(lobby("history"), "before", json!(9)), members),
        (and(lobby("history"), "around", json!(1)), members),
        (lobby("members"), members),
        (and(lobby("read"), "offset", json!(1)), members),
        (json!({ "do": "rooms" }), anybody),
        (json!({ "do": "rename", "name": "Zoe" }), anybody),
        (json!({ "do": "block", "user": "u1", "on": true }), anybody),
        (json!({ "do": "search", "query": "x", "room": "lobby" }), ["not_available"; 7]),
        (json!({ "do": "call", "method": "x", "data": 1 }), ["not_available"; 7]),
        (json!({ "do": "refresh", "token": "x" }), ["unauthorized"; 7]),
        (and(send.clone(), "room", json!("lobby")), speakers),
        (and(lobby("typing"), "state", json!("active")), speakers),
        (and(lobby("typing"), "state", json!("done")), speakers),
        (react, speakers),
        (and(of("edit", 1), "text", json!("y")), [YES, YES, YES, YES, "muted", OUT, OUT]),
        (of("delete", 1), members),
        (and(of("edit", 2), "text", json!("y")), nobody),
        (of("delete", 2), keepers),
        (and(lobby("tell"), "data", json!(1)), [YES, YES, YES, NO, "muted", OUT, OUT]),
        (json!({ "do": "tell", "to": "u1", "data": 1 }), named),
        (and(send, "to", json!("u1")), named),
    ];
    let act = |act: &str| and(lobby("moderate"), "act", json!(act));
    let bob = |request| and(request, "user", json!("u1"));
    for request in [
        bob(act("kick")),
        bob(act("mute")),
        and(bob(act("mute")), "seconds", json!(60)),
        bob(act("ban")),
        bob(act("unban")),
        and(act("slow"), "value", json!(5)),
        and(act("topic"), "value", json!("t")),
        act("clear"),
        bob(act("clear")),
    ] {
        rows.push((request, keepers));
    }
    for role in Role::ALL {
        let request = and(bob(act("role")), "value", json!(role.name()));
        rows.push((request, [YES, NO, NO, NO, NO, OUT, OUT]));
    }
    rows
}

#[test]
fn every_cell_of_who_may_do_what_is_as_it_is_documented_and_a_refusal_changes_nothing() {
    let mut wrong = Vec::new();
    for (request, cells) in rows() {
        for (me, expected) in WHO.into_iter().zip(cells) {
            let mut talk = room_with(me);
            let before = talk.top("lobby");
            let answer = talk.ask("Me", request.clone());
            let came = match answer["ok"].is_object() {
                true => "ok",
                false => answer["error"]["name"].as_str().unwrap_or("no answer"),
            };
            if came != expected {
                wrong.push(format!("{me}: {request} comes to {came}, not {expected}"));
            }
            if came != "ok" {
                assert_eq!(talk.top("lobby"), before, "{me}: {request}");
                assert_eq!(talk.kinds("Bob"), [""; 0], "{me}: {request}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_refused_in_a_read_only_room_is_what_the_table_says() {
    let cells = [YES, YES, NO, NO, "muted", OUT, OUT];
    for (me, expected) in WHO.into_iter().zip(cells) {
        let mut talk = room_with(me);
        let read_only = RoomOptions { read_only: Some(true), ..RoomOptions::default() };
        talk.run(|chat, at| chat.set_room("lobby", &read_only, at)).unwrap();
        let answer = talk.ask("Me", json!({ "do": "send", "room": "lobby", "mid": "x", "text": "x" }));
        let came = answer["error"]["name"].as_str().unwrap_or("ok");
        assert_eq!(came, expected, "{me}");
        // Everybody reads it.
        if expected != OUT {
            assert_eq!(
                talk.ok("Me", json!({ "do": "history", "room": "lobby" }))["messages"][0]["text"],
                "one"
            );
        }
    }
}

#[test]
fn nobody_moderates_those_beside_or_above_and_owners_everybody_but_the_host() {
    for (me, role, other, expected) in [
        ("moderator", Role::Moderator, Role::Owner, NO),
        ("moderator", Role::Moderator, Role::Moderator, NO),
        ("moderator", Role::Moderator, Role::Member, YES),
        ("moderator", Role::Moderator, Role::Guest, YES),
        ("owner", Role::Owner, Role::Owner, YES),
        ("owner", Role::Owner, Role::Moderator, YES),
    ] {
        for act in ["kick", "mute", "ban", "clear"] {
            let mut talk = room_with(me);
            talk.set_role("lobby", "Me", role);
            talk.set_role("lobby", "Bob", other);
            let answer =
                talk.ask("Me", json!({ "do": "moderate", "room": "lobby", "act": act, "user": "u1" }));
            let came = answer["error"]["name"].as_str().unwrap_or("ok");
            assert_eq!(came, expected, "{me}, {act}, {other:?}");
        }
    }
    let mut talk = room_with("owner");
    for act in ["kick", "mute", "ban", "clear"] {
        let request = json!({ "do": "moderate", "room": "lobby", "act": act, "user": "host" });
        assert!(talk.ask("Me", request)["error"].is_object(), "{act} of the host");
    }
}

#[test]
fn clear_takes_away_what_one_said_or_all_and_leaves_the_rest() {
    for (user, left) in [(Some("u1"), vec!["one"]), (None, vec![])] {
        let mut talk = room_with("moderator");
        let mut request = json!({ "do": "moderate", "room": "lobby", "act": "clear" });
        if let Some(user) = user {
            request["user"] = user.into();
        }
        talk.ok("Me", request);
        assert_eq!(talk.kinds("Bob"), ["moderation"]);
        let page = talk.ok("Bob", json!({ "do": "history", "room": "lobby" }));
        assert_eq!(texts_of(&page), left);
        assert_eq!(page["messages"].as_array().unwrap().len(), 2, "their places are there");
    }
}

#[test]
fn whom_the_host_did_not_name_is_banned_with_the_address_and_comes_back_with_it_when_unbanned() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Max"]);
    talk.set_role("lobby", "Max", Role::Moderator);
    talk.connect_from("Troll", Some("192.0.2.7")).unwrap();
    talk.say_hello("Troll", json!({ "name": "Troll" }));
    talk.join("Troll", "lobby");
    let troll = talk.id("Troll");
    let ban = json!({ "do": "moderate", "room": "lobby", "act": "ban", "user": troll });
    talk.ok("Max", ban);
    assert_eq!(talk.heard("Troll").last().unwrap()["reason"], "banned");
    let come = |talk: &mut Talk, who: &str, from: &str| {
        talk.connect_from(who, Some(from)).unwrap();
        talk.say_hello(who, json!({}));
        talk.ask(who, json!({ "do": "join", "room": "lobby" }))["error"]["name"].clone()
    };
    assert_eq!(come(&mut talk, "a", "192.0.2.7"), "banned");
    assert_eq!(come(&mut talk, "b", "192.0.2.8"), Value::Null);
    let log = talk.ok("Max", json!({ "do": "history", "room": "lobby", "after": 0 }));
    assert!(!log.to_string().contains("192.0.2"), "no address stands in a log");
    let unban = json!({ "do": "moderate", "room": "lobby", "act": "unban", "user": troll });
    talk.ok("Max", unban);
    assert_eq!(come(&mut talk, "c", "192.0.2.7"), Value::Null);
    talk.join("Troll", "lobby");
}

#[test]
fn a_ban_of_whom_the_host_named_keeps_out_nobody_else_at_that_address() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Bob"]);
    let token = talk.ticket(Admission::user("ann-1", "Ann"));
    talk.connect_from("Ann", Some("192.0.2.7")).unwrap();
    talk.say_hello("Ann", json!({ "token": token }));
    talk.join("Ann", "lobby");
    talk.moderate("lobby", Moderation::Ban { user: talk.user("Ann"), seconds: None });
    assert_eq!(talk.no("Ann", json!({ "do": "join", "room": "lobby" })), "banned");
    talk.connect_from("Cy", Some("192.0.2.7")).unwrap();
    talk.say_hello("Cy", json!({ "name": "Cy" }));
    talk.join("Cy", "lobby");
}

#[test]
fn a_role_of_a_room_holds_there_alone_and_survives_leaving() {
    let mut talk = Talk::new();
    talk.come_to("lobby", &["Ann", "Bob"]);
    talk.join("Ann", "den");
    talk.join("Bob", "den");
    talk.set_role("lobby", "Ann", Role::Moderator);
    let kick = |room: &str| json!({ "do": "moderate", "room": room, "act": "kick", "user": "u2" });
    assert_eq!(talk.no("Ann", kick("den")), "not_allowed");
    talk.ok("Ann", json!({ "do": "leave", "room": "lobby" }));
    assert_eq!(talk.no("Ann", kick("lobby")), "not_member");
    talk.join("Ann", "lobby");
    talk.ok("Ann", kick("lobby"));
    assert_eq!(talk.no("Ann", kick("lobby")), "unknown_user", "he is not there any more");
}

#[test]
fn a_room_that_is_full_is_told_so_but_not_to_whom_the_host_puts_there() {
    let mut talk = Talk::new();
    talk.come_to("den", &["Ann", "Bob"]);
    let small = RoomOptions { max_member_count: Some(2), ..RoomOptions::default() };
    talk.run(|chat, at| chat.set_room("den", &small, at)).unwrap();
    talk.come("Cy");
    assert_eq!(talk.no("Cy", json!({ "do": "join", "room": "den" })), "too_many");
    talk.run(|chat, at| chat.join("den", "u3", at)).unwrap();
    assert_eq!(talk.kinds("Cy"), ["joined"]);
}
