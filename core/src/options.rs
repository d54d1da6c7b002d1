//! What a host may set before the engine starts, and the only defaults there are.

mod listen;
mod numbers;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::{Error, ErrorCode};
use crate::id::UserName;
use crate::message::Color;
use crate::network::Trusted;

pub use numbers::{NUMBER_OPTIONS, NumberOption};

pub(crate) use listen::Listen;

pub(crate) use numbers::Numbers;
pub(crate) use tls::TlsPair;

/// A named set of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// The defaults: for people.
    Default,
    /// What is counted per user and per address is not limited (`message_rate`,
    /// `max_address_connection_count`): for load tests from a single machine. Never for a public server.
    LoadTest,
}

impl Limits {
    /// Every named set.
    pub const ALL: [Limits; 2] = [Limits::Default, Limits::LoadTest];

    /// The stable name: `"default"`, `"load-test"`.
    pub const fn name(self) -> &'static str {
        match self {
            Limits::Default => "default",
            Limits::LoadTest => "load-test",
        }
    }

    /// Finds the set of that name.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidOption`]: there is none.
    pub fn from_name(name: &str) -> Result<Limits, Error> {
        Self::ALL
            .into_iter()
            .find(|limits| limits.name() == name)
            .ok_or_else(|| invalid(format!("limits is {name:?}; it can be \"default\" or \"load-test\"")))
    }
}

/// What a host sets before the engine starts. Values are checked together by
/// [`Engine::new`](crate::Engine::new).
///
/// ```
/// use klatsch::Options;
/// let options = Options::new().listen("127.0.0.1:0").history(50).heartbeat_interval_ms(10_000);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) listen: Vec<String>,
    pub(crate) adopt_only: bool,
    pub(crate) tls: Vec<TlsPair>,
    pub(crate) path: String,
    pub(crate) raw: Vec<RawPath>,
    pub(crate) tutorial: bool,
    pub(crate) v1: bool,
    pub(crate) accept_unknown_subprotocol: bool,
    pub(crate) page: bool,
    pub(crate) allow_origin: Vec<String>,
    pub(crate) allow_host: Vec<String>,
    pub(crate) require_origin: bool,
    pub(crate) trusted_proxy: Vec<String>,
    pub(crate) restarts: bool,
    pub(crate) deflate: bool,
    pub(crate) ask_admit: bool,
    pub(crate) ask_may_join: bool,
    pub(crate) ask_may_send: bool,
    pub(crate) ask_call: bool,
    pub(crate) repeat_given_names: bool,
    pub(crate) receipts: bool,
    pub(crate) host_name: String,
    pub(crate) host_color: String,
    pub(crate) reserve_name: Vec<String>,
    pub(crate) numbers: Numbers,
}

