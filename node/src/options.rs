//! A plain object's options, as JSON text, to the core's.

use klatsch::{Error, ErrorCode, Limits, NUMBER_OPTIONS, Options};
use serde_json::{Map, Value};

/// Reads options from the JSON text of an object. `asked`: the questions for which there are handlers.
///
/// # Errors
/// `invalid_option`: which option, its value, and what it may be; for a name that is none, the nearest one.
pub(crate) fn read(text: &str, asked: &[String]) -> Result<Options, Error> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorCode::InvalidArgument, format!("the options are no object: {error}"))
    })?;
    let asks = |question: &str| asked.iter().any(|asked| asked == question);
    let mut options = Options::new()
        .ask_admit(asks("admit"))
        .ask_may_join(asks("may_join"))
        .ask_may_send(asks("may_send"))
        .ask_call(asks("call"))
        .shard_count(SHARDS_IN_NODE);
    // First, because it sets several of the others, which hold when they are set too.
    if let Some(value) = fields.get("limits") {
        options = options.limits(Limits::from_name(string("limits", value)?)?);
    }
    for (name, value) in &fields {
        options = set(options, name, value)?;
    }
    Ok(options)
}

/// Every option's name in JavaScript's spelling, but for the handlers and the signal.
pub(crate) fn names() -> Vec<String> {
    VALUE_OPTIONS
        .into_iter()
        .map(str::to_owned)
        .chain(NUMBER_OPTIONS.iter().map(|option| camel_case(option.name)))
        .collect()
}

/// The same error with the options' names as JavaScript spells them.
pub(crate) fn respelt(error: &Error) -> Error {
    let snake_names = NUMBER_OPTIONS.iter().map(|option| option.name).chain(SNAKE_NAMES);
    let words = snake_names.fold(error.message(), |words, name| words.replace(name, &camel_case(name)));
    Error::new(error.code(), words)
}

fn set(mut options: Options, name: &str, value: &Value) -> Result<Options, Error> {
    match name {
        "limits" => {}
        "listen" => {
            for address in one_or_more(value) {
                options = options.listen(listen_address(address)?);
            }
        }
        "raw" => {
            for (path, subprotocol) in raw_paths(value)? {
                options = options.raw(path, subprotocol);
            }
        }
        "tlsFiles" => {
            for pair in one_or_more(value) {
                let (cert, key) = certificate(name, pair)?;
                options = options.tls_files(cert, key);
            }
        }
        "tlsPem" => {
            for pair in one_or_more(value) {
                let (cert, key) = certificate(name, pair)?;
                options = options.tls_pem(cert, key);
            }
        }
        "allowOrigin" => {
            for origin in one_or_more(value) {
                options = options.allow_origin(string(name, origin)?);
            }
        }
        "allowHost" => {
            for host in one_or_more(value) {
                options = options.allow_host(string(name, host)?);
            }
        }
        "reserveName" => {
            for kept in one_or_more(value) {
                options = options.reserve_name(string(name, kept)?);
            }
        }
        "trustedProxy" => {
            for network in one_or_more(value) {
                options = options.trusted_proxy(string(name, network)?);
            }
        }
        "path" => options = options.path(string(name, value)?),
        "hostName" => options = options.host_name(string(name, value)?),
        "hostColor" => options = options.host_color(string(name, value)?),
        "adoptOnly" => options = options.adopt_only(boolean(name, value)?),
        "tutorial" => options = options.tutorial(boolean(name, value)?),
        "v1" => options = options.v1(boolean(name, value)?),
        "acceptUnknownSubprotocol" => options = options.accept_unknown_subprotocol(boolean(name, value)?),
        "page" => options = options.page(boolean(name, value)?),
        "restarts" => options = options.restarts(boolean(name, value)?),
        "deflate" => options = options.deflate(boolean(name, value)?),
        "requireOrigin" => options = options.require_origin(boolean(name, value)?),
        "receipts" => options = options.receipts(boolean(name, value)?),
        "repeatGivenNames" => options = options.repeat_given_names(boolean(name, value)?),
        _ => {
            let Some(option) = NUMBER_OPTIONS.iter().find(|option| camel_case(option.name) == name) else {
                let nearest = nearest(name);
                return Err(invalid(format!("there is no option {name:?}; the nearest is {nearest:?}")));
            };
            let number = value.as_u64().ok_or_else(|| {
                wrong(name, value, &format!("a whole number from {} to {}", option.min, option.max))
            })?;
            let number = match (option.name, number) {
                ("shard_count", 0) => SHARDS_IN_NODE,
                _ => number,
            };
            options.set_number(option.name, number)?;
        }
    }
    Ok(options)
}

/// A number is a port of this machine that only this machine can reach.
fn listen_address(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(address) => Ok(address.clone()),
        Value::Number(number) => match number.as_u64().and_then(|port| u16::try_from(port).ok()) {
            Some(port) => Ok(format!("127.0.0.1:{port}")),
            None => Err(wrong("listen", value, "a port from 0 to 65535")),
        },
        _ => Err(wrong("listen", value, "a text \"IP:PORT\" or \"unix:PATH\", a port, or an array of those")),
    }
}

