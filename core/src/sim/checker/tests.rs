//! Each rule, broken once.

use serde_json::json;

use super::*;

const ANN: LineId = LineId(1);
const BOB: LineId = LineId(2);

/// Ann and Bob are in the lobby, whose log is empty.
fn met() -> Checker {
    let mut checker = Checker::new();
    for (line, user) in [(ANN, "u1"), (BOB, "u2")] {
        ask(&mut checker, line, json!({"id": 1, "do": "hello", "name": user}));
        tell(&mut checker, line, json!({"id": 1, "ok": {"user": user, "session": "s"}}));
        ask(&mut checker, line, json!({"id": 2, "do": "join", "room": "lobby"}));
        let ok = json!({"room": "lobby", "epoch": 7, "offset": 0, "recovered": false, "messages": []});
        tell(&mut checker, line, json!({"id": 2, "ok": ok}));
    }
    checker
}

fn ask(checker: &mut Checker, line: LineId, request: Value) {
    checker.asked(line, &request.to_string());
}

fn tell(checker: &mut Checker, line: LineId, told: Value) {
    checker.told(&Seen { at_ms: 9, line, what: What::Text(told.to_string()) });
}

fn say(checker: &mut Checker, id: u64, mid: &str, text: &str) {
    ask(checker, ANN, json!({"id": id, "do": "send", "room": "lobby", "mid": mid, "text": text}));
}

fn message(offset: u64, mid: &str, text: &str) -> Value {
    let message = json!({"epoch": 7, "offset": offset, "user": "u1", "mid": mid, "text": text});
    json!({"on": "message", "room": "lobby", "epoch": 7, "offset": offset, "message": message})
}

fn acknowledge(checker: &mut Checker, id: u64, offset: u64) {
    let ok = json!({"room": "lobby", "epoch": 7, "offset": offset, "duplicate": false});
    tell(checker, ANN, json!({"id": id, "ok": ok}));
}

fn rules(checker: &Checker) -> Vec<Rule> {
    checker.faults().iter().map(|fault| fault.rule).collect()
}

/// Ann says two things, and both hear them.
fn talked() -> Checker {
    let mut checker = met();
    for (offset, mid, text) in [(1, "a-1", "one"), (2, "a-2", "two")] {
        say(&mut checker, 2 + offset, mid, text);
        tell(&mut checker, ANN, message(offset, mid, text));
        tell(&mut checker, BOB, message(offset, mid, text));
        acknowledge(&mut checker, 2 + offset, offset);
    }
    checker
}

fn log() -> Vec<Value> {
    vec![message(1, "a-1", "one"), message(2, "a-2", "two")]
}

fn folded() -> Vec<Value> {
    log().into_iter().map(|record| record["message"].clone()).collect()
}

#[test]
fn a_conversation_that_keeps_the_rules_has_no_faults() {
    let mut checker = talked();
    checker.judge(10, "lobby", &log(), &folded(), 1_000);
    let held: Vec<Shown> = folded().iter().filter_map(Shown::of).collect();
    checker.compare(10, "Bob", "lobby", 0, &held, &BTreeSet::new());
    assert_eq!(checker.faults(), []);
    assert_eq!((checker.record_count(), checker.acknowledged_count()), (4, 2));
}

#[test]
fn a_record_that_is_left_out_is_a_gap_unless_it_is_said() {
    let mut checker = met();
    say(&mut checker, 3, "a-2", "two");
    tell(&mut checker, BOB, message(2, "a-2", "two"));
    assert_eq!(rules(&checker), [Rule::NoGap]);

    let mut checker = met();
    say(&mut checker, 3, "a-2", "two");
    let (from, to) = (json!({"epoch": 7, "offset": 0}), json!({"epoch": 7, "offset": 1}));
    tell(&mut checker, BOB, json!({"on": "gap", "room": "lobby", "from": from, "to": to}));
    tell(&mut checker, BOB, message(2, "a-2", "two"));
    assert_eq!(rules(&checker), []);
}

#[test]
fn a_record_comes_again_only_around_what_was_for_the_line_alone() {
    let mut checker = talked();
    tell(&mut checker, BOB, message(2, "a-2", "two"));
    assert_eq!((rules(&checker), checker.repeated_count()), (vec![Rule::NothingTwice], 0));

    let mut checker = talked();
    for offset in [1, 2] {
        tell(&mut checker, ANN, message(offset, &format!("a-{offset}"), ["one", "two"][offset as usize - 1]));
    }
    assert_eq!((rules(&checker), checker.repeated_count()), (vec![], 2), "both were acknowledged meanwhile");
    tell(&mut checker, ANN, message(2, "a-2", "two"));
    assert_eq!(rules(&checker), [], "who knows how often it lags");

    let mut checker = talked();
    say(&mut checker, 5, "a-3", "three");
    tell(&mut checker, ANN, message(3, "a-3", "three"));
    acknowledge(&mut checker, 5, 3);
    tell(&mut checker, ANN, message(1, "a-1", "one"));
    tell(&mut checker, ANN, message(3, "a-3", "three"));
    assert_eq!(rules(&checker), [Rule::NoGap], "what comes again has no holes");
}

