//! The lines of the language, each form once.

use super::token::{Token, json, number, text, tokens};
use super::{
    Act, ClientAct, EventPattern, ExpectedError, Heard, HostAct, Payload, QuestionPattern, Scenario, Step,
    Unreadable, Verdict, from_hex,
};

use Token::{Comma, Word};

/// Reads a scenario.
///
/// # Errors
/// The first line that cannot be read, and why.
pub fn parse(text: &str) -> Result<Scenario, Unreadable> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let sentence = match lines.next() {
        Some((_, first)) if first.starts_with("# ") => first[2..].to_owned(),
        _ => return Err(Unreadable { line: 1, words: "the first line is no \"# Sentence.\"".into() }),
    };
    let mut steps = Vec::new();
    for (line, content) in lines {
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let act =
            tokens(content).and_then(|tokens| act(&tokens)).map_err(|words| Unreadable { line, words })?;
        steps.push(Step { line, act });
    }
    Ok(Scenario { sentence, steps })
}

fn act(tokens: &[Token]) -> Result<Act, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    match keys.as_slice() {
        ["option", _, ..] => Ok(Act::Option {
            name: text(&tokens[1])?,
            values: tokens[2..].iter().map(text).collect::<Result<_, _>>()?,
        }),
        ["host", "hears", "nothing"] => Ok(Act::HostHearsNothing),
        ["host", "hears", ..] => Ok(Act::HostHears { event: event(&tokens[2..])?, next: false }),
        ["host", "then", "hears", ..] => Ok(Act::HostHears { event: event(&tokens[3..])?, next: true }),
        ["host", "is", "asked", ..] => Ok(Act::HostIsAsked(question(&tokens[3..])?)),
        ["host", ..] => {
            let (tokens, error) = expected_error(&tokens[1..])?;
            Ok(Act::Host { act: host_act(tokens)?, error })
        }
        [.., "have", "different", "colors"] => {
            let who = tokens[..tokens.len() - 3].iter().map(text).collect::<Result<_, _>>()?;
            Ok(Act::DifferentColors { who })
        }
        [_, _, ..] => Ok(Act::Client { who: text(&tokens[0])?, act: client_act(&tokens[0], &tokens[1..])? }),
        _ => Err("who does what?".into()),
    }
}

fn client_act(who: &Token, tokens: &[Token]) -> Result<ClientAct, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    Ok(match (keys.as_slice(), tokens) {
        (["joins", _], [_, room]) => ClientAct::Joins { room: text(room)?, name: text(who)? },
        (["joins", _, "as", _], [_, room, _, name]) => {
            ClientAct::Joins { room: text(room)?, name: text(name)? }
        }
        (["enters", _], [_, room]) => ClientAct::Enters { room: text(room)? },
        (["takes", "the", "name", _], [.., name]) => ClientAct::TakesName { name: text(name)? },
        (["opens", ..], [_, rest @ ..]) => {
            let (path, subprotocol) = path(rest)?;
            ClientAct::Opens { path, subprotocol }
        }
        (["knocks", "at", ..], [_, _, rest @ ..]) => {
            let (path, subprotocol) = path(rest)?;
            ClientAct::Knocks { path, subprotocol }
        }
        (["is", "let", "in"], _) => ClientAct::IsLetIn,
        (["is", "refused", ..], [_, _, status, words @ ..]) => {
            ClientAct::IsRefused { status: number(status)?, words: optional(words)? }
        }
        (["has", "a", "color"], _) => ClientAct::HasColor,
        (["says", _, _], [_, room, said]) => ClientAct::Says { room: text(room)?, text: text(said)? },
        (["sends", _, _], [_, rest @ ..]) => ClientAct::Sends(payload(rest)?),
        (["gets", _, _], [_, rest @ ..]) => ClientAct::Gets(payload(rest)?),
        (["hears", "nothing"], _) => ClientAct::HearsNothing,
        (["hears", ..], [_, rest @ ..]) => ClientAct::Hears(heard(rest)?),
        (["is", "shown", ..], [_, _, rest @ ..]) => ClientAct::IsShown(heard(rest)?),
        (["leaves"], _) => ClientAct::Leaves,
        (["drops"], _) => ClientAct::Drops,
        (["returns"], _) => ClientAct::Returns,
        (["says", "hello"], _) => ClientAct::SaysHello { name: None },
        (["says", "hello", "as", _], [.., name]) => ClientAct::SaysHello { name: Some(text(name)?) },
        (["says", "hello", "with", _], [.., fields]) => ClientAct::SaysHelloWith { fields: json(fields)? },
        (["asks", _], [.., request]) => ClientAct::Asks { request: json(request)? },
        (["is", "answered", "error", ..], [_, _, _, code, words @ ..]) => {
            ClientAct::IsAnsweredError(ExpectedError { code: text(code)?, words: optional(words)? })
        }
        (["is", "answered", _], [.., ok]) => ClientAct::IsAnswered { ok: json(ok)? },
        (["gets", _], [.., document]) => ClientAct::GetsJson { document: json(document)? },
        (["is", "closed", "with", ..], [_, _, _, code, reason @ ..]) => {
            ClientAct::IsClosedWith { code: number(code)?, reason: optional(reason)? }
        }
        _ => return Err(format!("{} cannot {:?}", who.key(), keys.join(" "))),
    })
}

