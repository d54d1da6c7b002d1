//! What a chat is told before it connects.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::settings::{Settings, Token};
use crate::client::Options;
use crate::error::Error;

/// Where what must outlive the process is kept: the session, how far each room is known, and what has no answer
/// yet. It is called in the chat's task, so it must not take long.
pub trait Store: Send + Sync {
    /// What was kept last, if anything.
    ///
    /// # Errors
    /// Whatever went wrong; then there is no chat.
    fn load(&self) -> Result<Option<String>, Error>;

    /// Keeps this text, which is a secret, instead of the last one.
    ///
    /// # Errors
    /// Whatever went wrong; it is told as an [`Event::Error`](super::Event::Error), and the chat goes on.
    fn save(&self, saved: &str) -> Result<(), Error>;
}

/// A token that is on its way.
pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<String, Error>> + Send>>;

/// What a [`Chat`](super::Chat) is told before it connects. The numbers have the defaults and the meaning of
/// [`Settings`].
///
/// ```
/// use klatsch::client::ChatOptions;
/// let options = ChatOptions::new("wss://chat.example").name("Ann").kept_message_count(200);
/// ```
#[derive(Clone)]
pub struct ChatOptions {
    pub(super) url: String,
    pub(super) socket: Options,
    pub(super) settings: Settings,
    pub(super) fetch_token: Option<Arc<dyn Fn() -> Fetching + Send + Sync>>,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) max_event_count: usize,
    pub(super) has_events: bool,
}

impl fmt::Debug for ChatOptions {
    /// The URL may have a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatOptions")
            .field("settings", &self.settings)
            .field("socket", &self.socket)
            .field("max_event_count", &self.max_event_count)
            .field("has_events", &self.has_events)
            .finish_non_exhaustive()
    }
}

impl ChatOptions {
    /// For the engine at `ws://host:port` or `wss://…`, with the defaults.
    pub fn new(url: impl Into<String>) -> ChatOptions {
        ChatOptions {
            url: url.into(),
            socket: Options::new(),
            settings: Settings::new(),
            fetch_token: None,
            store: None,
            max_event_count: 1_024,
            has_events: true,
        }
    }

    /// What the user wants to be called. Default: the server finds a name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> ChatOptions {
        self.settings = self.settings.name(name);
        self
    }

    /// What is shown to be let in, each time the same. Default: nothing.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> ChatOptions {
        self.settings = self.settings.token(Token::Fixed(token.into()));
        self.fetch_token = None;
        self
    }

    /// Gets a fresh token for every connection, and a new one before the old one ends.
    #[must_use]
    pub fn token_with<F, T>(mut self, fetch: F) -> ChatOptions
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Error>> + Send + 'static,
    {
        self.settings = self.settings.token(Token::Asked);
        self.fetch_token = Some(Arc::new(move || Box::pin(fetch())));
        self
    }

    /// How its WebSockets are connected: TLS, headers, sizes. Their subprotocol and heartbeat are the chat's.
    #[must_use]
    pub fn socket(mut self, options: Options) -> ChatOptions {
        self.socket = options;
        self
    }

    /// Keeps there what must outlive the process, and goes on from it. Default: nothing is kept.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> ChatOptions {
        self.settings = self.settings.saves(true);
        self.store = Some(Arc::new(store));
        self
    }

    /// How many events wait to be taken by [`next`](super::Chat::next); past it nothing more is read from the network,
    /// not even answers, until some are. Default 1024.
    #[must_use]
    pub fn max_event_count(mut self, count: usize) -> ChatOptions {
        self.max_event_count = count.max(1);
        self
    }

    /// Whether there are events at all. A program that only asks, or only looks at
    /// [`room`](super::Chat::room), leaves them out. Default `true`.
    #[must_use]
    pub fn events(mut self, on: bool) -> ChatOptions {
        self.has_events = on;
        self
    }
}
