//! What is set before a chat begins, and its only defaults.

use std::fmt;

use super::options::ChatOptions;
use crate::error::{Error, ErrorCode};

/// The numbers, once for the machine's settings and once for the chat's options.
macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:literal, $min:literal ..= $max:literal;)+) => {
        #[derive(Clone, Debug)]
        pub(super) struct Numbers { $(pub(super) $name: u64,)+ }

        impl Default for Numbers {
            fn default() -> Numbers {
                Numbers { $($name: $default,)+ }
            }
        }

        impl Numbers {
            fn all(&self) -> impl Iterator<Item = (&'static str, u64, u64, u64)> {
                [$((stringify!($name), self.$name, $min, $max),)+].into_iter()
            }
        }

        impl Settings {
            $($(#[doc = $doc])+
            #[doc = concat!("\n\nDefault ", stringify!($default), "; from ", stringify!($min), " to ",
                stringify!($max), ".")]
            #[must_use]
            pub fn $name(mut self, $name: u64) -> Settings {
                self.numbers.$name = $name;
                self
            })+
        }

        impl ChatOptions {
            $($(#[doc = $doc])+
            #[doc = concat!("\n\nDefault ", stringify!($default), "; from ", stringify!($min), " to ",
                stringify!($max), ".")]
            #[must_use]
            pub fn $name(mut self, $name: u64) -> ChatOptions {
                self.settings.numbers.$name = $name;
                self
            })+
        }
    };
}

numbers! {
    /// After how many milliseconds without anything to say a heartbeat is sent; the server may want it sooner.
    heartbeat_ms: 25_000, 1_000 ..= 3_600_000;
    /// How many milliseconds longer than `heartbeat_ms` the server may be silent; then it is held for dead.
    heartbeat_timeout_ms: 10_000, 1 ..= 3_600_000;
    /// How many milliseconds there are for the token, for the open WebSocket, and for the reply to `hello`, each;
    /// then the next try begins.
    hello_timeout_ms: 10_000, 1 ..= 600_000;
    /// Before the first try to come back, a random part of so many milliseconds passes; twice as many each time.
    reconnect_min_ms: 500, 1 ..= 3_600_000;
    /// At most a random part of so many milliseconds passes before a try to come back.
    reconnect_max_ms: 30_000, 1 ..= 3_600_000;
    /// How many changes may wait for their place, and as many other requests for their answer; past it a request fails
    /// with `busy`.
    max_outbox_count: 1_000, 1 ..= 1_000_000;
    /// How many of the newest messages are asked for when a room is entered.
    history: 50, 0 ..= 10_000;
    /// How many messages of a room are kept; past it the oldest go.
    kept_message_count: 1_000, 1 ..= 1_000_000;
}

/// What a client shows to be let in.
#[derive(Clone, Default)]
pub enum Token {
    /// Nothing.
    #[default]
    None,
    /// Always the same.
    Fixed(String),
    /// A fresh one for every `hello`, and before the old one ends: [`Action::Token`](super::Action::Token).
    Asked,
}

impl fmt::Debug for Token {
    /// A token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Token::None => "None",
            Token::Fixed(_) => "Fixed(…)",
            Token::Asked => "Asked",
        })
    }
}

/// What a [`Machine`](super::Machine) goes by.
///
/// ```
/// use klatsch::client::chat::Settings;
/// let settings = Settings::new().name("Ann").kept_message_count(200);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(super) name: Option<String>,
    pub(super) token: Token,
    pub(super) saves: bool,
    pub(super) numbers: Numbers,
}

impl Settings {
    /// The defaults.
    pub fn new() -> Settings {
        Settings::default()
    }

    /// What the user wants to be called. Default: the server finds a name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Settings {
        self.name = Some(name.into());
        self
    }

    /// What is shown to be let in. Default: nothing.
    #[must_use]
    pub fn token(mut self, token: Token) -> Settings {
        self.token = token;
        self
    }

    /// Whether [`Action::Save`](super::Action::Save) is asked for. Default `false`.
    #[must_use]
    pub fn saves(mut self, on: bool) -> Settings {
        self.saves = on;
        self
    }

    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |words: String| Err(Error::new(ErrorCode::InvalidOption, words));
        if let Some((name, value, min, max)) =
            self.numbers.all().find(|(_, value, min, max)| !(min..=max).contains(&value))
        {
            return wrong(format!("{name} is {value}; it can be {min} to {max}"));
        }
        let (least, most) = (self.numbers.reconnect_min_ms, self.numbers.reconnect_max_ms);
        match least > most {
            true => wrong(format!("reconnect_min_ms is {least}; it can be at most reconnect_max_ms, {most}")),
            false => Ok(()),
        }
    }
}