fn host_act(tokens: &[Token]) -> Result<HostAct, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    Ok(match (keys.as_slice(), tokens) {
        (["starts"], _) => HostAct::Starts,
        (["stops", "within", _, "ms"], [_, _, grace, _]) => HostAct::Stops { grace_ms: number(grace)? },
        (["broadcasts", "everywhere", _], [.., said]) => HostAct::BroadcastsEverywhere { text: text(said)? },
        (["broadcasts", _, _], [_, room, said]) => {
            HostAct::Broadcasts { room: text(room)?, text: text(said)? }
        }
        (["tells", "room", _, _, _], [_, _, room, rest @ ..]) => {
            HostAct::TellsRoom { room: text(room)?, payload: payload(rest)? }
        }
        (["tells", "everyone", _, _], [_, _, rest @ ..]) => {
            HostAct::TellsEveryone { payload: payload(rest)? }
        }
        (["tells", "user", _, _], [_, _, user, said]) => {
            HostAct::TellsUser { user: text(user)?, text: text(said)? }
        }
        (["tells", _, _, _], [_, who, rest @ ..]) => {
            HostAct::Tells { who: text(who)?, payload: payload(rest)? }
        }
        (["sends", _, "as", _, _], [_, room, _, user, said]) => {
            HostAct::Sends { room: text(room)?, user: text(user)?, text: text(said)? }
        }
        (["edits", _, _, _], [_, room, offset, said]) => {
            HostAct::Edits { room: text(room)?, offset: number(offset)?, text: text(said)? }
        }
        (["deletes", _, _], [_, room, offset]) => {
            HostAct::Deletes { room: text(room)?, offset: number(offset)? }
        }
        (["moderates", _, _], [_, room, act]) => HostAct::Moderates { room: text(room)?, act: json(act)? },
        (["puts", _, "into", _], [_, user, _, room]) => {
            HostAct::Puts { user: text(user)?, room: text(room)? }
        }
        (["takes", _, "out", "of", _], [_, user, .., room]) => {
            HostAct::Takes { user: text(user)?, room: text(room)? }
        }
        (["sets", _, _], [_, room, options]) => HostAct::Sets { room: text(room)?, options: json(options)? },
        (["makes", "ticket", _, _, "for", _, "ms"], [_, _, variable, admission, _, ttl, _]) => {
            let (variable, admission) = (text(variable)?, json(admission)?);
            HostAct::MakesTicket { variable, admission, ttl_ms: number(ttl)? }
        }
        (["bans", "address", ..], [_, _, address, rest @ ..]) => {
            HostAct::BansAddress { address: text(address)?, seconds: seconds(rest)? }
        }
        (["bans", ..], [_, user, rest @ ..]) => HostAct::Bans { user: text(user)?, seconds: seconds(rest)? },
        (["kicks", _, _], [_, who, reason]) => HostAct::Kicks { who: text(who)?, reason: text(reason)? },
        (["answers", ..], [_, rest @ ..]) => HostAct::Answers(verdict(rest)?),
        (["sees", "rooms", ..], [_, _, rest @ ..]) => HostAct::SeesRooms {
            rooms: list(rest, |item| match item {
                [name, members, offset] => Ok((text(name)?, number(members)?, number(offset)?)),
                _ => Err("a room is NAME MEMBERS OFFSET".into()),
            })?,
        },
        (["sees", "members", "of", _, ..], [_, _, _, room, rest @ ..]) => HostAct::SeesMembers {
            room: text(room)?,
            members: list(rest, |item| match item {
                [name, connections] => Ok((text(name)?, number(connections)?)),
                _ => Err("a member is NAME CONNECTIONS".into()),
            })?,
        },
        (["sees", _, "members", "of", _], [_, count, _, _, room]) => {
            HostAct::SeesMemberCount { room: text(room)?, count: number(count)? }
        }
        (["sees", _, "connections", "in", _, "rooms"], [_, connections, _, _, rooms, _]) => {
            HostAct::SeesConnections { connection_count: number(connections)?, room_count: number(rooms)? }
        }
        (["sees", "history", "of", _, ..], [_, _, _, room, rest @ ..]) => history(text(room)?, rest)?,
        _ => return Err(format!("the host cannot {:?}", keys.join(" "))),
    })
}

