//! Words of the command line to what is wanted.
//!
//! In: the words behind the program's name. Out: a [`Command`], or words that say which one is wrong and what
//! would be right. Every number option of the engine is a flag, read from the engine's own table; so are
//! the lines of the help.

use std::ffi::OsString;

use klatsch::{Error, Limits, NUMBER_OPTIONS, NumberOption, Options};
use lexopt::Arg;
use tracing::Level;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Serve(Box<Serve>),
    Help,
    Version,
}

/// How to serve.
#[derive(Debug, PartialEq)]
pub(crate) struct Serve {
    pub(crate) log: Level,
    pub(crate) limits: Limits,
    pub(crate) listen: Vec<String>,
    tls_cert: Vec<String>,
    tls_key: Vec<String>,
    path: Option<String>,
    raw: Vec<String>,
    allow_origin: Vec<String>,
    allow_host: Vec<String>,
    reserve_name: Vec<String>,
    require_origin: bool,
    trusted_proxy: Vec<String>,
    page: bool,
    numbers: Vec<(&'static str, u64)>,
}

impl Default for Serve {
    fn default() -> Serve {
        Serve {
            log: Level::INFO,
            limits: Limits::Default,
            listen: Vec::new(),
            tls_cert: Vec::new(),
            tls_key: Vec::new(),
            path: None,
            raw: Vec::new(),
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            reserve_name: Vec::new(),
            require_origin: false,
            trusted_proxy: Vec::new(),
            page: true,
            numbers: Vec::new(),
        }
    }
}

impl Serve {
    /// Whether it speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        !self.tls_cert.is_empty()
    }

    /// The engine's options. The named limits come first, so that a number beside them holds wherever it stood.
    ///
    /// # Errors
    /// `invalid_option`: a number that the engine does not know.
    pub(crate) fn options(&self) -> Result<Options, Error> {
        let mut options =
            Options::new().limits(self.limits).require_origin(self.require_origin).page(self.page);
        for (name, value) in &self.numbers {
            options.set_number(name, *value)?;
        }
        if let Some(path) = &self.path {
            options = options.path(path);
        }
        let options = self.listen.iter().fold(options, |options, address| options.listen(address));
        let pairs = self.tls_cert.iter().zip(&self.tls_key);
        let options = pairs.fold(options, |options, (cert, key)| options.tls_files(cert, key));
        let options = self.raw.iter().fold(options, |options, path| options.raw(path, ""));
        let options = self.allow_origin.iter().fold(options, |options, origin| options.allow_origin(origin));
        let options = self.allow_host.iter().fold(options, |options, host| options.allow_host(host));
        let options = self.reserve_name.iter().fold(options, |options, name| options.reserve_name(name));
        Ok(self.trusted_proxy.iter().fold(options, |options, network| options.trusted_proxy(network)))
    }
}

/// A flag that is not a number: its name, what follows it (empty: nothing) and what it means.
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) meaning: &'static str,
}

/// Every flag that is not a number, in the order of the help.
pub(crate) const FLAGS: &[Flag] = &[
    Flag {
        name: "listen",
        value: "ADDRESS:PORT",
        meaning: "Listen here; may be given several times. Port 0 takes a free one. Default 127.0.0.1:1337, \
                  which only this machine can reach. unix:PATH is a Unix socket.",
    },
    Flag {
        name: "limits",
        value: "default|load-test",
        meaning: "load-test lifts what is counted per user and per address; never for a public server.",
    },
    Flag {
        name: "tls-cert",
        value: "FILE",
        meaning: "Speak TLS (https, wss) with the certificate in this PEM file, its chain behind it. May be given \
                  several times, each with a --tls-key: clients get the one for the host they name, or the first.",
    },
    Flag { name: "tls-key", value: "FILE", meaning: "The PEM file of that certificate's key." },
    Flag { name: "path", value: "PATH", meaning: "The path on which the chat is. Default /." },
    Flag {
        name: "raw",
        value: "PATH",
        meaning: "A path on which no chat is spoken; may be given several times.",
    },
    Flag {
        name: "allow-origin",
        value: "ORIGIN",
        meaning: "Lets pages of this origin connect too, like https://chat.example; * lets any. May be given \
                  several times.",
    },
    Flag {
        name: "allow-host",
        value: "HOST",
        meaning: "Answers requests for this host name too, like chat.example. May be given several times.",
    },
    Flag {
        name: "reserve-name",
        value: "NAME",
        meaning: "Keeps a name, and whatever looks like it, from everybody. May be given several times.",
    },
    Flag { name: "require-origin", value: "", meaning: "Refuses a WebSocket request without an Origin." },
    Flag {
        name: "trusted-proxy",
        value: "NETWORK",
        meaning: "Believes the X-Forwarded-For of this proxy, like 10.0.0.7 or 10.0.0.0/8; unix: of whoever comes \
                  by a Unix socket. May be given several times.",
    },
    Flag { name: "no-page", value: "", meaning: "Serves no chat page at /." },
    Flag {
        name: "log",
        value: "error|warn|info|debug",
        meaning: "How much to write to stderr. Default info.",
    },
    Flag { name: "help", value: "", meaning: "Shows this text. Also -h." },
    Flag { name: "version", value: "", meaning: "Shows the version. Also -V." },
];

