//! Scenarios: what is true of the chat, as text that people read and every door is held to.
//!
//! In: the text of a file in `tests/scenarios`. Out: its sentence and its steps. Knows nothing of sockets, of
//! doors, or of who carries the steps out; `tests/scenarios/README.md` is the language.
//!
//! The first line is a comment: the sentence that is true. A name or a text with blanks, or an empty one,
//! stands in quotes (`\"`, `\\`, `\n`, `\t` inside); `"x" times 20000` is a long one.

mod parse;
mod token;

use std::fmt;

pub use parse::parse;
pub use token::from_hex;

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The sentence that is true.
    pub sentence: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// What happens there.
    pub act: Act,
}

/// What happens in a step, or what is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is one line of the language, and says the same.
pub enum Act {
    /// `option history 5`: before the engine is made; the name is the Rust door's.
    Option { name: String, values: Vec<String> },
    /// `ann …`
    Client { who: String, act: ClientAct },
    /// `ann bob cy have different colors`
    DifferentColors { who: Vec<String> },
    /// `host …`, and the error it gets instead.
    Host { act: HostAct, error: Option<ExpectedError> },
    /// `host hears …` and `host then hears …`
    HostHears { event: EventPattern, next: bool },
    /// `host hears nothing`
    HostHearsNothing,
    /// `host is asked …`
    HostIsAsked(QuestionPattern),
}

/// What a client does, or what it must see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ClientAct {
    /// `ann joins lobby` and `ann joins lobby as "Ann B."`: comes in, names herself, and has her color.
    Joins { room: String, name: String },
    /// `ann enters lobby`: comes in and does not name herself.
    Enters { room: String },
    /// `ann takes the name "Ann"`, and has her color.
    TakesName { name: String },
    /// `eve opens /echo` and `eve opens /echo offering echo.v1`
    Opens { path: String, subprotocol: Option<String> },
    /// `ann knocks at /?room=lobby`: asks to come in and waits for no answer.
    Knocks { path: String, subprotocol: Option<String> },
    /// `ann is let in`
    IsLetIn,
    /// `ann is refused 403` and `ann is refused 400 "klatsch.v1"`: words that stand in the answer.
    IsRefused { status: u16, words: Option<String> },
    /// `ann has a color`
    HasColor,
    /// `ann says lobby "one"`
    Says { room: String, text: String },
    /// `eve sends text "one"` and `eve sends bytes 00ff`: whatever she speaks, as it is.
    Sends(Payload),
    /// `bob hears lobby 1 ann "one"`; `-` as the offset: it stands in no log.
    Hears(Heard),
    /// `bob is shown lobby 1 ann "one"`: in the history, on arrival.
    IsShown(Heard),
    /// `eve gets text "one"` and `eve gets bytes 00ff`
    Gets(Payload),
    /// `ann hears nothing`
    HearsNothing,
    /// `ann leaves`: says goodbye and is answered.
    Leaves,
    /// `ann drops`: her line is cut.
    Drops,
    /// `ann returns`: comes back as she came.
    Returns,
    /// `Ann says hello` and `Ann says hello as "Ann"`: comes by `klatsch.v1`, and is welcomed.
    SaysHello { name: Option<String> },
    /// `Ann says hello with {"token":"t"}`: the same with these fields, and waits for no answer.
    SaysHelloWith { fields: Json },
    /// `Ann asks {"do":"leave","room":"lobby"}`: a request with the next number as its id.
    Asks { request: Json },
    /// `Ann is answered {"offset":5}`: the reply to the oldest request that had none, which is the next she gets.
    IsAnswered { ok: Json },
    /// `Ann is answered error not_member "words"`
    IsAnsweredError(ExpectedError),
    /// `Ann gets {"on":"typing",…}`: the next document.
    GetsJson { document: Json },
    /// `ann is closed with 1008` and `ann is closed with 1008 "spam"`
    IsClosedWith { code: u16, reason: Option<String> },
}

/// A message as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The room it is heard in.
    pub room: String,
    /// Its place in the room's log; `None`: it stands in none.
    pub offset: Option<u64>,
    /// The author's name.
    pub author: String,
    /// The text as it was typed.
    pub text: String,
}

/// An object or a list, as it stands in the file. In it `"$x"` is what `x` was bound to, or binds it, and `"..."` is
/// anything.
pub type Json = String;

/// One whole message of a raw connection, or of `tell`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