fn seconds(tokens: &[Token]) -> Result<Option<u64>, String> {
    match tokens {
        [] => Ok(None),
        [Word(word), count, Word(unit)] if word == "for" && unit == "s" => number(count).map(Some),
        _ => Err("how long is nothing, or for NUMBER s".into()),
    }
}

fn history(room: String, tokens: &[Token]) -> Result<HostAct, String> {
    let (mut before, mut limit, mut rest) = (0, 1_000, tokens);
    while let [Word(key), value, more @ ..] = rest {
        match key.as_str() {
            "before" => before = number(value)?,
            "limit" => limit = number(value)?,
            _ => break,
        }
        rest = more;
    }
    let messages = list(rest, |item| match item {
        [offset, name, said] => Ok((number(offset)?, text(name)?, text(said)?)),
        _ => Err("a message is OFFSET NAME TEXT".into()),
    })?;
    Ok(HostAct::SeesHistory { room, before, limit, messages })
}

fn verdict(tokens: &[Token]) -> Result<Verdict, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    Ok(match (keys.as_slice(), tokens) {
        (["allow"], _) => Verdict::Allow,
        (["allow", "as", "-", _], [.., name]) => Verdict::AllowAs { user: None, name: text(name)? },
        (["allow", "as", _, _], [_, _, user, name]) => {
            Verdict::AllowAs { user: Some(text(user)?), name: text(name)? }
        }
        (["as", _], [_, admission]) => Verdict::AllowAsAdmission(json(admission)?),
        (["with", "{"], [_, data]) => Verdict::Answer(json(data)?),
        (["with", _], [_, data]) => Verdict::Answer(text(data)?),
        (["rewrite", _], [_, new]) => Verdict::Rewrite(text(new)?),
        (["refuse", _], [_, reason]) => Verdict::Refuse(text(reason)?),
        _ => return Err(format!("there is no verdict {:?}", keys.join(" "))),
    })
}

fn question(tokens: &[Token]) -> Result<QuestionPattern, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    match (keys.as_slice(), tokens) {
        (["to", "admit", _], [.., who]) => Ok(QuestionPattern::Admit { who: text(who)? }),
        (["to", "admit", _, "with", _], [_, _, who, _, fields]) => {
            Ok(QuestionPattern::AdmitWith { who: text(who)?, fields: json(fields)? })
        }
        (["whether", _, "may", "join", _], [_, who, _, _, room]) => {
            Ok(QuestionPattern::MayJoin { who: text(who)?, room: text(room)? })
        }
        (["by", _, "to", _, _], [_, who, _, method, data]) => {
            Ok(QuestionPattern::Call { who: text(who)?, method: text(method)?, data: json(data)? })
        }
        (["whether", _, "may", "send", _, _], [_, who, _, _, room, said]) => {
            Ok(QuestionPattern::MaySend { who: text(who)?, room: text(room)?, text: text(said)? })
        }
        _ => Err(format!("there is no question {:?}", keys.join(" "))),
    }
}