/// A path on which the engine speaks no dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawPath {
    pub(crate) path: String,
    pub(crate) subprotocol: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: Vec::new(),
            adopt_only: false,
            tls: Vec::new(),
            path: "/".into(),
            raw: Vec::new(),
            tutorial: true,
            v1: true,
            accept_unknown_subprotocol: false,
            page: true,
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            require_origin: false,
            trusted_proxy: Vec::new(),
            restarts: false,
            deflate: true,
            ask_admit: false,
            ask_may_join: false,
            ask_may_send: false,
            ask_call: false,
            repeat_given_names: false,
            receipts: false,
            host_name: "Host".into(),
            host_color: Color::Black.name().into(),
            reserve_name: Vec::new(),
            numbers: Numbers::default(),
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// Listens on this address too: `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`; port 0 takes a free one. Or on
    /// a Unix socket: `unix:/run/chat.sock`. Its file is removed when the engine stops, and one on which nobody
    /// listens any more is replaced; who may connect is the file's mode, which the process's umask decides.
    ///
    /// Default, when it is never called: `127.0.0.1:1337`, which only this machine can reach.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Options {
        self.listen.push(address.into());
        self
    }

    /// Listens nowhere: every connection comes by [`Engine::adopt`](crate::Engine::adopt). Default `false`.
    #[must_use]
    pub fn adopt_only(mut self, on: bool) -> Options {
        self.adopt_only = on;
        self
    }

    /// The path on which the chat is; WebSocket requests for another are answered 404. Default `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Options {
        self.path = path.into();
        self
    }

    /// Marks a path as raw: whole messages, text and bytes, go to the host as
    /// [`Event::Received`](crate::Event::Received), and the host answers with
    /// [`Engine::tell`](crate::Engine::tell). May be called for several paths.
    ///
    /// `subprotocol`: the `Sec-WebSocket-Protocol` that clients of this path must offer and that is echoed;
    /// empty: none is spoken, and a client's offer is refused with 400. A raw connection is in the room
    /// that its `?room=` names, or in none.
    #[must_use]
    pub fn raw(mut self, path: impl Into<String>, subprotocol: impl Into<String>) -> Options {
        let subprotocol = Some(subprotocol.into()).filter(|name| !name.is_empty());
        self.raw.push(RawPath { path: path.into(), subprotocol });
        self
    }

    /// Whether the tutorial dialect is spoken. Default `true`.
    #[must_use]
    pub fn tutorial(mut self, on: bool) -> Options {
        self.tutorial = on;
        self
    }

    /// Whether the dialect `klatsch.v1` is spoken, with clients that offer that subprotocol on the chat's path.
    /// Default `true`.
    #[must_use]
    pub fn v1(mut self, on: bool) -> Options {
        self.v1 = on;
        self
    }

    /// Whether a client that offers unknown subprotocols only is taken for one of the tutorial's, and answered without
    /// a subprotocol. Browsers then close the connection themselves, as their standard asks of them; other clients may
    /// not mind. Else it is answered 400 with the supported ones. Default `false`.
    #[must_use]
    pub fn accept_unknown_subprotocol(mut self, on: bool) -> Options {
        self.accept_unknown_subprotocol = on;
        self
    }

    /// Whether the chat page is served at `/`. Default `true`.
    #[must_use]
    pub fn page(mut self, on: bool) -> Options {
        self.page = on;
        self
    }

    /// Lets pages of this origin connect too: `https://chat.example`, compared as a whole. Or `null`: pages that
    /// hide their origin, such as those opened from a file; or `*`: any page of any site. May be called several
    /// times.
    ///
    /// Pages of the engine's own origin always may. What is no page (and sends no `Origin`) may, unless
    /// [`require_origin`](Options::require_origin) is on. As long as this is never called and every listener is on
    /// loopback, so may any page from loopback, and any page opened from a file. Browsers call such a page's
    /// origin `null`, and that of a sandboxed frame of any site too: a chat on loopback that must not be reached
    /// from a web page calls this with the origins it wants.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Options {
        self.allow_origin.push(origin.into());
        self
    }

    /// Answers requests for this host name too: `chat.example`, or with its port `chat.example:8080`. May be
    /// called several times. A request for another is answered 421.
    ///
    /// Default, when it is never called: any name where a listener is not on loopback, and for adopted
    /// connections; else only loopback names and addresses.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Options {
        self.allow_host.push(host.into());
        self
    }

    /// Whether a WebSocket request without an `Origin` is refused. Default `false`.
    #[must_use]
    pub fn require_origin(mut self, on: bool) -> Options {
        self.require_origin = on;
        self
    }

    /// Believes this proxy, or every one in this network, about whose connection it hands on: `10.0.0.7`,
    /// `10.0.0.0/8`, `2001:db8::/32`; or `unix`: whoever comes by a Unix socket that has a path. May be called
    /// several times. Such a connection is its client's for the events and for `max_address_connection_count`.
    ///
    /// The client is the last address in `X-Forwarded-For` that is not a trusted proxy's itself; a request whose
    /// header says anything but an address there is answered 400. From everybody else the header is ignored,
    /// since anybody can write one: list no network that strangers are in.
    ///
    /// Default, when it is never called: nobody is believed.
    #[must_use]
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Options {
        self.trusted_proxy.push(network.into());
        self
    }

    /// Whether an engine that stops is started again soon, here or by another program that takes its place, as when a
    /// service is updated. Connections are closed as by a restart then (4202; 1012 where they do not speak `klatsch.v1`),
    /// and else as by a server that goes away (4200, 1001). Default `false`.
    #[must_use]
    pub fn restarts(mut self, on: bool) -> Options {
        self.restarts = on;
        self
    }

    /// Whether messages are compressed (permessage-deflate) for clients that offer it, as browsers do. A message
    /// is compressed once for all members of a room. Default `true`.
    #[must_use]
    pub fn deflate(mut self, on: bool) -> Options {
        self.deflate = on;
        self
    }

    /// Whether the host is asked before a connection comes in ([`Subject::Admit`](crate::Subject::Admit)).
    /// Default `false`.
    #[must_use]
    pub fn ask_admit(mut self, on: bool) -> Options {
        self.ask_admit = on;
        self
    }

    /// Whether the host is asked before a user comes into a room ([`Subject::MayJoin`](crate::Subject::MayJoin)).
    /// Default `false`.
    #[must_use]
    pub fn ask_may_join(mut self, on: bool) -> Options {
        self.ask_may_join = on;
        self
    }

    /// Whether the host is asked before a user's message gets its place
    /// ([`Subject::MaySend`](crate::Subject::MaySend)). Default `false`.
    #[must_use]
    pub fn ask_may_send(mut self, on: bool) -> Options {
        self.ask_may_send = on;
        self
    }

    /// Whether v1 clients may ask the host something themselves ([`Subject::Call`](crate::Subject::Call)); else their
    /// `call` is refused. Default `false`.
    #[must_use]
    pub fn ask_call(mut self, on: bool) -> Options {
        self.ask_call = on;
        self
    }

    /// Whether two users may have one name whom the host named, by its answer to a question or by a ticket; else the
    /// second gets a number behind it. Default `false`.
    #[must_use]
    pub fn repeat_given_names(mut self, on: bool) -> Options {
        self.repeat_given_names = on;
        self
    }

    /// Whether the host is told what became of each of its broadcasts
    /// ([`Event::Receipt`](crate::Event::Receipt)). Default `false`.
    #[must_use]
    pub fn receipts(mut self, on: bool) -> Options {
        self.receipts = on;
        self
    }

    /// The name under which the host broadcasts. Default `Host`.
    #[must_use]
    pub fn host_name(mut self, name: impl Into<String>) -> Options {
        self.host_name = name.into();
        self
    }

    /// Keeps a name, and whatever looks like it, from those who choose their names themselves: they get a number
    /// behind it. May be called several times. The host may still give it to somebody. `host_name` and names of an
    /// authority, such as `admin`, are always kept.
    #[must_use]
    pub fn reserve_name(mut self, name: impl Into<String>) -> Options {
        self.reserve_name.push(name.into());
        self
    }

    /// The colour in which the host broadcasts, one of [`Color`]'s names. Default `black`.
    #[must_use]
    pub fn host_color(mut self, color: impl Into<String>) -> Options {
        self.host_color = color.into();
        self
    }

    /// Sets the options that a named set of limits covers; what is set later holds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Options {
        let default = Numbers::default();
        let (rate, per_address) = match limits {
            Limits::Default => (default.message_rate, default.max_address_connection_count),
            Limits::LoadTest => (0, 0),
        };
        self.numbers.message_rate = rate;
        self.numbers.max_address_connection_count = per_address;
        self
    }

    /// Checks everything, once.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidOption`]: which option, its value, and what it may be.
    pub(crate) fn check(&self) -> Result<Checked, Error> {
        for option in NUMBER_OPTIONS {
            let value = self.number(option.name);
            if value < option.min || value > option.max {
                return Err(invalid(format!(
                    "{} is {value}; it can be {} to {}",
                    option.name, option.min, option.max
                )));
            }
        }
        for (name, path) in
            std::iter::once(("path", &self.path)).chain(self.raw.iter().map(|raw| ("raw", &raw.path)))
        {
            if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
            {
                return Err(invalid(format!(
                    "{name} is {path:?}; a path begins with / and has no blank, ? or #"
                )));
            }
        }
        for raw in &self.raw {
            if raw.path == self.path && self.tutorial {
                return Err(invalid(format!(
                    "raw is {:?}, where the chat is; choose another path for one of them, or switch tutorial off",
                    raw.path
                )));
            }
            if let Some(name) = raw.subprotocol.as_ref().filter(|name| !name.bytes().all(is_token)) {
                return Err(invalid(format!(
                    "the subprotocol of raw {:?} is {name:?}; it must be a token",
                    raw.path
                )));
            }
        }
        if self.adopt_only && !self.listen.is_empty() {
            return Err(invalid("adopt_only is on and listen is set; leave one of them out".into()));
        }
        if self.adopt_only && !self.tls.is_empty() {
            let words = "adopt_only is on and a certificate is set (tls_files, tls_pem); adopted connections never \
                speak TLS: leave one of them out";
            return Err(invalid(words.into()));
        }
        for origin in &self.allow_origin {
            let right = matches!(origin.as_str(), "*" | "null")
                || origin.split_once("://").is_some_and(|(scheme, authority)| {
                    !scheme.is_empty() && !authority.is_empty() && !authority.contains(['/', '*', ' ', ','])
                });
            if !right {
                return Err(invalid(format!(
                    "allow_origin is {origin:?}; it must be like \"https://chat.example\", without a path, or \"null\" or \"*\""
                )));
            }
        }
        for host in &self.allow_host {
            if host.is_empty() || host.contains(['/', '*', ' ', ',', '@']) {
                return Err(invalid(format!(
                    "allow_host is {host:?}; it must be like \"chat.example\" or \"chat.example:8080\""
                )));
            }
        }
        let mut trusted = Trusted::default();
        for network in &self.trusted_proxy {
            if !trusted.add(network) {
                return Err(invalid(format!(
                    "trusted_proxy is {network:?}; it must be an address like 10.0.0.7, a network like 10.0.0.0/8 \
                     without bits behind its prefix, or unix"
                )));
            }
        }
        let host_name = UserName::new(&self.host_name)
            .map_err(|error| invalid(format!("host_name is {:?}: {}", self.host_name, error.message())))?;
        let host_color = Color::from_name(&self.host_color).ok_or_else(|| {
            invalid(format!(
                "host_color is {:?}; it can be black, red, green, blue, magenta, purple, plum or orange",
                self.host_color
            ))
        })?;
        let reserved_names = self.reserve_name.iter().map(|name| {
            UserName::new(name)
                .map_err(|error| invalid(format!("reserve_name is {name:?}: {}", error.message())))
        });
        let reserved_names = reserved_names.collect::<Result<_, _>>()?;
        Ok(Checked { listen: self.addresses()?, trusted, host_name, host_color, reserved_names })
    }

    fn addresses(&self) -> Result<Vec<Listen>, Error> {
        if self.listen.is_empty() && !self.adopt_only {
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);
            return Ok(vec![Listen::Tcp(address)]);
        }
        self.listen.iter().map(|text| Listen::parse(text)).collect()
    }
}

