//! Close codes, by which clients of `klatsch.v1` are told why; the core's table in C's words.

/// It does not keep to its dialect.
pub const KLATSCH_CLOSE_PROTOCOL: u16 = 4000;
/// The name is not allowed.
pub const KLATSCH_CLOSE_BAD_NAME: u16 = 4000;
/// Its token or its session is not valid, or not any more.
pub const KLATSCH_CLOSE_UNAUTHORIZED: u16 = 4001;
/// The user, or where it comes from, is banned.
pub const KLATSCH_CLOSE_BANNED: u16 = 4002;
/// Another connection has taken its session over.
pub const KLATSCH_CLOSE_REPLACED: u16 = 4003;
/// The host closed it, or somebody took it out of the one room that it was in.
pub const KLATSCH_CLOSE_KICKED: u16 = 4004;
/// A message is longer than it may be.
pub const KLATSCH_CLOSE_TOO_LONG: u16 = 1009;
/// There is no room for it: connections, rooms, sessions or memory have run out.
pub const KLATSCH_CLOSE_OVERLOAD: u16 = 4100;
/// Its user has as many connections as one may have.
pub const KLATSCH_CLOSE_TOO_MANY_CONNECTIONS: u16 = 4101;
/// It did nothing but send, faster than it may, for too long.
pub const KLATSCH_CLOSE_FLOOD: u16 = 4102;
/// The engine stops.
pub const KLATSCH_CLOSE_GOING_AWAY: u16 = 4200;
/// It reads more slowly than others write.
pub const KLATSCH_CLOSE_TOO_SLOW: u16 = 4201;
/// The engine stops, to begin again.
pub const KLATSCH_CLOSE_RESTART: u16 = 4202;
/// It was silent for too long.
pub const KLATSCH_CLOSE_NO_HEARTBEAT: u16 = 4203;
/// It did not say who it is in time.
pub const KLATSCH_CLOSE_NO_HELLO: u16 = 4204;