#[test]
fn a_reply_to_join_may_overtake_records_that_wait() {
    let join = |checker: &mut Checker| {
        ask(checker, BOB, json!({"id": 3, "do": "join", "room": "lobby"}));
        let ok = json!({"room": "lobby", "epoch": 7, "offset": 2, "recovered": false, "messages": []});
        tell(checker, BOB, json!({"id": 3, "ok": ok}));
    };
    let mut checker = met();
    say(&mut checker, 3, "a-1", "one");
    say(&mut checker, 4, "a-2", "two");
    join(&mut checker);
    tell(&mut checker, BOB, message(1, "a-1", "one"));
    tell(&mut checker, BOB, message(2, "a-2", "two"));
    assert_eq!((rules(&checker), checker.repeated_count()), (vec![], 2));
    tell(&mut checker, BOB, message(2, "a-2", "two"));
    assert_eq!(rules(&checker), [Rule::NothingTwice]);
}

#[test]
fn what_nobody_sent_is_a_phantom() {
    let mut checker = talked();
    tell(&mut checker, BOB, message(3, "a-9", "boo"));
    assert_eq!(rules(&checker), [Rule::NoPhantom, Rule::NoPhantom], "neither the text nor the mid");
    let mut checker = talked();
    tell(&mut checker, LineId(3), message(3, "a-1", "one"));
    assert_eq!(rules(&checker), [], "nobody has begun to listen there");
}

#[test]
fn two_records_at_one_offset_are_found_out() {
    let mut checker = talked();
    say(&mut checker, 5, "a-3", "three");
    acknowledge(&mut checker, 5, 2);
    assert_eq!(rules(&checker), [Rule::OneRecordPerOffset]);
}

