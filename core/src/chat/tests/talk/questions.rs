//! What waits for the host: its answer, its silence, and who is gone meanwhile.

use super::*;
use crate::event::Subject;

fn send(mid: &str, text: &str) -> Value {
    json!({ "do": "send", "room": "lobby", "mid": mid, "text": text })
}

fn asking() -> Talk {
    Talk::with(|settings| {
        settings.ask_may_join = true;
        settings.ask_may_send = true;
        settings.ask_call = true;
    })
}

/// Asks for something about which the host is asked, and has it answered.
fn asked(talk: &mut Talk, who: &str, request: Value, verdict: Verdict) -> (Question, Value) {
    assert_eq!(talk.ask(who, request), Value::Null, "it waits");
    assert!(talk.people[who].is_held, "nothing else is read meanwhile");
    let question = talk.reply(verdict);
    assert!(!talk.people[who].is_held, "it is read on");
    (question, talk.answer(who))
}

fn no(words: &str) -> Verdict {
    Verdict::Refuse(words.into())
}

#[test]
fn a_hello_waits_for_the_host_which_sees_name_token_and_request() {
    let mut talk = Talk::with(|settings| settings.ask_admit = true);
    assert_eq!(talk.hello("x", json!({ "name": "Ann", "token": "t0k3n" })), Value::Null);
    let admission = Admission { role: Role::Owner, ..Admission::user("ann-1", "Ann A.") };
    let question = talk.reply(Verdict::AllowAs(admission));
    let Subject::Admit { dialect, room, path, query, name, token, .. } = question.subject else { panic!() };
    assert_eq!((dialect, room, path.as_str(), query.as_str()), (Dialect::V1, None, "/chat", "a=1"));
    assert_eq!((name.as_deref(), token.as_deref()), (Some("Ann"), Some("t0k3n")));
    let ok = talk.answer("x")["ok"].clone();
    assert_eq!((&ok["user"], &ok["name"]), (&json!("ann-1"), &json!("Ann A.")));
    assert!(!talk.people["x"].is_held);
    assert!(talk.told.iter().all(|event| !format!("{event:?}").contains("t0k3n")), "an event has the token");
}

#[test]
fn an_allowed_hello_is_who_it_says_and_a_refused_one_is_closed_with_the_hosts_words() {
    let mut talk = Talk::with(|settings| settings.ask_admit = true);
    talk.hello("Ann", json!({ "name": "Ann" }));
    talk.reply(Verdict::Allow);
    let answer = talk.answer("Ann");
    assert_eq!(answer["ok"]["name"], "Ann");
    talk.hello("x", json!({ "name": "Eve" }));
    talk.reply(no("members only"));
    let error = talk.answer("x")["error"].clone();
    assert_eq!((&error["name"], &error["message"]), (&json!("unauthorized"), &json!("members only")));
    assert_eq!(talk.closed("x"), Some(Cause::Unauthorized));
    // The name is nobody's.
    talk.hello("y", json!({ "name": "Eve" }));
    talk.reply(Verdict::Allow);
    assert_eq!(talk.answer("y")["ok"]["name"], "Eve");
}

#[test]
fn silence_is_no() {
    let mut talk = asking();
    talk.settings.ask_admit = true;
    talk.chat = Chat::new(talk.settings.clone(), 1);
    talk.hello("x", json!({ "name": "Eve" }));
    talk.turn(talk.settings.question_timeout_ms - 1);
    assert_eq!(talk.closed("x"), None);
    talk.turn(1);
    // It may come back: it is not that the host has said no.
    assert_eq!(talk.answer("x")["error"]["name"], "busy");
    assert_eq!(talk.closed("x"), Some(Cause::Overload));
    talk.asked.clear();
    talk.hello("Ann", json!({ "name": "Ann" }));
    talk.reply(Verdict::Allow);
    for request in
        [json!({ "do": "join", "room": "lobby" }), json!({ "do": "call", "method": "m", "data": 1 })]
    {
        assert_eq!(talk.ask("Ann", request), Value::Null);
        talk.turn(talk.settings.question_timeout_ms);
        assert_eq!(talk.answer("Ann")["error"]["name"], "refused");
        assert!(!talk.people["Ann"].is_held);
    }
    // An answer that comes too late has no question any more.
    let late = talk.asked.pop_back().unwrap().id;
    assert!(talk.run(|chat, at| chat.answer(late, Verdict::Allow, at)).is_err());
}