fn event(tokens: &[Token]) -> Result<EventPattern, String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    Ok(match (keys.as_slice(), tokens) {
        (["started"], _) => EventPattern::Started,
        (["stopped"], _) => EventPattern::Stopped,
        (["message", ..], [_, rest @ ..]) => match heard(rest)? {
            Heard { room, offset: Some(offset), author, text } => {
                EventPattern::Message { room, offset, name: author, text }
            }
            _ => return Err("a message that the host hears has an offset".into()),
        },
        (["away", _, _, _], [_, user, name, said]) => {
            EventPattern::Away { user: text(user)?, name: text(name)?, text: text(said)? }
        }
        (["receipt", _, _, "for", _, "sent", _], [_, room, offset, _, connections, _, sent]) => {
            EventPattern::Receipt {
                room: text(room)?,
                offset: number(offset)?,
                connection_count: number(connections)?,
                sent_count: number(sent)?,
            }
        }
        (["refusal", "of", _, _], [_, _, who, code]) => {
            EventPattern::Refused { who: Some(text(who)?), code: text(code)? }
        }
        (["refusal", _], [_, code]) => EventPattern::Refused { who: None, code: text(code)? },
        ([_, "connected", ..], [who, _, dialect @ ..]) => {
            EventPattern::Connected { who: text(who)?, dialect: optional(dialect)? }
        }
        ([_, "named", _], [who, _, name]) => EventPattern::Named { who: text(who)?, name: text(name)? },
        ([_, "joined", _, _], [who, _, room, count]) => {
            EventPattern::Joined { who: text(who)?, room: text(room)?, member_count: number(count)? }
        }
        ([_, "left", _, _], [who, _, room, count]) => {
            EventPattern::Left { who: text(who)?, room: text(room)?, member_count: number(count)? }
        }
        ([_, "send", _, _], [who, _, rest @ ..]) => {
            EventPattern::Received { who: text(who)?, payload: payload(rest)? }
        }
        ([_, "disconnected", _], [who, _, code]) => {
            EventPattern::Disconnected { who: text(who)?, code: number(code)? }
        }
        _ => return Err(format!("there is no event {:?}", keys.join(" "))),
    })
}

/// Takes `and gets error CODE [WORDS]` off the end of a host's act.
fn expected_error(tokens: &[Token]) -> Result<(&[Token], Option<ExpectedError>), String> {
    let keys: Vec<&str> = tokens.iter().map(Token::key).collect();
    let Some(at) = keys.windows(3).position(|three| three == ["and", "gets", "error"]) else {
        return Ok((tokens, None));
    };
    match &tokens[at + 3..] {
        [code, words @ ..] => {
            Ok((&tokens[..at], Some(ExpectedError { code: text(code)?, words: optional(words)? })))
        }
        [] => Err("which error?".into()),
    }
}

fn path(tokens: &[Token]) -> Result<(String, Option<String>), String> {
    match tokens {
        [path] => Ok((text(path)?, None)),
        [path, Word(offering), name] if offering == "offering" => Ok((text(path)?, Some(text(name)?))),
        _ => Err("a path is PATH or PATH offering SUBPROTOCOL".into()),
    }
}

fn heard(tokens: &[Token]) -> Result<Heard, String> {
    let [room, offset, author, said] = tokens else {
        return Err("a message is ROOM OFFSET AUTHOR TEXT".into());
    };
    let offset = if offset.key() == "-" { None } else { Some(number(offset)?) };
    Ok(Heard { room: text(room)?, offset, author: text(author)?, text: text(said)? })
}

fn payload(tokens: &[Token]) -> Result<Payload, String> {
    match tokens {
        [Word(kind), said] if kind == "text" => Ok(Payload::Text(text(said)?)),
        [Word(kind), Word(hex)] if kind == "bytes" => from_hex(hex).map(Payload::Bytes),
        _ => Err("a payload is text \"…\" or bytes HEX".into()),
    }
}

/// Reads a list with commas; `none` is the empty one.
fn list<T>(tokens: &[Token], item: impl Fn(&[Token]) -> Result<T, String>) -> Result<Vec<T>, String> {
    match tokens {
        [] => Ok(Vec::new()),
        [Word(none)] if none == "none" => Ok(Vec::new()),
        _ => tokens.split(|token| *token == Comma).map(item).collect(),
    }
}