/// What the host does, or reads and must find.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HostAct {
    /// `host starts`; the first step that needs a running engine does it by itself.
    Starts,
    /// `host stops within 5000 ms`
    Stops { grace_ms: u64 },
    /// `host broadcasts lobby "one"`
    Broadcasts { room: String, text: String },
    /// `host broadcasts everywhere "one"`
    BroadcastsEverywhere { text: String },
    /// `host tells ann text "one"`
    Tells { who: String, payload: Payload },
    /// `host tells room lobby text "one"`
    TellsRoom { room: String, payload: Payload },
    /// `host tells everyone text "one"`
    TellsEveryone { payload: Payload },
    /// `host sends lobby as ann-1 "one"`
    Sends { room: String, user: String, text: String },
    /// `host edits lobby 2 "one"`
    Edits { room: String, offset: u64, text: String },
    /// `host deletes lobby 2`
    Deletes { room: String, offset: u64 },
    /// `host tells user $Ann "one"`
    TellsUser { user: String, text: String },
    /// `host moderates lobby {"act":"mute","user":"$Ann","seconds":5}`
    Moderates { room: String, act: Json },
    /// `host puts $Ann into lobby`
    Puts { user: String, room: String },
    /// `host takes $Ann out of lobby`
    Takes { user: String, room: String },
    /// `host sets lobby {"private":true}`
    Sets { room: String, options: Json },
    /// `host makes ticket $t {"name":"Ann"} for 60000 ms`
    MakesTicket { variable: String, admission: Json, ttl_ms: u64 },
    /// `host bans $Ann` and `host bans $Ann for 60 s`
    Bans { user: String, seconds: Option<u64> },
    /// `host bans address 127.0.0.1` and `host bans address 127.0.0.1 for 60 s`
    BansAddress { address: String, seconds: Option<u64> },
    /// `host kicks ann "spam"`
    Kicks { who: String, reason: String },
    /// `host answers allow`, `host answers allow as ann-1 "Ann"` (`-`: the engine gives the id),
    /// `host answers rewrite "one"`, `host answers refuse "no"`
    Answers(Verdict),
    /// `host sees rooms den 0 4, lobby 2 1`: members, newest offset; `none`: no room.
    SeesRooms { rooms: Vec<(String, u64, u64)> },
    /// `host sees members of lobby ann 1, bob 2`: name, connections; `none`: nobody.
    SeesMembers { room: String, members: Vec<(String, u64)> },
    /// `host sees 2 members of lobby`
    SeesMemberCount { room: String, count: u64 },
    /// `host sees 2 connections in 1 rooms`: WebSockets, none of which lags, and nobody on the way to one.
    SeesConnections { connection_count: u64, room_count: u64 },
    /// `host sees history of lobby [before 9] [limit 2] 1 ann "one", 2 bob "two"`; `none`: empty.
    SeesHistory { room: String, before: u64, limit: u64, messages: Vec<(u64, String, String)> },
}

/// `… and gets error bad_name "64 bytes"`: the code's name, and what stands in the words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ExpectedError {
    pub code: String,
    pub words: Option<String>,
}

/// The host's answer to the newest question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verdict {
    Allow,
    AllowAs {
        user: Option<String>,
        name: String,
    },
    /// `host answers as {"name":"Ann","role":"owner"}`
    AllowAsAdmission(Json),
    /// `host answers with {"degrees":-3.5}`
    Answer(Json),
    Rewrite(String),
    Refuse(String),
}

/// What the host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum QuestionPattern {
    /// `host is asked to admit ann`
    Admit { who: String },
    /// `host is asked to admit Ann with {"name":"Ann","token":null}`
    AdmitWith { who: String, fields: Json },
    /// `host is asked whether Ann may join lobby`
    MayJoin { who: String, room: String },
    /// `host is asked by Ann to weather ["Wien"]`: a call, its method and its data.
    Call { who: String, method: String, data: Json },
    /// `host is asked whether ann may send lobby "one"`
    MaySend { who: String, room: String, text: String },
}

/// What the host hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EventPattern {
    /// `started`
    Started,
    /// `stopped`
    Stopped,
    /// `ann connected` and `eve connected raw`: the dialect, where it matters.
    Connected { who: String, dialect: Option<String> },
    /// `ann named "Ann"`
    Named { who: String, name: String },
    /// `ann joined lobby 1`: the members there now.
    Joined { who: String, room: String, member_count: u64 },
    /// `ann left lobby 0`
    Left { who: String, room: String, member_count: u64 },
    /// `message lobby 1 ann "one"`
    Message { room: String, offset: u64, name: String, text: String },
    /// `away $Bob Ann "one"`: whom it is for, who said what.
    Away { user: String, name: String, text: String },
    /// `eve send text "one"`
    Received { who: String, payload: Payload },
    /// `ann disconnected 1000`
    Disconnected { who: String, code: u16 },
    /// `receipt lobby 1 for 2 sent 2`: position, connections, and how many had it at once; for nobody it waits.
    Receipt { room: String, offset: u64, connection_count: u64, sent_count: u64 },
    /// `refusal of ann too_long` and, where the connection has no number, `refusal too_long`
    Refused { who: Option<String>, code: String },
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub words: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}