#[test]
fn what_waits_for_the_host_never_gets_into_a_room_that_has_taken_the_place_of_its_own() {
    let mut talk = Talk::with(|settings| (settings.ask_may_send, settings.max_room_count) = (true, 1));
    talk.come_to("lobby", &["Ann"]);
    talk.come("Bob");
    assert_eq!(talk.ask("Ann", send("1", "for the lobby alone")), Value::Null);
    talk.run(|chat, at| chat.leave("lobby", "u1", at)).unwrap();
    talk.join("Bob", "den");
    talk.run(|chat, at| chat.join("den", "u1", at)).unwrap();
    talk.forget();
    talk.reply(Verdict::Allow);
    assert_eq!(talk.answer("Ann")["error"]["name"], "not_member");
    assert_eq!(talk.kinds("Bob"), [""; 0]);
}

#[test]
fn who_cannot_be_asked_about_is_sent_away_for_a_while_and_not_for_good() {
    let mut talk = Talk::with(|settings| (settings.ask_admit, settings.question_count) = (true, 1));
    talk.hello("Ann", json!({ "name": "Ann" }));
    let answer = talk.hello("x", json!({ "name": "Eve" }));
    assert_eq!(answer["error"]["name"], "busy");
    assert_eq!(talk.closed("x"), Some(Cause::Overload));
    talk.reply(Verdict::Allow);
    talk.answer("Ann");
    // A token that nobody has looked at is not a wrong one.
    let refresh = json!({ "do": "refresh", "token": "t" });
    assert_eq!(talk.ask("Ann", refresh), Value::Null);
    talk.turn(talk.settings.question_timeout_ms);
    assert_eq!(talk.answer("Ann")["error"]["name"], "busy");
    assert_eq!(talk.closed("Ann"), None);
}

#[test]
fn a_name_that_was_taken_while_the_host_thought_is_refused_and_another_hello_may_follow() {
    let mut talk = Talk::with(|settings| settings.ask_admit = true);
    talk.hello("x", json!({ "name": "Ann" }));
    talk.hello("y", json!({ "name": "Ann" }));
    talk.reply(Verdict::Allow);
    talk.reply(Verdict::Allow);
    let (x, y) = (talk.answer("x"), talk.answer("y"));
    assert_eq!((&x["ok"]["name"], &y["error"]["name"]), (&json!("Ann"), &json!("name_taken")));
    assert_eq!(talk.say_hello("y", json!({ "name": "Eve" })), Value::Null);
    talk.reply(Verdict::Allow);
    assert_eq!(talk.answer("y")["ok"]["name"], "Eve");
}

#[test]
fn a_refreshed_token_is_the_hosts_to_judge_and_a_refused_one_leaves_the_end_where_it_is() {
    let mut talk = Talk::with(|settings| settings.ask_admit = true);
    let until = |talk: &Talk, ms| {
        Verdict::AllowAs(Admission {
            expires_at_ms: Some(talk.now.unix_ms + ms),
            ..Admission::user("ann-1", "Ann")
        })
    };
    talk.hello("Ann", json!({ "token": "one" }));
    let first = until(&talk, 10_000);
    talk.reply(first);
    talk.answer("Ann");
    let refresh = json!({ "do": "refresh", "token": "two" });
    let (_, answer) = asked(&mut talk, "Ann", refresh.clone(), no("old"));
    assert_eq!(answer["error"]["name"], "unauthorized");
    let other = Verdict::AllowAs(Admission::user("bob-1", "Bob"));
    let (_, answer) = asked(&mut talk, "Ann", refresh.clone(), other);
    assert_eq!(answer["error"]["name"], "unauthorized");
    let later = until(&talk, 30_000);
    let (question, answer) = asked(&mut talk, "Ann", refresh, later);
    assert!(answer["ok"]["expires_at"].is_u64());
    let Subject::Admit { token, .. } = question.subject else { panic!() };
    assert_eq!(token.as_deref(), Some("two"));
    talk.turn(29_999);
    assert_eq!(talk.closed("Ann"), None);
    talk.turn(1);
    assert_eq!(talk.closed("Ann"), Some(Cause::Unauthorized));
}