fn optional(tokens: &[Token]) -> Result<Option<String>, String> {
    match tokens {
        [] => Ok(None),
        [one] => text(one).map(Some),
        [_, more, ..] => Err(format!("{:?} is one word too many", more.key())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<Act, String> {
        parse(&format!("# It is so.\n{line}"))
            .map(|scenario| scenario.steps[0].act.clone())
            .map_err(|e| e.words)
    }

    #[test]
    fn a_scenario_is_its_sentence_and_its_steps() {
        let scenario = parse("# It is so.\n\n# A remark.\noption history 5\nann joins lobby\n").unwrap();
        assert_eq!(scenario.sentence, "It is so.");
        assert_eq!(scenario.steps.iter().map(|step| step.line).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(scenario.steps[0].act, Act::Option { name: "history".into(), values: vec!["5".into()] });
    }

    #[test]
    fn quotes_hold_blanks_escapes_and_long_texts() {
        let says = |text: &str| {
            Ok(Act::Client {
                who: "ann".into(),
                act: ClientAct::Says { room: "lobby".into(), text: text.into() },
            })
        };
        assert_eq!(one(r#"ann says lobby "a \"b\"\\\n\t, ü""#), says("a \"b\"\\\n\t, ü"));
        assert_eq!(one(r#"ann says lobby "ab" times 3"#), says("ababab"));
        assert_eq!(one(r#"ann says lobby "nothing""#), says("nothing"));
    }

    #[test]
    fn an_error_may_be_expected_of_whatever_the_host_does() {
        let act = one(r#"host kicks ann "x" and gets error unknown_connection "no connection""#).unwrap();
        let Act::Host { act: HostAct::Kicks { .. }, error: Some(error) } = act else { panic!("{act:?}") };
        assert_eq!(
            (error.code.as_str(), error.words.as_deref()),
            ("unknown_connection", Some("no connection"))
        );
    }

    #[test]
    fn lists_have_commas() {
        let act =
            one(r#"host sees history of lobby before 9 limit 2 7 ann "one, two", 8 "Bob B." "x""#).unwrap();
        let messages = vec![(7, "ann".into(), "one, two".into()), (8, "Bob B.".into(), "x".into())];
        let act_expected = HostAct::SeesHistory { room: "lobby".into(), before: 9, limit: 2, messages };
        assert_eq!(act, Act::Host { act: act_expected, error: None });
        let rooms = one("host sees rooms none").unwrap();
        assert_eq!(rooms, Act::Host { act: HostAct::SeesRooms { rooms: vec![] }, error: None });
    }

    #[test]
    fn json_stands_as_it_is() {
        let asks = |request: &str| {
            Ok(Act::Client { who: "Ann".into(), act: ClientAct::Asks { request: request.into() } })
        };
        for request in [r#"{"do":"send", "text":"a } \"b\" ] , c"}"#, "[1, [2, {}]]"] {
            assert_eq!(one(&format!("Ann asks {request}")), asks(request));
        }
        let act = one(r#"Ann is answered error not_member "join it""#).unwrap();
        let error = ExpectedError { code: "not_member".into(), words: Some("join it".into()) };
        assert_eq!(act, Act::Client { who: "Ann".into(), act: ClientAct::IsAnsweredError(error) });
        assert!(one(r#"Ann asks {"do":"leave""#).is_err());
        assert!(one("Ann asks leave").is_err());
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let error = parse("# It is so.\nann joins lobby\nann dances\n").unwrap_err();
        assert_eq!((error.line, error.to_string().as_str()), (3, "line 3: ann cannot \"dances\""));
        assert_eq!(parse("ann joins lobby").unwrap_err().line, 1);
        for line in [
            r#"ann says lobby "one"#,
            r#"ann says lobby "\x""#,
            "ann",
            "eve sends bytes 0f0",
            "eve sends bytes xx",
            "bob hears lobby one ann x",
            "host hears music",
            "host dances",
            "host answers maybe",
            "ann is closed with 99999",
            "host kicks ann x and gets error",
        ] {
            assert!(one(line).is_err(), "{line}");
        }
    }
}