/// `{"/path": "subprotocol"}` or `[{path, subprotocol}]`.
fn raw_paths(value: &Value) -> Result<Vec<(&str, &str)>, Error> {
    let right = "an object like {\"/path\": \"subprotocol\"} or an array of {path, subprotocol}";
    match value {
        Value::Object(paths) => {
            paths.iter().map(|(path, subprotocol)| Ok((path.as_str(), string("raw", subprotocol)?))).collect()
        }
        Value::Array(entries) => entries
            .iter()
            .map(|entry| {
                let fields = entry.as_object().ok_or_else(|| wrong("raw", entry, right))?;
                if let Some(other) =
                    fields.keys().find(|name| !["path", "subprotocol"].contains(&name.as_str()))
                {
                    return Err(invalid(format!("raw has a field {other:?}; it must be {right}")));
                }
                let path = fields.get("path").ok_or_else(|| wrong("raw", entry, right))?;
                let subprotocol = fields.get("subprotocol").map_or(Ok(""), |name| string("raw", name))?;
                Ok((string("raw", path)?, subprotocol))
            })
            .collect(),
        _ => Err(wrong("raw", value, right)),
    }
}

/// `{cert, key}`. What is wrong with it is not quoted: it may be a key.
fn certificate<'value>(name: &str, value: &'value Value) -> Result<(&'value str, &'value str), Error> {
    let field = |field: &str| value.get(field).and_then(Value::as_str);
    let fields = value.as_object().map_or(0, Map::len);
    match (field("cert"), field("key")) {
        (Some(cert), Some(key)) if fields == 2 => Ok((cert, key)),
        _ => Err(invalid(format!("{name} must be {{cert, key}}, both texts, or an array of those"))),
    }
}

fn one_or_more(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn string<'value>(name: &str, value: &'value Value) -> Result<&'value str, Error> {
    value.as_str().ok_or_else(|| wrong(name, value, "a text"))
}

fn boolean(name: &str, value: &Value) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}

fn wrong(name: &str, value: &Value, right: &str) -> Error {
    let shown: String = value.to_string().chars().take(SHOWN_CHARS).collect();
    invalid(format!("{name} is {shown}; it must be {right}"))
}

fn invalid(words: String) -> Error {
    Error::new(ErrorCode::InvalidOption, words)
}

pub(crate) fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut camel, part| {
        let mut chars = part.chars();
        camel.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
        camel
    })
}

/// The option that takes the fewest edits to become, whatever the case.
fn nearest(name: &str) -> String {
    if name == "port" {
        // What most servers call it is near another word.
        return "listen".into();
    }
    let wanted: Vec<char> = name.chars().take(SHOWN_CHARS).flat_map(char::to_lowercase).collect();
    names()
        .into_iter()
        .chain(HANDLER_OPTIONS.into_iter().map(str::to_owned))
        .min_by_key(|known| edits(&wanted, &known.to_lowercase().chars().collect::<Vec<_>>()))
        .unwrap_or_default()
}

/// The Levenshtein distance.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, char) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(char != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

const VALUE_OPTIONS: [&str; 22] = [
    "listen",
    "adoptOnly",
    "tlsFiles",
    "tlsPem",
    "path",
    "raw",
    "tutorial",
    "v1",
    "acceptUnknownSubprotocol",
    "page",
    "allowOrigin",
    "allowHost",
    "requireOrigin",
    "trustedProxy",
    "restarts",
    "deflate",
    "receipts",
    "hostName",
    "hostColor",
    "reserveName",
    "repeatGivenNames",
    "limits",
];

/// Options that the other half keeps for itself.
const HANDLER_OPTIONS: [&str; 5] = ["admit", "mayJoin", "maySend", "call", "signal"];

/// How the core's words spell those of [`VALUE_OPTIONS`] that are spelt otherwise there.
const SNAKE_NAMES: [&str; 12] = [
    "adopt_only",
    "accept_unknown_subprotocol",
    "tls_files",
    "tls_pem",
    "allow_origin",
    "allow_host",
    "require_origin",
    "trusted_proxy",
    "host_name",
    "repeat_given_names",
    "host_color",
    "reserve_name",
];

/// What a `shard_count` of 0 means here: the machine's other processors are for the host's own threads, and the host's
/// JavaScript has one.
const SHARDS_IN_NODE: u64 = 1;