#[test]
fn the_host_is_asked_before_each_coming_and_its_words_are_the_refusal() {
    let mut talk = asking();
    talk.come("Ann");
    let join = || json!({ "do": "join", "room": "lobby" });
    let (question, answer) = asked(&mut talk, "Ann", join(), no("not today"));
    let Subject::MayJoin { room, user, name } = question.subject else { panic!() };
    assert_eq!((room.as_str(), user.as_str(), name.as_deref()), ("lobby", "u1", Some("Ann")));
    assert_eq!(
        (&answer["error"]["name"], &answer["error"]["message"]),
        (&json!("refused"), &json!("not today"))
    );
    assert_eq!(talk.no("Ann", json!({ "do": "history", "room": "lobby" })), "not_member");
    let (_, answer) = asked(&mut talk, "Ann", join(), Verdict::Allow);
    assert_eq!(answer["ok"]["room"], "lobby");
    // Who is in is not asked about.
    talk.join("Ann", "lobby");
    assert!(talk.asked.is_empty());
}

#[test]
fn a_resume_goes_past_nobody_who_wants_to_be_asked() {
    let mut talk = asking();
    talk.come("Ann");
    asked(&mut talk, "Ann", json!({ "do": "join", "room": "lobby" }), Verdict::Allow);
    let (session, seen) = (talk.session("Ann"), talk.top("lobby"));
    // Within the linger she is in it still.
    let ok = talk.resume("again", &session, json!({ "lobby": seen }));
    assert_eq!(ok["rooms"]["lobby"]["recovered"], true);
    talk.cut("again");
    talk.turn(talk.settings.linger_ms);
    let ok = talk.resume("late", &session, json!({ "lobby": seen }));
    assert_eq!(ok["rooms"]["lobby"]["error"]["name"], "not_member");
    let since = json!({ "do": "join", "room": "lobby", "since": seen });
    let (_, answer) = asked(&mut talk, "late", since, Verdict::Allow);
    assert_eq!(answer["ok"]["recovered"], true);
}

fn in_lobby(talk: &mut Talk, names: &[&str]) {
    for name in names {
        talk.come(name);
        asked(talk, name, json!({ "do": "join", "room": "lobby" }), Verdict::Allow);
    }
    talk.forget();
}

#[test]
fn a_message_gets_its_place_or_another_text_or_none() {
    let mut talk = asking();
    in_lobby(&mut talk, &["Ann", "Bob"]);
    let (question, answer) = asked(&mut talk, "Ann", send("1", "darn"), Verdict::Allow);
    let Subject::MaySend { text, .. } = question.subject else { panic!() };
    assert_eq!((text.as_str(), &answer["ok"]["duplicate"]), ("darn", &json!(false)));
    let of = answer["ok"]["offset"].clone();
    asked(&mut talk, "Ann", send("2", "darn"), Verdict::Rewrite("d***".into()));
    let (_, answer) = asked(&mut talk, "Ann", send("3", "darn"), no("language!"));
    assert_eq!(
        (&answer["error"]["name"], &answer["error"]["message"]),
        (&json!("refused"), &json!("language!"))
    );
    assert_eq!(talk.texts("Bob"), ["darn", "d***"]);
    // What was rewritten is the same if it is sent again, and what was refused is asked about again.
    assert_eq!(talk.ok("Ann", send("2", "darn"))["duplicate"], true);
    let (_, answer) = asked(&mut talk, "Ann", send("3", "darn"), Verdict::Allow);
    assert_eq!(answer["ok"]["duplicate"], false);
    let edit = json!({ "do": "edit", "room": "lobby", "offset": of, "mid": "e", "text": "darn it" });
    asked(&mut talk, "Ann", edit, Verdict::Rewrite("d*** it".into()));
    let page = talk.ok("Bob", json!({ "do": "history", "room": "lobby" }));
    assert_eq!(texts_of(&page), ["d*** it", "d***", "darn"]);
}