#[test]
fn two_places_for_one_message_are_found_out_in_replies_and_in_the_log() {
    let mut checker = talked();
    say(&mut checker, 5, "a-2", "two");
    acknowledge(&mut checker, 5, 3);
    assert_eq!(rules(&checker), [Rule::NothingTwice]);

    let mut checker = talked();
    let (mut log, mut folded) = (log(), folded());
    log.push(message(3, "a-2", "two"));
    folded.push(log[2]["message"].clone());
    checker.judge(10, "lobby", &log, &folded, 1_000);
    assert_eq!(rules(&checker), [Rule::NothingTwice]);
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_lost_unless_the_log_is_known_to_have_lost_it() {
    let mut checker = talked();
    checker.judge(10, "lobby", &log()[..1], &folded()[..1], 1_000);
    assert_eq!(rules(&checker), [Rule::NothingLost, Rule::NothingLost], "shown, and acknowledged");

    let mut checker = talked();
    checker.log_lost("lobby", Position { epoch: 7, offset: 1 }, Position { epoch: 7, offset: 2 });
    checker.judge(10, "lobby", &log()[..1], &folded()[..1], 1_000);
    assert_eq!(rules(&checker), []);
    let held: Vec<Shown> = folded().iter().filter_map(Shown::of).collect();
    checker.compare(10, "Bob", "lobby", 0, &held, &BTreeSet::new());
    assert_eq!(rules(&checker), [Rule::RollbackIsSaid], "Bob still holds it");
}

#[test]
fn a_log_that_went_back_must_say_so() {
    let mut checker = talked();
    say(&mut checker, 5, "a-3", "three");
    let mut back = message(90, "a-3", "three");
    back["epoch"] = 8.into();
    back["message"]["epoch"] = 8.into();
    back["prev"] = json!({"epoch": 7, "offset": 1});
    tell(&mut checker, BOB, back.clone());
    assert_eq!(rules(&checker), [Rule::RollbackIsSaid]);

    let mut checker = talked();
    say(&mut checker, 5, "a-3", "three");
    tell(&mut checker, BOB, json!({"on": "rollback", "room": "lobby", "to": {"epoch": 7, "offset": 1}}));
    tell(&mut checker, BOB, back);
    assert_eq!(rules(&checker), []);
}

#[test]
fn who_writes_to_somebody_is_told_of_their_room_first() {
    let wrote = |is_told: bool| {
        let mut checker = met();
        ask(&mut checker, ANN, json!({"id": 3, "do": "send", "to": "u2", "mid": "a-1", "text": "psst"}));
        let position = json!({"epoch": 8, "offset": 0});
        if is_told {
            tell(
                &mut checker,
                ANN,
                json!({"on": "joined", "room": "dm:1", "with": "u2", "position": position}),
            );
        }
        let ok = json!({"room": "dm:1", "epoch": 8, "offset": 1, "duplicate": false});
        tell(&mut checker, ANN, json!({"id": 3, "ok": ok}));
        checker
    };
    let mut checker = wrote(true);
    assert_eq!((rules(&checker), checker.direct_rooms("u2")), (vec![], vec!["dm:1".to_owned()]));
    let position = json!({"epoch": 8, "offset": 2});
    tell(&mut checker, ANN, json!({"on": "joined", "room": "dm:1", "with": "u2", "position": position}));
    assert_eq!(rules(&checker), [Rule::NoGap], "it was there, and something is left out");
    assert_eq!(rules(&wrote(false)), [Rule::NoGap]);
}

fn judged(records: &[Value], folded: &[Value]) -> Vec<Rule> {
    let mut checker = met();
    for act in ["mute", "slow", "role", "clear"] {
        checker.host_moderated("lobby", act);
    }
    for (id, mid, text) in [(3, "a-1", "one"), (4, "a-2", "two")] {
        say(&mut checker, id, mid, text);
    }
    for record in records {
        tell(&mut checker, BOB, record.clone());
    }
    checker.judge(10, "lobby", records, folded, 1_000);
    rules(&checker)
}

fn act(offset: u64, act: &str, user: &str, field: &str, value: Value) -> Value {
    let mut record =
        json!({"on": "moderation", "room": "lobby", "epoch": 7, "offset": offset, "act": act, "at": 1_000});
    record["user"] = user.into();
    record[field] = value;
    record
}

fn said(offset: u64, mid: &str, text: &str, at_ms: u64) -> Value {
    let mut record = message(offset, mid, text);
    record["message"]["at"] = at_ms.into();
    record
}

#[test]
fn what_the_host_decides_holds() {
    let mute = act(1, "mute", "u1", "seconds", 5.into());
    for (at_ms, expected) in [(5_999, vec![Rule::OrderHolds]), (6_000, vec![])] {
        let said = said(2, "a-1", "one", at_ms);
        assert_eq!(judged(&[mute.clone(), said.clone()], &[said["message"].clone()]), expected);
    }
    let slow = act(1, "slow", "u9", "value", 2.into());
    for (at_ms, expected) in [(3_999, vec![Rule::OrderHolds]), (4_000, vec![])] {
        let said = [said(2, "a-1", "one", 2_000), said(3, "a-2", "two", at_ms)];
        let folded = said.clone().map(|record| record["message"].clone());
        assert_eq!(judged(&[&[slow.clone()][..], &said].concat(), &folded), expected);
    }
    let mut by_bob = act(2, "mute", "u1", "by", "u2".into());
    by_bob["seconds"] = 0.into();
    for (role, expected) in [("member", vec![Rule::OrderHolds]), ("moderator", vec![])] {
        let role = act(1, "role", "u2", "value", role.into());
        assert_eq!(judged(&[role, by_bob.clone()], &[]), expected);
    }
}

#[test]
fn what_is_cleared_is_gone_for_all() {
    let said = [said(1, "a-1", "one", 1_000), act(2, "clear", "u1", "value", Value::Null)];
    let mut folded = said[0]["message"].clone();
    assert_eq!(judged(&said, &[folded.clone()]), [Rule::SameForAll]);
    folded["deleted"] = true.into();
    folded["text"] = Value::Null;
    assert_eq!(judged(&said, &[folded]), []);
}

#[test]
fn who_is_taken_out_is_shown_nothing_more_of_the_room() {
    let kick = |checker: &mut Checker| {
        checker.host_moderated("lobby", "kick");
        tell(checker, BOB, act(3, "kick", "u2", "value", Value::Null));
    };
    let mut checker = talked();
    say(&mut checker, 5, "a-3", "three");
    kick(&mut checker);
    tell(&mut checker, BOB, message(4, "a-3", "three"));
    assert_eq!(rules(&checker), [Rule::OrderHolds]);

    let mut checker = talked();
    kick(&mut checker);
    tell(&mut checker, BOB, json!({"on": "removed", "room": "lobby", "reason": "kicked"}));
    assert_eq!(rules(&checker), []);
    tell(&mut checker, BOB, message(4, "a-3", "three"));
    assert_eq!(rules(&checker)[0], Rule::NoPhantom);

    let mut checker = talked();
    tell(&mut checker, BOB, act(3, "kick", "u2", "value", Value::Null));
    assert_eq!(rules(&checker), [Rule::NoPhantom], "nobody wanted it");
}

/// Bob asks to block Ann, or no longer to.
fn block(checker: &mut Checker, id: u64, on: bool) {
    ask(checker, BOB, json!({"id": id, "do": "block", "user": "u1", "on": on}));
    tell(checker, BOB, json!({"id": id, "ok": {}}));
}

#[test]
fn who_is_blocked_is_not_shown_from_the_reply_on_until_that_is_taken_back() {
    for is_taken_back in [false, true] {
        let mut checker = talked();
        say(&mut checker, 5, "a-3", "three");
        block(&mut checker, 3, true);
        if is_taken_back {
            ask(&mut checker, BOB, json!({"id": 4, "do": "block", "user": "u1", "on": false}));
        }
        tell(&mut checker, BOB, message(3, "a-3", "three"));
        let expected = if is_taken_back { vec![] } else { vec![Rule::BlockedIsHidden] };
        assert_eq!(rules(&checker), expected);
    }
}

#[test]
fn what_is_left_out_for_a_block_is_of_those_who_are_blocked_and_of_nobody_else() {
    let judged = |author: &str| {
        let mut checker = talked();
        block(&mut checker, 3, true);
        block(&mut checker, 4, false);
        let mut log = log();
        for (offset, mid, text) in [(3, "a-3", "three"), (4, "a-4", "four")] {
            ask(&mut checker, ANN, json!({"id": 5, "do": "send", "room": "lobby", "mid": mid, "text": text}));
            log.push(message(offset, mid, text));
        }
        checker.host_said("three");
        log[2]["message"]["user"] = author.into();
        log[2]["message"]["mid"] = if author == "host" { Value::Null } else { "a-3".into() };
        tell(&mut checker, BOB, log[3].clone());
        let folded: Vec<Value> = log.iter().map(|record| record["message"].clone()).collect();
        checker.judge(10, "lobby", &log, &folded, 1_000);
        rules(&checker)
    };
    assert_eq!(judged("u1"), []);
    assert_eq!(judged("host"), [Rule::NoGap]);
}

#[test]
fn who_blocks_somebody_may_hold_of_them_what_was_once_and_must_hold_all_else() {
    let mut checker = talked();
    checker.judge(10, "lobby", &log(), &folded(), 1_000);
    block(&mut checker, 3, true);
    let hidden = checker.hidden_from("u2");
    let mut held: Vec<Shown> = folded().iter().filter_map(Shown::of).collect();
    held[0].text = Some("as it was".into());
    checker.compare(10, "Bob", "lobby", 0, &held, &hidden);
    checker.compare(10, "Bob", "lobby", 0, &[], &hidden);
    assert_eq!(rules(&checker), []);
    checker.compare(10, "Cy", "lobby", 0, &held[1..], &checker.hidden_from("u3"));
    assert_eq!(rules(&checker), [Rule::NothingLost]);
}

#[test]
fn a_change_that_is_folded_otherwise_than_it_was_made_is_found_out() {
    let mut checker = talked();
    ask(
        &mut checker,
        ANN,
        json!({"id": 5, "do": "edit", "room": "lobby", "offset": 1, "mid": "a-3", "text": "1"}),
    );
    let edit = json!({"on": "edit", "room": "lobby", "epoch": 7, "offset": 3, "of": 1, "mid": "a-3", "text": "1", "user": "u1"});
    tell(&mut checker, BOB, edit.clone());
    let mut log = log();
    log.push(edit);
    checker.judge(10, "lobby", &log, &folded(), 1_000);
    assert_eq!(rules(&checker), [Rule::SameForAll]);
}

#[test]
fn a_resume_that_skips_is_a_gap() {
    let mut checker = talked();
    let line = LineId(3);
    let since = json!({"epoch": 7, "offset": 0});
    ask(
        &mut checker,
        line,
        json!({"id": 1, "do": "hello", "resume": {"session": "s", "rooms": {"lobby": since}}}),
    );
    let room = json!({"epoch": 7, "offset": 2, "recovered": true, "records": [message(1, "a-1", "one")]});
    tell(&mut checker, line, json!({"id": 1, "ok": {"user": "u2", "rooms": {"lobby": room}}}));
    assert_eq!(rules(&checker), [Rule::NoGap]);
}