/// What the options say once they are checked and read.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) listen: Vec<Listen>,
    pub(crate) trusted: Trusted,
    pub(crate) host_name: UserName,
    pub(crate) host_color: Color,
    pub(crate) reserved_names: Vec<UserName>,
}

fn invalid(words: String) -> Error {
    Error::new(ErrorCode::InvalidOption, words)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The tutorial's.
const DEFAULT_PORT: u16 = 1337;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(options: Options) -> String {
        let error = options.check().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        error.message()
    }

    #[test]
    fn the_defaults_are_right_and_listen_on_loopback() {
        let checked = Options::new().check().unwrap();
        assert_eq!(checked.listen, [Listen::Tcp("127.0.0.1:1337".parse().unwrap())]);
        for option in NUMBER_OPTIONS {
            assert!((option.min..=option.max).contains(&option.default), "{}", option.name);
            assert!(option.meaning.ends_with('.'), "{}", option.name);
        }
    }

    #[test]
    fn every_number_is_held_to_its_range_and_the_words_name_it() {
        for option in NUMBER_OPTIONS {
            for value in [option.min.checked_sub(1), option.max.checked_add(1)].into_iter().flatten() {
                let mut options = Options::new();
                options.set_number(option.name, value).unwrap();
                let words = refusal(options);
                assert!(words.contains(option.name) && words.contains(&value.to_string()), "{words}");
            }
        }
        assert_eq!(Options::new().set_number("nosuch", 1).unwrap_err().code(), ErrorCode::InvalidOption);
    }

    #[test]
    fn wrong_texts_are_refused_with_what_would_be_right() {
        for (options, word) in [
            (Options::new().listen("example.org:80"), "IP:PORT"),
            (Options::new().listen("127.0.0.1"), "IP:PORT"),
            (Options::new().listen("unix:"), "unix:/run/chat.sock"),
            (Options::new().listen("unix:/a\0b"), "unix:/run/chat.sock"),
            (Options::new().listen(format!("unix:/{}", "x".repeat(200))), "unix:/run/chat.sock"),
            (Options::new().listen("127.0.0.1:0").adopt_only(true), "adopt_only"),
            (Options::new().adopt_only(true).tls_pem("cert", "key"), "adopt_only"),
            (Options::new().path("chat"), "begins with /"),
            (Options::new().raw("/a b", ""), "no blank"),
            (Options::new().raw("/", ""), "another path"),
            (Options::new().raw("/x", "a b"), "token"),
            (Options::new().allow_origin("chat.example"), "https://"),
            (Options::new().allow_origin("https://*.example"), "https://"),
            (Options::new().allow_host("http://x"), "chat.example"),
            (Options::new().trusted_proxy("proxy.example"), "10.0.0.0/8"),
            (Options::new().trusted_proxy("10.0.0.1/8"), "trusted_proxy"),
            (Options::new().host_name(" "), "host_name"),
            (Options::new().reserve_name("Boss").reserve_name("\u{202e}"), "reserve_name"),
            (Options::new().host_color("white;background:url(//x)"), "black"),
        ] {
            let words = refusal(options);
            assert!(words.contains(word), "{words}");
        }
        assert!(Options::new().raw("/", "").tutorial(false).check().is_ok());
        let listed = Options::new().listen("localhost:0").listen("[::1]:0").listen("unix:/run/chat.sock");
        assert_eq!(listed.check().unwrap().listen[2].to_string(), "unix:/run/chat.sock");
    }

    #[test]
    fn the_load_test_limits_lift_what_is_counted_per_user_and_address() {
        let lifted = Options::new().limits(Limits::LoadTest);
        assert_eq!((lifted.numbers.message_rate, lifted.numbers.max_address_connection_count), (0, 0));
        let back = lifted.limits(Limits::from_name("default").unwrap());
        assert_eq!((back.numbers.message_rate, back.numbers.max_address_connection_count), (2, 100));
        assert!(Limits::from_name("none").unwrap_err().message().contains("load-test"));
    }
}