#[test]
fn a_call_is_answered_by_the_host() {
    let mut talk = asking();
    talk.come("Ann");
    let call = || json!({ "do": "call", "method": "weather", "data": ["Wien"] });
    let (question, answer) = asked(&mut talk, "Ann", call(), Verdict::Answer(r#"{"degrees":-3.5}"#.into()));
    let Subject::Call { method, data, .. } = question.subject else { panic!() };
    assert_eq!((method.as_str(), data.as_str()), ("weather", r#"["Wien"]"#));
    assert_eq!(answer["ok"], json!({ "degrees": -3.5 }));
    let (_, answer) = asked(&mut talk, "Ann", call(), no("no idea"));
    assert_eq!(answer["error"]["name"], "refused");
    // What fits no call leaves the question open.
    talk.ask("Ann", call());
    let id = talk.asked[0].id;
    assert!(talk.run(|chat, at| chat.answer(id, Verdict::Allow, at)).is_err());
    talk.reply(Verdict::Answer("1".into()));
    assert_eq!(talk.answer("Ann")["ok"], 1);
}

#[test]
fn who_is_gone_when_the_answer_comes_has_neither_said_nor_joined_anything() {
    let mut talk = asking();
    in_lobby(&mut talk, &["Ann", "Bob"]);
    for request in [send("1", "x"), json!({ "do": "join", "room": "den" })] {
        let session = talk.session("Ann");
        talk.ask("Ann", request);
        talk.cut("Ann");
        let question = talk.asked.pop_front().unwrap().id;
        let answered = talk.run(|chat, at| chat.answer(question, Verdict::Allow, at));
        assert!(answered.is_err(), "the question is not open any more");
        talk.resume("Ann", &session, json!({}));
    }
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    assert!(talk.chat.room("den").is_err());
}

#[test]
fn who_was_kicked_or_muted_meanwhile_says_nothing_though_the_host_allows_it() {
    for (act, reason) in [("kick", "not_member"), ("mute", "muted"), ("ban", "not_member")] {
        let mut talk = asking();
        in_lobby(&mut talk, &["Ann", "Bob"]);
        talk.ask("Ann", send("1", "x"));
        let user = talk.user("Ann");
        let act = match act {
            "kick" => Moderation::Kick { user },
            "mute" => Moderation::Mute { user, seconds: None },
            _ => Moderation::Ban { user, seconds: None },
        };
        talk.moderate("lobby", act);
        talk.reply(Verdict::Allow);
        assert_eq!(talk.answer("Ann")["error"]["name"], reason);
        assert_eq!(talk.texts("Bob"), [""; 0]);
        assert!(!talk.people["Ann"].is_held);
    }
}

#[test]
fn what_was_deleted_meanwhile_is_not_edited_though_the_host_allows_it() {
    let mut talk = asking();
    in_lobby(&mut talk, &["Ann", "Bob"]);
    let (_, answer) = asked(&mut talk, "Ann", send("1", "x"), Verdict::Allow);
    let of = answer["ok"]["offset"].clone();
    talk.ask("Ann", json!({ "do": "edit", "room": "lobby", "offset": of, "mid": "e", "text": "s3cr3t" }));
    talk.moderate("lobby", Moderation::Clear { user: None });
    talk.reply(Verdict::Allow);
    assert_eq!(talk.answer("Ann")["error"]["name"], "unknown_message");
    let page = talk.ok("Bob", json!({ "do": "history", "room": "lobby", "after": 0 }));
    assert!(!page.to_string().contains("s3cr3t"), "{page}");
}

#[test]
fn what_was_sent_meanwhile_under_the_same_mid_is_there_once() {
    let mut talk = asking();
    for who in ["one", "two"] {
        talk.admit(who, Admission::user("ann-1", "Ann"));
        asked(&mut talk, who, json!({ "do": "join", "room": "lobby" }), Verdict::Allow);
    }
    for who in ["one", "two"] {
        talk.ask(who, send("1", "x"));
    }
    talk.reply(Verdict::Allow);
    talk.reply(Verdict::Allow);
    let (one, two) = (talk.answer("one")["ok"].clone(), talk.answer("two")["ok"].clone());
    assert_eq!((&one["duplicate"], &two["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(place(&one), place(&two));
}

#[test]
fn who_was_banned_meanwhile_does_not_come_in_though_the_host_allows_it() {
    let mut talk = asking();
    in_lobby(&mut talk, &["Bob"]);
    talk.come("Ann");
    talk.ask("Ann", json!({ "do": "join", "room": "lobby" }));
    talk.moderate("lobby", Moderation::Ban { user: talk.user("Ann"), seconds: None });
    talk.reply(Verdict::Allow);
    assert_eq!(talk.answer("Ann")["error"]["name"], "banned");
    assert_eq!(talk.kinds("Bob"), ["moderation"]);
}

#[test]
fn whose_session_was_taken_over_meanwhile_has_asked_for_nothing() {
    let mut talk = asking();
    in_lobby(&mut talk, &["Ann", "Bob"]);
    let session = talk.session("Ann");
    talk.ask("Ann", send("1", "x"));
    talk.resume("again", &session, json!({}));
    assert_eq!(talk.closed("Ann"), Some(Cause::Replaced));
    let question = talk.asked.pop_front().unwrap().id;
    assert!(talk.run(|chat, at| chat.answer(question, Verdict::Allow, at)).is_err());
    assert_eq!(talk.kinds("Bob"), [""; 0]);
    // It is sent again by who took over, and is there once.
    let (_, answer) = asked(&mut talk, "again", send("1", "x"), Verdict::Allow);
    assert_eq!((&answer["ok"]["duplicate"], talk.texts("Bob").len()), (&json!(false), 1));
}

#[test]
fn who_is_about_to_be_closed_says_nothing_any_more_though_the_host_allows_it() {
    for verdict in [Verdict::Allow, no("language!")] {
        let mut talk = asking();
        in_lobby(&mut talk, &["Ann", "Bob"]);
        let session = talk.session("Ann");
        talk.closes_late = true;
        talk.ask("Ann", send("1", "x"));
        talk.resume("again", &session, json!({}));
        assert_eq!(talk.closed("Ann"), Some(Cause::Replaced));
        talk.reply(verdict);
        assert_eq!((talk.answer("Ann"), talk.kinds("Bob")), (Value::Null, vec![]));
        // Nor does what it sends count, nor is it closed once more.
        let connection = talk.people["Ann"].connection;
        talk.people.get_mut("Ann").unwrap().is_held = false;
        (0..60).for_each(|_| talk.text(connection, "nonsense"));
        talk.run(|chat, at| chat.ban("u1", None, at)).unwrap();
        talk.closes_late = false;
        talk.turn(1);
        assert_eq!(talk.closed("again"), Some(Cause::Banned));
        assert!(talk.told.iter().all(|event| !matches!(event, Event::Refused { .. })));
    }
}

#[test]
fn more_questions_than_may_be_open_are_answered_no() {
    let mut talk = asking();
    talk.settings.question_count = 1;
    talk.chat = Chat::new(talk.settings.clone(), 1);
    talk.come("Ann");
    talk.come("Bob");
    talk.ask("Ann", json!({ "do": "call", "method": "m", "data": 1 }));
    for request in
        [json!({ "do": "call", "method": "m", "data": 1 }), json!({ "do": "join", "room": "lobby" })]
    {
        assert_eq!(talk.no("Bob", request), "refused");
    }
}