/// The flag of a number option: its name with dashes.
pub(crate) fn number_flag(option: &NumberOption) -> String {
    option.name.replace('_', "-")
}

/// Reads the words behind the program's name.
///
/// # Errors
/// Words for people: which flag or value is wrong, and what would be right.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut serve = Serve::default();
    let mut command_seen = false;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Short('h') => return Ok(Command::Help),
            Arg::Short('V') => return Ok(Command::Version),
            Arg::Short(other) => {
                return Err(format!("there is no flag -{other}; klatsch --help lists them"));
            }
            Arg::Value(word) if !command_seen => match word.to_str() {
                Some("serve") => command_seen = true,
                Some("help") => return Ok(Command::Help),
                _ => return Err(format!("there is no command {word:?}; the command is serve")),
            },
            Arg::Value(word) => {
                return Err(format!("{word:?} belongs to no flag; klatsch --help lists them"));
            }
            Arg::Long(flag) => {
                let flag = flag.to_owned();
                match flag.as_str() {
                    "help" => return Ok(Command::Help),
                    "version" => return Ok(Command::Version),
                    _ => set(&mut serve, &flag, &mut parser)?,
                }
            }
        }
    }
    let (certs, keys) = (serve.tls_cert.len(), serve.tls_key.len());
    if certs != keys {
        return Err(format!(
            "there are {certs} --tls-cert and {keys} --tls-key; each certificate needs its key"
        ));
    }
    Ok(Command::Serve(Box::new(serve)))
}

fn set(serve: &mut Serve, flag: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
    if let Some(option) = NUMBER_OPTIONS.iter().find(|option| number_flag(option) == flag) {
        serve.numbers.push((option.name, number(option, &value(flag, parser)?)?));
        return Ok(());
    }
    match flag {
        "listen" => serve.listen.push(value(flag, parser)?),
        "limits" => serve.limits = limits(&value(flag, parser)?)?,
        "tls-cert" => serve.tls_cert.push(value(flag, parser)?),
        "tls-key" => serve.tls_key.push(value(flag, parser)?),
        "path" => serve.path = Some(value(flag, parser)?),
        "raw" => serve.raw.push(value(flag, parser)?),
        "allow-origin" => serve.allow_origin.push(value(flag, parser)?),
        "allow-host" => serve.allow_host.push(value(flag, parser)?),
        "reserve-name" => serve.reserve_name.push(value(flag, parser)?),
        "require-origin" => serve.require_origin = true,
        "trusted-proxy" => serve.trusted_proxy.push(value(flag, parser)?),
        "no-page" => serve.page = false,
        "log" => serve.log = level(&value(flag, parser)?)?,
        _ => return Err(unknown(flag)),
    }
    Ok(())
}

fn value(flag: &str, parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(|_| format!("--{flag} needs a value: {}", wanted(flag)))?;
    value.into_string().map_err(|value| format!("--{flag} is {value:?}, which is not UTF-8"))
}

/// What a flag's value looks like.
fn wanted(flag: &str) -> String {
    let number = NUMBER_OPTIONS.iter().find(|option| number_flag(option) == flag);
    let other = FLAGS.iter().find(|known| known.name == flag);
    match (number, other) {
        (Some(option), _) => format!("a number from {} to {}", option.min, option.max),
        (_, Some(known)) => known.value.to_owned(),
        _ => "a value".to_owned(),
    }
}

fn number(option: &NumberOption, text: &str) -> Result<u64, String> {
    let range = option.min..=option.max;
    text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
        let flag = number_flag(option);
        format!("--{flag} is {text:?}; it must be {}", wanted(&flag))
    })
}

fn limits(text: &str) -> Result<Limits, String> {
    let known = Limits::ALL.into_iter().find(|limits| limits.name() == text);
    known.ok_or_else(|| format!("--limits is {text:?}; it must be {}", wanted("limits")))
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "error" => Ok(Level::ERROR),
        "warn" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        _ => Err(format!("--log is {text:?}; it must be {}", wanted("log"))),
    }
}