/// How much of a wrong value is quoted.
const SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let error = read(json, &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption, "{json}");
        error.message()
    }

    #[test]
    fn every_option_is_read_in_javascripts_spelling() {
        let json = r#"{
            "listen": [0, "127.0.0.1:0"], "path": "/chat", "raw": {"/echo": "", "/game": "game.v1"},
            "tutorial": true, "v1": false, "acceptUnknownSubprotocol": true, "page": false, "allowOrigin": "https://a.example", "allowHost": ["a.example"],
            "tlsFiles": {"cert": "a.pem", "key": "b.pem"}, "tlsPem": [{"cert": "c", "key": "d"}],
            "requireOrigin": true, "trustedProxy": ["10.0.0.0/8", "unix"], "restarts": true, "deflate": false, "receipts": true,
            "hostName": "Bot", "hostColor": "red", "reserveName": "Boss", "repeatGivenNames": true, "limits": "load-test",
            "messageRate": 7, "historyKept": 50, "shardCount": 3
        }"#;
        let asked = ["admit", "may_join", "may_send", "call"].map(str::to_owned);
        let options = format!("{:?}", read(json, &asked).unwrap());
        let by_hand = Options::new()
            .ask_admit(true)
            .ask_may_join(true)
            .ask_may_send(true)
            .ask_call(true)
            .repeat_given_names(true)
            .limits(Limits::LoadTest)
            .listen("127.0.0.1:0")
            .listen("127.0.0.1:0")
            .path("/chat")
            .raw("/echo", "")
            .raw("/game", "game.v1")
            .tls_files("a.pem", "b.pem")
            .tls_pem("c", "d")
            .v1(false)
            .accept_unknown_subprotocol(true)
            .page(false)
            .allow_origin("https://a.example")
            .allow_host("a.example")
            .require_origin(true)
            .restarts(true)
            .trusted_proxy("10.0.0.0/8")
            .trusted_proxy("unix")
            .deflate(false)
            .receipts(true)
            .host_name("Bot")
            .host_color("red")
            .reserve_name("Boss")
            .message_rate(7)
            .history_kept(50)
            .shard_count(3);
        assert_eq!(options, format!("{by_hand:?}"));
        let listed =
            r#"{"raw": [{"path": "/echo"}, {"path": "/game", "subprotocol": "game.v1"}], "adoptOnly": true}"#;
        let by_hand = Options::new().raw("/echo", "").raw("/game", "game.v1").adopt_only(true).shard_count(1);
        assert_eq!(format!("{:?}", read(listed, &[]).unwrap()), format!("{by_hand:?}"));
    }

    #[test]
    fn an_engine_has_one_shard_unless_the_host_says_how_many() {
        for (json, shard_count) in [("{}", 1), (r#"{"shardCount": 0}"#, 1), (r#"{"shardCount": 2}"#, 2)] {
            let by_hand = Options::new().shard_count(shard_count);
            assert_eq!(format!("{:?}", read(json, &[]).unwrap()), format!("{by_hand:?}"), "{json}");
        }
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest_one() {
        for (name, right) in [
            ("histroy", "history"),
            ("history_kept", "historyKept"),
            ("HOSTNAME", "hostName"),
            ("port", "listen"),
            ("askAdmit", "admit"),
            ("askMaySend", "maySend"),
            ("askMayJoin", "mayJoin"),
            ("__proto__", "path"),
        ] {
            let words = refusal(&format!("{{\"{name}\": 1}}"));
            assert!(words.starts_with("there is no option") && words.contains(right), "{words}");
        }
    }

    #[test]
    fn a_wrong_type_is_refused_with_what_would_be_right() {
        for (json, word) in [
            (r#"{"history": "many"}"#, "history is \"many\"; it must be a whole number from 0 to 10000"),
            (r#"{"history": 1.5}"#, "history is 1.5"),
            (r#"{"history": -1}"#, "history is -1"),
            (r#"{"history": null}"#, "history is null"),
            (r#"{"listen": 65536}"#, "a port from 0 to 65535"),
            (r#"{"listen": true}"#, "IP:PORT"),
            (r#"{"listen": [null]}"#, "IP:PORT"),
            (r#"{"page": 1}"#, "page is 1; it must be true or false"),
            (r#"{"receipts": "yes"}"#, "receipts is \"yes\"; it must be true or false"),
            (r#"{"path": 1}"#, "path is 1; it must be a text"),
            (r#"{"allowOrigin": [1]}"#, "allowOrigin is 1"),
            (r#"{"raw": "/echo"}"#, "an object like"),
            (r#"{"raw": {"/echo": null}}"#, "raw is null; it must be a text"),
            (r#"{"raw": [{"subprotocol": "x"}]}"#, "an array of {path, subprotocol}"),
            (r#"{"raw": [{"path": "/x", "protocol": "x"}]}"#, "raw has a field \"protocol\""),
            (r#"{"tlsFiles": "cert.pem"}"#, "tlsFiles must be {cert, key}"),
            (r#"{"tlsFiles": [{"cert": "cert.pem"}]}"#, "tlsFiles must be {cert, key}"),
            (r#"{"tlsPem": {"cert": "c", "key": "d", "ca": "e"}}"#, "tlsPem must be {cert, key}"),
            (r#"{"limits": "none"}"#, "load-test"),
        ] {
            let words = refusal(json);
            assert!(words.contains(word), "{words}");
        }
    }

    #[test]
    fn the_cores_words_name_options_as_javascript_does() {
        let error =
            Error::new(ErrorCode::InvalidOption, "adopt_only is on; max_text_bytes is 0; history is 5");
        assert_eq!(respelt(&error).message(), "adoptOnly is on; maxTextBytes is 0; history is 5");
    }
}