fn unknown(flag: &str) -> String {
    let known = FLAGS.iter().map(|known| known.name.to_owned()).chain(NUMBER_OPTIONS.iter().map(number_flag));
    let nearest = known.min_by_key(|name| distance(name, flag)).unwrap_or_default();
    format!("there is no flag --{flag}; the nearest is --{nearest}; klatsch --help lists them all")
}

/// How many letters must be put in, taken out or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Command, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    fn served(words: &str) -> Serve {
        match parsed(words) {
            Ok(Command::Serve(serve)) => *serve,
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn no_word_at_all_serves_with_the_defaults() {
        assert_eq!(served(""), Serve::default());
        assert_eq!(served("serve"), Serve::default());
        assert_eq!(
            format!("{:?}", Serve::default().options().unwrap()),
            format!("{:?}", Options::new()),
            "the command has no defaults of its own"
        );
    }

    #[test]
    fn every_number_option_is_a_flag_with_dashes() {
        for option in NUMBER_OPTIONS {
            let flag = option.name.replace('_', "-");
            let serve = served(&format!("serve --{flag} {}", option.max));
            assert_eq!(serve.numbers, [(option.name, option.max)]);
            assert_eq!(serve, served(&format!("--{flag}={}", option.max)), "the equals sign is the same");
        }
    }

    #[test]
    fn every_other_flag_reaches_the_engines_options() {
        let serve = served(
            "serve --listen 127.0.0.1:0 --listen [::1]:0 --tls-cert c --tls-key k --path /chat --raw /a --raw /b --allow-origin * \
             --allow-host chat.example --reserve-name Boss --require-origin --trusted-proxy 10.0.0.0/8 --trusted-proxy unix --no-page --log debug",
        );
        assert_eq!(serve.log, Level::DEBUG);
        let expected = Options::new()
            .listen("127.0.0.1:0")
            .listen("[::1]:0")
            .tls_files("c", "k")
            .path("/chat")
            .raw("/a", "")
            .raw("/b", "")
            .allow_origin("*")
            .allow_host("chat.example")
            .reserve_name("Boss")
            .require_origin(true)
            .trusted_proxy("10.0.0.0/8")
            .trusted_proxy("unix")
            .page(false);
        assert_eq!(format!("{:?}", serve.options().unwrap()), format!("{expected:?}"));
    }

    #[test]
    fn a_number_holds_wherever_it_stands_beside_the_limits() {
        let expected = format!("{:?}", Options::new().limits(Limits::LoadTest).message_rate(7));
        for words in ["--limits load-test --message-rate 7", "--message-rate 7 --limits load-test"] {
            assert_eq!(format!("{:?}", served(words).options().unwrap()), expected, "{words}");
        }
    }

    #[test]
    fn every_flag_of_the_help_is_read() {
        for flag in FLAGS {
            let value = match flag.name {
                "limits" => "default",
                "log" => "info",
                _ => "/",
            };
            let words = if flag.value.is_empty() { String::new() } else { format!("={value}") };
            let other = match flag.name {
                "tls-cert" => " --tls-key /",
                "tls-key" => " --tls-cert /",
                _ => "",
            };
            assert!(parsed(&format!("--{}{words}{other}", flag.name)).is_ok(), "{}", flag.name);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (words, expected) in [
            ("serve --histroy 5", "there is no flag --histroy; the nearest is --history;"),
            ("--hartbeat-interval-ms 5", "the nearest is --heartbeat-interval-ms;"),
            ("--history many", "--history is \"many\"; it must be a number from 0 to 10000"),
            ("--history 10001", "--history is \"10001\"; it must be a number from 0 to 10000"),
            ("--history -1", "--history is \"-1\"; it must be a number from 0 to 10000"),
            ("--history", "--history needs a value: a number from 0 to 10000"),
            ("--listen", "--listen needs a value: ADDRESS:PORT"),
            ("--limits none", "--limits is \"none\"; it must be default|load-test"),
            ("--log loud", "--log is \"loud\"; it must be error|warn|info|debug"),
            ("--tls-cert c", "1 --tls-cert and 0 --tls-key"),
            ("serv", "there is no command \"serv\"; the command is serve"),
            ("serve now", "\"now\" belongs to no flag"),
            ("-x", "there is no flag -x"),
            ("--no-page=1", "no-page"),
        ] {
            let error = parsed(words).unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
