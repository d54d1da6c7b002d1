/// <reference types="node" />
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';

/** The version of the library. */
export const version: string;

/** Why the engine closes a connection that speaks `klatsch.v1`, and the close code by which its client is told. */
export const closeCodes: {
  readonly protocol: 4000;
  readonly bad_name: 4000;
  readonly unauthorized: 4001;
  readonly banned: 4002;
  readonly replaced: 4003;
  readonly kicked: 4004;
  readonly too_long: 1009;
  readonly overload: 4100;
  readonly too_many_connections: 4101;
  readonly flood: 4102;
  readonly going_away: 4200;
  readonly too_slow: 4201;
  readonly restart: 4202;
  readonly no_heartbeat: 4203;
  readonly no_hello: 4204;
};

/**
 * Where a record stands in its room's log. Within an epoch the offset grows by 1 with each record; it is never
 * used twice in a room, whatever the epoch. Offset 0: an empty log.
 */
export interface Position {
  /** Which life of the log. */
  readonly epoch: number;
  /** Which record, counted from 1. */
  readonly offset: number;
}

/** A colour of the fixed palette, as CSS knows it. Black is the host's. */
export type Color = 'red' | 'green' | 'blue' | 'magenta' | 'purple' | 'plum' | 'orange' | 'black';

/** What a connection speaks: the classic tutorial's JSON, whole messages to the host and back, or the engine's own. */
export type Dialect = 'tutorial' | 'raw' | 'v1';

/** What somebody may do in a room. The README has the table. */
export type Role = 'owner' | 'moderator' | 'member' | 'guest';

/** One emoji on a message, and who put it there, in the order in which they did. */
export interface Reaction {
  readonly emoji: string;
  /** Never empty. */
  readonly users: readonly string[];
}

/** A record that people read, as it stands now: edits, deletion and reactions are in it. */
export interface Message {
  /** The room it stands in. */
  readonly room: string;
  readonly position: Position;
  /** Who said it: the user's id; `host` for what the host broadcast. */
  readonly user: string;
  /** The author's name when it was said. */
  readonly name: string;
  readonly color: Color;
  /** When it got its place, in Unix milliseconds. */
  readonly atMs: number;
  /** What was said, as it was typed: escape it before you put it into HTML. Empty when it was deleted. */
  readonly text: string;
  /** The sender's own id for it, where the sender's dialect has such. */
  readonly mid?: string;
  /** The offset of the message that it answers. */
  readonly replyTo?: number;
  /** JSON that means something to clients alone. */
  readonly data?: unknown;
  /** How many times it was edited. */
  readonly revision?: number;
  /** It was deleted: its text and data are gone. */
  readonly deleted?: true;
  /** What others have put on it, in the order in which they did. */
  readonly reactions?: readonly Reaction[];
}

/** A user in a room. */
export interface Member {
  readonly user: string;
  readonly name: string;
  readonly color: Color;
  /** What they may do in this room. */
  readonly role: Role;
  /** Their first connection in this room. */
  readonly connection: number;
  /** How many connections they have in this room. */
  readonly connectionCount: number;
}

/** A room as {@link Engine.rooms} lists it. */
export interface Room {
  readonly name: string;
  /** How many members are in it: users with a name. */
  readonly memberCount: number;
  /** How many connections are in it, with a name or without. */
  readonly connectionCount: number;
  /** The position of its newest record; offset 0 when there is none. */
  readonly position: Position;
}

/** Figures of a running engine; those of the connections are a moment old at the most. */
export interface Stats {
  /** How many connections there are, those on their way to a WebSocket and those being closed among them. */
  readonly connectionCount: number;
  /** How many of them are no WebSockets yet. */
  readonly handshakeCount: number;
  /** How many connections lag: they are shown nothing of their room until they have taken what waits for them. */
  readonly laggingCount: number;
  /** How many connections were closed because they read too slowly, since the start. */
  readonly tooSlowCount: number;
  /** How many rooms there are. */
  readonly roomCount: number;
  /** How many bytes came from connections since the start, without what TLS adds. */
  readonly receivedBytes: number;
  /** How many bytes their sockets took since the start, without what TLS adds. */
  readonly sentBytes: number;
  /** How many bytes wait for connections that read too slowly. */
  readonly waitingBytes: number;
  /** How many bytes the logs of all rooms hold. */
  readonly historyBytes: number;
  /** How many bytes the engine holds in all, about, as the option `memoryBytes` counts them. */
  readonly memoryBytes: number;
  /** How many events wait for your listeners. */
  readonly eventCount: number;
  /** The connections for which most waits, at most 8, most first; some tenths of a second old. */
  readonly slowest: readonly SlowConnection[];
}

/** A connection that reads too slowly. */
export interface SlowConnection {
  readonly connection: number;
  /** How many bytes wait for it. */
  readonly waitingBytes: number;
  /** For how many milliseconds it has lagged; 0 if it does not. */
  readonly laggingMs: number;
}

export interface StartedEvent {
  /** `IP:PORT`, one for each `listen` that is TCP, in their order. */
  readonly addresses: readonly string[];
}

export interface ConnectedEvent {
  readonly connection: number;
  readonly dialect: Dialect;
  /** The room it is in; null for a raw connection that named no room. */
  readonly room: string | null;
  /** The path it asked for, without the query. */
  readonly path: string;
  /** Where it comes from, `IP:PORT`; null for a Unix socket. If a trusted proxy said so, the port may be 0. */
  readonly address: string | null;
}

export interface NamedEvent {
  readonly connection: number;
  readonly user: string;
  readonly name: string;
  readonly color: Color;
}

export interface PresenceEvent {
  readonly room: string;
  /** The connection by which they came, or that was the last one. */
  readonly connection: number;
  readonly user: string;
  readonly name: string;
  /** How many members the room has now. */
  readonly memberCount: number;
}

export interface MessageEvent extends Message {
  /** The connection that sent it; null for what the host sent or broadcast. */
  readonly connection: number | null;
}

export interface AwayEvent {
  /** Whom it is for. */
  readonly user: string;
  /** The message, in the room of the two. */
  readonly message: Message;
}

export interface ReceivedEvent {
  readonly connection: number;
  /** One whole message: a string, or bytes. */
  readonly data: string | Buffer;
}

export interface DisconnectedEvent {
  readonly connection: number;
  /** The close code: the peer's, or the engine's own; 1006 when the line broke without one. */
  readonly code: number;
  /** Why, in words; may be empty. */
  readonly reason: string;
}

export interface RefusedEvent {
  /** Which connection, where it had got so far as to have a number. */
  readonly connection: number | null;
  /** Where it comes from, `IP:PORT`; null for a Unix socket. If a trusted proxy said so, the port may be 0. */
  readonly address: string | null;
  /** What was refused, and why. */
  readonly error: KlatschError;
}

export interface ReceiptEvent {
  readonly room: string;
  /** The record's position, as {@link Engine.broadcast} gave it. */
  readonly position: Position;
  /** For how many connections it was. */
  readonly connectionCount: number;
  /** How many of them had all of it at once. */
  readonly sentCount: number;
  /** For how many all or a part of it waits, because they read too slowly. */
  readonly queuedCount: number;
  /** How many lag, and will be shown it later. */
  readonly laggingCount: number;
}

export interface MissedEvent {
  /** How many events had to go. */
  readonly count: number;
}

/** What {@link Engine} tells, in the order in which it happened. */
export interface EngineEvents {
  /** The engine listens. */
  started: [event: StartedEvent];
  /** A WebSocket is open. For a chat connection `named` and `joined` follow when it names itself. */
  connected: [event: ConnectedEvent];
  /** A connection has a name, and so a user. */
  named: [event: NamedEvent];
  /** A user is in a room with a first connection. */
  joined: [event: PresenceEvent];
  /** A user's last connection has left a room. */
  left: [event: PresenceEvent];
  /** A message got its place in a room's log: somebody's, or the host's own. */
  message: [message: MessageEvent];
  /** A direct message got its place, and its addressee is not here: if you can, tell them by another way. */
  away: [event: AwayEvent];
  /** A raw connection sent a whole message. */
  received: [event: ReceivedEvent];
  /** A WebSocket that was connected is gone. Nothing more comes from it. */
  disconnected: [event: DisconnectedEvent];
  /** A connection, or something it wanted, was refused. */
  refused: [event: RefusedEvent];
  /**
   * What became of what you broadcast, with the option `receipts`: told once for each record, after it was sent to
   * everybody who was in the room then. Who is in none of the counts was gone or was closed.
   */
  receipt: [event: ReceiptEvent];
  /**
   * Your listeners were slower than the events: so many had to go, here. The rooms' logs still have the
   * messages among them ({@link Engine.history}).
   */
  missed: [event: MissedEvent];
  /** Something works less well than it should, and the engine goes on. */
  degraded: [error: KlatschError];
  /**
   * Something failed that should not have: in the engine (a {@link KlatschError}) or in one of your handlers
   * (what it threw). Where nobody listens to it, it is an uncaught exception, as with every EventEmitter.
   */
  error: [error: Error];
  /** The engine has stopped. Nothing follows until it is started again. */
  stopped: [];
}

type Listener<Kind extends keyof EngineEvents> = (...args: EngineEvents[Kind]) => void;

type Awaitable<Value> = Value | PromiseLike<Value>;

/**
 * May this connection come in, and who is it? Asked before the opening handshake is answered, or, of a connection that
 * speaks `klatsch.v1`, when it says hello, and when it shows a new token.
 */
export interface AdmitQuestion {
  readonly connection: number;
  /** Where it comes from, `IP:PORT`; null for a Unix socket. If a trusted proxy said so, the port may be 0. */
  readonly address: string | null;
  readonly dialect: Dialect;
  /** The room it wants to enter. */
  readonly room: string | null;
  /** The request's path, without the query. */
  readonly path: string;
  /** The request's query without the `?`: `new URLSearchParams(question.query)`. May be empty. */
  readonly query: string;
  /** The request's headers, names in lower case. It has no prototype: any name may stand in it. */
  readonly headers: { readonly [name: string]: string | undefined };
  /** What a v1 client wants to be called, if it says so. */
  readonly name: string | null;
  /** The token that a v1 client shows; yours to judge. */
  readonly token: string | null;
}

/** May this user come into that room? */
export interface MayJoinQuestion {
  readonly connection: number;
  /** Where the connection comes from, `IP:PORT`; null for a Unix socket. */
  readonly address: string | null;
  readonly room: string;
  readonly user: string;
  /** What they are called; null: that is not known yet. */
  readonly name: string | null;
}

/** What a v1 client asks of you yourself. */
export interface CallQuestion {
  readonly connection: number;
  /** Where the connection comes from, `IP:PORT`; null for a Unix socket. */
  readonly address: string | null;
  readonly user: string;
  readonly name: string;
  /** What it asks for; you say what there is. */
  readonly method: string;
  /** What belongs to it. */
  readonly data: unknown;
}

/** May this message get a place? */
export interface MaySendQuestion {
  readonly connection: number;
  /** Where the connection comes from, `IP:PORT`; null for a Unix socket. */
  readonly address: string | null;
  readonly room: string;
  readonly user: string;
  readonly name: string;
  /** The text as it was typed. */
  readonly text: string;
}

/** No, with words for whoever is refused. */
export interface Refusal {
  readonly refuse: string;
}

/** Yes, and this is who it is: the answer to `admit`, or what a {@link Engine.ticket} is good for. */
export interface Admission {
  /** The user's id; without it the engine gives one. Not `u` and a number: those are the engine's. */
  readonly user?: string | null | undefined;
  /** The user's name. */
  readonly name: string;
  /** What they may do where no room says otherwise. Default `member`. */
  readonly role?: Role | undefined;
  /** Rooms that a v1 client is in from the beginning, private ones too. */
  readonly rooms?: readonly string[] | undefined;
  /** Until when a v1 client may be here without showing a new token, in Unix milliseconds; without it, for ever. */
  readonly expiresAtMs?: number | undefined;
}

/** Only `true` and an {@link Admission} let somebody in: `undefined` refuses, as `false` does. */
export type AdmitAnswer = boolean | Admission | Refusal | null | undefined;

/** Only `true` lets somebody into the room: `undefined` refuses, as `false` does. */
export type MayJoinAnswer = boolean | Refusal | null | undefined;

/** Only `true` and a string (this text instead) let a message through: `undefined` refuses, as `false` does. */
export type MaySendAnswer = boolean | string | Refusal | null | undefined;

/**
 * What is done to a room, or to somebody in it. `kick` takes somebody out, who may come back; `ban` keeps them out too
 * (whom you did not name, by address as well); without `seconds` it is for good, and `mute` with 0 ends. `slow`: so many
 * seconds lie between two messages of one user. `clear` takes the messages of one user away, or all.
 */
export type Moderation =
  | { readonly act: 'kick' | 'unban'; readonly user: string }
  | { readonly act: 'mute' | 'ban'; readonly user: string; readonly seconds?: number | null | undefined }
  | { readonly act: 'slow'; readonly seconds: number }
  | { readonly act: 'topic'; readonly topic: string }
  | { readonly act: 'role'; readonly user: string; readonly role: Role }
  | { readonly act: 'clear'; readonly user?: string | null | undefined };

/** What you want otherwise in a room than in others. What is left out stays as it is. */
export interface RoomOptions {
  /**
   * Only those come in whom you have put there, let in with that room, or given a role there. Who is in it already
   * stays.
   */
  readonly private?: boolean | undefined;
  /** Only moderators and owners speak. */
  readonly readOnly?: boolean | undefined;
  /**
   * How many members it has at the most: one more is refused with `too_many`, but not whom you put there. 0: as many as
   * want to.
   */
  readonly maxMemberCount?: number | undefined;
  /** How many messages are kept of it, in place of the option `historyKept`. */
  readonly historyKept?: number | undefined;
}

/** A path on which the engine speaks no dialect: whole messages, text and bytes, to `received` and back. */
export interface RawPath {
  readonly path: string;
  /** The `Sec-WebSocket-Protocol` that clients of this path must offer and that is echoed; none when empty. */
  readonly subprotocol?: string | undefined;
}

/** The paths of a certificate and its key. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate and its key, PEM. */
export interface TlsPem {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
}

/**
 * What may be set before the engine starts. Another name is refused with the nearest one, a wrong value with
 * what would be right (`invalid_option`).
 */
export interface EngineOptions {
  /**
   * Where to listen: `IP:PORT`, `[IPv6]:PORT`, `localhost:PORT`, or a port of this machine that only this
   * machine can reach; several in an array. Port 0 takes a free one. Or a Unix socket: `unix:/run/chat.sock`. Its
   * file is removed when the engine stops, and one on which nobody listens any more is replaced; who may connect
   * is the file's mode, which the process's umask decides. Default `127.0.0.1:1337`.
   */
  listen?: string | number | readonly (string | number)[] | undefined;
  /** Listens nowhere: every connection comes by {@link Engine.attach}. Default false. */
  adoptOnly?: boolean | undefined;
  /**
   * Has every listener speak TLS (1.2 or 1.3; `wss://`, `https://`) with the certificate in one PEM file and its key
   * in another; the certificates of its chain stand behind it. Of several, a client gets the first that is for the
   * host it names (SNI), or the first of all. The files are read by {@link Engine.start} and
   * {@link Engine.reloadTls}. Default: no TLS.
   */
  tlsFiles?: TlsFiles | readonly TlsFiles[] | undefined;
  /** As `tlsFiles`, with what would be in the files. */
  tlsPem?: TlsPem | readonly TlsPem[] | undefined;
  /** The path on which the chat is; WebSocket requests for another are answered 404. Default `/`. */
  path?: string | undefined;
  /** Raw paths: `{ '/echo': '' }` (the subprotocol, or an empty text for none), or an array of {@link RawPath}. */
  raw?: { readonly [path: string]: string } | readonly RawPath[] | undefined;
  /** Whether the tutorial dialect is spoken. Default true. */
  tutorial?: boolean | undefined;

  /**
   * Whether the dialect `klatsch.v1` is spoken, with clients that offer that subprotocol on the chat's path. Default
   * true.
   */
  v1?: boolean | undefined;

  /**
   * Whether a client that offers unknown subprotocols only is taken for one of the tutorial's, and answered without a
   * subprotocol. Browsers then close the connection themselves, as their standard asks of them; other clients may not
   * mind. Else it is answered 400 with the supported ones. Default false.
   */
  acceptUnknownSubprotocol?: boolean | undefined;
  /** Whether the chat page is served at `/`. Default true. */
  page?: boolean | undefined;
  /**
   * Lets pages of these origins connect too: `https://chat.example`, or `*` for any page of any site. While
   * every listener is on loopback, pages from loopback and from files always may.
   */
  allowOrigin?: string | readonly string[] | undefined;
  /** Answers requests for these host names too: `chat.example`, `chat.example:8080`. Another is answered 421. */
  allowHost?: string | readonly string[] | undefined;
  /**
   * Believes these proxies about whose connections they hand on: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`; or
   * `unix`: whoever comes by a Unix socket that has a path. Such a connection is its client's for the events and for
   * `maxAddressConnectionCount`: the last address in `X-Forwarded-For` that is not a trusted proxy's itself.
   * From everybody else the header is ignored. Default: nobody is believed.
   */
  trustedProxy?: string | readonly string[] | undefined;
  /** Whether a WebSocket request without an `Origin` is refused. Default false. */
  requireOrigin?: boolean | undefined;
  /**
   * Whether an engine that stops is started again soon, here or by another program that takes its place, as when a
   * service is updated. Connections are closed as by a restart then (4202; 1012 where they do not speak `klatsch.v1`),
   * and else as by a server that goes away (4200, 1001). Default false.
   */
  restarts?: boolean | undefined;
  /**
   * Whether messages are compressed (permessage-deflate) for clients that offer it, as browsers do. Default true.
   */
  deflate?: boolean | undefined;
  /** Whether `receipt` tells what became of each {@link Engine.broadcast}. Default false. */
  receipts?: boolean | undefined;
  /** The name under which the host broadcasts. Default `Host`. */
  hostName?: string | undefined;
  /**
   * Keeps names, and whatever looks like them, from those who choose their names themselves: they get a number behind
   * it. You may still give them to somebody. `hostName` and names of an authority, such as `admin`, are always kept.
   */
  reserveName?: string | readonly string[] | undefined;
  /**
   * Whether two users may have one name whom you named, by your answer to a question or by a ticket; else the second
   * gets a number behind it. Default false.
   */
  repeatGivenNames?: boolean | undefined;
  /** The colour in which the host broadcasts. Default `black`. */
  hostColor?: Color | undefined;
  /**
   * A named set of limits, which single ones below override. `load-test` lifts what is counted per user and per
   * address: never for a public server.
   */
  limits?: 'default' | 'load-test' | undefined;
  /**
   * Decides who comes in. It returns or resolves `true` or an {@link Admission} to let in; anything else refuses, as do a throw and a rejection (both are told as `error`) and silence for `questionTimeoutMs`.
   */
  admit?: ((question: AdmitQuestion) => Awaitable<AdmitAnswer>) | undefined;
  /**
   * Decides who comes into which room, before each coming; of a connection of another dialect than `klatsch.v1` before
   * its handshake is answered. It returns or resolves `true`; anything else refuses, as above.
   */
  mayJoin?: ((question: MayJoinQuestion) => Awaitable<MayJoinAnswer>) | undefined;
  /**
   * Decides which messages get a place. It returns or resolves `true` to let one through or a string to put
   * in its place; anything else refuses, as do a throw and a rejection (both are told as `error`) and silence for
   * `questionTimeoutMs`. The host's own messages are never asked about.
   */
  maySend?: ((question: MaySendQuestion) => Awaitable<MaySendAnswer>) | undefined;
  /**
   * Answers the calls of v1 clients: what it returns or resolves is the client's answer, as JSON. `undefined` and a
   * {@link Refusal} refuse, as do a throw and a rejection (both are told as `error`) and silence for
   * `questionTimeoutMs`. Without it clients are told `not_available`.
   */
  call?: ((question: CallQuestion) => unknown) | undefined;
  /** Stops the engine when it is aborted; an engine whose signal was aborted before does not start. */
  signal?: AbortSignal | undefined;
  // Numbers, from the core's table: UPDATE_TYPES=1 cargo test -p klatsch-node
  /**
   * How many messages of its room a tutorial client is shown when it arrives: the newest, and at most 256 KiB of
   * them. Default 100; from 0 to 10000.
   */
  history?: number | undefined;
  /**
   * How many messages each room keeps as they stand; of its log, which resuming clients are given, it keeps four
   * times as many of the newest records. Older ones are forgotten. Default 1000; from 1 to 1000000.
   */
  historyKept?: number | undefined;
  /**
   * For how many milliseconds a room keeps what was said; past it the oldest is forgotten, a part in 256 of that
   * time later at the most. 0: for ever. Seven days, and a hundred years at the most. Default 604800000; from 0 to
   * 3153600000000.
   */
  historyMs?: number | undefined;
  /**
   * How many bytes the logs of all rooms may hold together; past it the oldest records of the rooms that were quiet
   * for longest are forgotten. Default 268435456; from 65536 to 1099511627776.
   */
  historyBytes?: number | undefined;
  /**
   * After how many milliseconds without a byte from a connection the engine pings it. Up to a fifth less, so that
   * not all connections are pinged at once. A v1 connection is sent a heartbeat that often instead, or more often
   * if its client wishes, and has to send something as often itself. Default 25000; from 100 to 3600000.
   */
  heartbeatIntervalMs?: number | undefined;
  /**
   * For how many milliseconds more the engine waits before it holds the peer for dead and cuts it. Default 10000;
   * from 100 to 3600000.
   */
  heartbeatTimeoutMs?: number | undefined;
  /**
   * How many milliseconds a connection has for its whole opening request, and before that, where TLS is spoken, for
   * the TLS handshake; then it is cut. Default 5000; from 100 to 600000.
   */
  handshakeTimeoutMs?: number | undefined;
  /**
   * How many milliseconds a v1 connection has for its `hello`; then it is closed with 4204. Default 10000; from 100
   * to 600000.
   */
  helloTimeoutMs?: number | undefined;
  /**
   * For how many milliseconds after its last connection is gone a v1 user is still in its rooms, so that nobody
   * sees a leave and a join when it comes back meanwhile. 0: it leaves at once. Default 15000; from 0 to 3600000.
   */
  lingerMs?: number | undefined;
  /**
   * For how many milliseconds after its last connection a v1 session can be resumed; then a client begins anew.
   * Default 86400000; from 1000 to 31536000000.
   */
  sessionMs?: number | undefined;
  /**
   * How many sessions of v1 users without a connection are kept; past it the oldest are forgotten. Default 100000;
   * from 0 to 16000000.
   */
  maxSessionCount?: number | undefined;
  /**
   * For how many milliseconds the engine knows the `mid` of a v1 client's change, and gives the first one's answer
   * if it is sent again. Past it a client must not send again. Default 86400000; from 1000 to 31536000000.
   */
  dedupeMs?: number | undefined;
  /**
   * How many milliseconds the peer has to answer a close frame and go; then it is cut. Default 5000; from 100 to
   * 600000.
   */
  closeTimeoutMs?: number | undefined;
  /**
   * For how many milliseconds a connection may take not one byte of what waits for it; then it is cut. Default
   * 10000; from 100 to 600000.
   */
  writeTimeoutMs?: number | undefined;
  /**
   * How many milliseconds the host has to answer a question; then the answer is no. Default 5000; from 10 to
   * 600000.
   */
  questionTimeoutMs?: number | undefined;
  /**
   * How many questions may be open at once; one more is refused without being asked. Default 1024; from 1 to
   * 1000000.
   */
  questionCount?: number | undefined;
  /**
   * How many events may wait for the host; past it they are dropped, counted and told as `missed`. Default 8192;
   * from 16 to 1000000.
   */
  eventQueueCount?: number | undefined;
  /**
   * How many bytes of text and payload may wait in those events. Default 16777216; from 65536 to 1073741824.
   */
  eventQueueBytes?: number | undefined;
  /**
   * How long a whole message of a client may be, in bytes; a longer one closes its connection with 1009. Default
   * 65536; from 125 to 67108864.
   */
  maxMessageBytes?: number | undefined;
  /**
   * How long a chat message's text may be, in bytes; a longer one closes a tutorial connection with 1009, and is
   * refused to the host. Default 16384; from 1 to 1048576.
   */
  maxTextBytes?: number | undefined;
  /**
   * How long the `data` of a v1 client's request may be, in bytes of JSON; longer is refused with `too_long`.
   * Default 16384; from 1 to 1048576.
   */
  maxDataBytes?: number | undefined;
  /**
   * How many messages, records or other entries one answer to a v1 client has at the most; the rest is in the next
   * answers. Default 100; from 1 to 10000.
   */
  maxPageCount?: number | undefined;
  /**
   * How many reactions one message may have; one more is refused with `too_many`. Default 256; from 1 to 65536.
   */
  maxReactionCount?: number | undefined;
  /**
   * Up to how many members a v1 client is told of everybody who comes to its room or leaves it; above, only how
   * many there are, at most once a second. Default 200; from 0 to 1000000.
   */
  maxPresenceCount?: number | undefined;
  /**
   * Into how many frames a message may be split; one more closes the connection with 1008. Default 64; from 1 to
   * 1000000.
   */
  maxFragmentCount?: number | undefined;
  /**
   * How many milliseconds the frames of one message may take to arrive; then 1008. Default 10000; from 100 to
   * 600000.
   */
  maxAssemblyMs?: number | undefined;
  /**
   * How many connections there may be; one more is answered 503, or cut where TLS would come first. 0: as many as
   * the process's descriptors allow, less a reserve for the host. Default 0; from 0 to 16000000.
   */
  maxConnectionCount?: number | undefined;
  /**
   * How many connections one IP address, or one IPv6 /64, may have; one more is answered 429, or cut where TLS
   * would come first. 0: no limit. Peers on a Unix socket are not counted, and of a trusted proxy its clients are.
   * Default 100; from 0 to 16000000.
   */
  maxAddressConnectionCount?: number | undefined;
  /**
   * How many connections one v1 user may have; one more is closed with 4101. Default 10; from 1 to 1000000.
   */
  maxUserConnectionCount?: number | undefined;
  /**
   * How many rooms one v1 connection may be in, its direct rooms not counted; one more is refused with `too_many`.
   * Default 32; from 1 to 10000.
   */
  maxConnectionRoomCount?: number | undefined;
  /**
   * How many connections may be on their way to a WebSocket at once: in the TLS handshake, sending their request,
   * or asked about. One more has the one cut that has taken longest, if that is over a second; else it is cut
   * itself. Default 1024; from 1 to 16000000.
   */
  maxHandshakeCount?: number | undefined;
  /**
   * How many rooms there may be. When they are all there, a room without connections is forgotten to make place; if
   * none is empty, the new one is refused. Default 100000; from 1 to 10000000.
   */
  maxRoomCount?: number | undefined;
  /**
   * How many messages a second one user may send in the long run. A tutorial connection that sends faster is read
   * later, and closed with 1008 when it has done nothing else for 10 seconds. 0: no limit. Default 2; from 0 to
   * 1000000.
   */
  messageRate?: number | undefined;
  /**
   * How many messages one user may send at once before that rate holds. Default 20; from 1 to 1000000.
   */
  messageBurst?: number | undefined;
  /**
   * How many requests a second that are no messages one v1 user may send in the long run (`tell`, `typing`, `join`,
   * `refresh`, `moderate`, `call`); more are refused with `rate_limited`. 0: no limit. Default 20; from 0 to
   * 1000000.
   */
  tellRate?: number | undefined;
  /**
   * How many of those one v1 user may send at once before that rate holds. Default 60; from 1 to 1000000.
   */
  tellBurst?: number | undefined;
  /**
   * How many control frames (pings, pongs) a second a connection may send in the long run; more close it with 1008,
   * a v1 one with 4102. Default 10; from 1 to 1000000.
   */
  controlRate?: number | undefined;
  /**
   * How many control frames a connection may send at once before that rate holds. Default 20; from 1 to 1000000.
   */
  controlBurst?: number | undefined;
  /**
   * How many threads serve the connections, each its own share of them. 0: as many as there are processors for the
   * process; in Node, one. Default 0; from 0 to 64.
   */
  shardCount?: number | undefined;
  /**
   * From how many bytes on what is sent to a connection at once is compressed, if it is agreed on; less goes plain,
   * because compressing it saves next to nothing. Default 512; from 1 to 1073741824.
   */
  deflateMinBytes?: number | undefined;
  /**
   * From how many waiting bytes on a connection lags: it is shown nothing more of its rooms until it has taken what
   * waits, and then what it missed, from the rooms' logs. If that is more than 256 KiB or no longer kept, a
   * tutorial connection is closed with 1013, and a v1 one is told where the gap is. Default 65536; from 1024 to
   * 1073741824.
   */
  lagBytes?: number | undefined;
  /**
   * For how many milliseconds a connection may lag; then it is closed with 1013, a v1 one with 4201. Default 30000;
   * from 100 to 3600000.
   */
  lagTimeoutMs?: number | undefined;
  /**
   * How many bytes may wait for one connection that reads too slowly; past it the connection is closed with 1013, a
   * v1 one with 4201. Default 1048576; from 65536 to 1073741824.
   */
  outboxBytes?: number | undefined;
  /**
   * How many bytes the engine may hold in all, about. When it nears that, it answers new connections 503, then
   * closes slow readers, then shows no history; the host is told `degraded`. 0: no limit but all the others
   * together. Default 0; from 0 to 1099511627776.
   */
  memoryBytes?: number | undefined;
  // End of the numbers.
}

/** Why a call failed, as a stable name. */
export type ErrorCode =
  // From the core's table: UPDATE_TYPES=1 cargo test -p klatsch-node
  /** 101 An argument is missing or is not of the form the call asks for. */
  | 'invalid_argument'
  /** 102 An option has a value that the engine cannot take. */
  | 'invalid_option'
  /** 103 Text is not UTF-8. */
  | 'invalid_utf8'
  /** 104 A user id or a user's name is empty, too long or has characters that are not allowed. */
  | 'bad_name'
  /** 105 A room's name is empty, too long or has characters that are not allowed. */
  | 'bad_room_name'
  /** 106 A text or a payload is longer than its limit. */
  | 'too_long'
  /** 107 A text is empty or blank. */
  | 'empty_text'
  /** 110 The engine is not running: start it first. */
  | 'not_running'
  /** 111 The engine is running already: stop it before it is started again. */
  | 'already_running'
  /** 112 The call would wait for the very thread it was made on. */
  | 'deadlock'
  /** 113 The engine belongs to the process that made it, and this is a fork of that process. */
  | 'forked'
  /** 114 The engine's events have one reader, and somebody has it already. */
  | 'events_taken'
  /** 115 The question is not open: it was answered, its time ran out, or it never was. */
  | 'unknown_question'
  /** 116 The verdict does not fit the question. */
  | 'wrong_verdict'
  /** 120 A client's request is not of the form that its dialect asks for. */
  | 'bad_request'
  /** 121 A client asked for something that its dialect does not have. */
  | 'unknown_request'
  /** 201 No room has that name. */
  | 'unknown_room'
  /** 202 There are as many rooms as the engine may have. */
  | 'too_many_rooms'
  /** 203 The host said no. */
  | 'refused'
  /** 204 The user is not in that room. */
  | 'not_member'
  /** 205 No user has that id. */
  | 'unknown_user'
  /** 206 No message of the room stands there, or not any more. */
  | 'unknown_message'
  /** 207 Something else was sent under that id before. */
  | 'mid_conflict'
  /** 208 Somebody has that name, or one that looks like it. */
  | 'name_taken'
  /** 209 The user may not speak in that room for now. */
  | 'muted'
  /** 210 The user, or where they come from, is banned. */
  | 'banned'
  /** 211 More than the rate allows. */
  | 'rate_limited'
  /** 212 The engine has as much to do as it may take on: try again a moment later. */
  | 'busy'
  /** 213 The user's role does not allow it, or the room does not. */
  | 'not_allowed'
  /** 214 The engine cannot do that here, because something is not switched on. */
  | 'not_available'
  /** 215 There are as many of that kind as there may be. */
  | 'too_many'
  /** 216 The token or the session is not valid, or not any more. */
  | 'unauthorized'
  /** 301 No connection has that id, or it is closed. */
  | 'unknown_connection'
  /** 302 The engine cannot listen on that address. */
  | 'cannot_listen'
  /** 303 That descriptor cannot be taken over. */
  | 'cannot_adopt'
  /** 304 The operating system refused something that the engine needs. */
  | 'system'
  /** 311 The client could not connect: no such host, nobody listens there, no trust in its certificate, or no time. */
  | 'cannot_connect'
  /** 312 The server answered the opening handshake with a no, or with what is no answer to it. */
  | 'handshake_refused'
  /** 313 The client's connection is closed, or closing. */
  | 'connection_closed'
  /** 314 The client's connection broke without a closing handshake, or its peer fell silent. */
  | 'connection_lost'
  /** 315 The client's peer broke a rule of the protocol or went over a limit of the client's. */
  | 'peer_violation'
  /** 316 The client sent it and cannot know whether it happened: there was no reply, and it must not be sent again. */
  | 'uncertain'
  /** 317 A server refused with a code that this version does not know. */
  | 'unknown_code'
  /** 401 What was asked for could not be stored. */
  | 'store_unavailable'
  /** 901 A bug in the engine. It refuses every further call except to be stopped and freed. */
  | 'internal'
  // End of the table.

/** An `http.Server`. An `https.Server` looks the same but for what it has of TLS. */
export type PlainServer = Server<any, any> & { setSecureContext?: never };

/** A failure: words for people in `message`, a stable code for programs. */
export class KlatschError extends Error {
  constructor(code: ErrorCode, message: string, options?: ErrorOptions);
  readonly name: 'KlatschError';
  /** The stable name: `bad_room_name`. */
  readonly code: ErrorCode;
  /** The same as the number that it has in C: 105. */
  readonly number: number;
}

/**
 * One running chat inside your program.
 *
 * Every call throws a {@link KlatschError}: `invalid_argument` for a value of the wrong type, `not_running`,
 * `internal` (a bug of the engine), and what stands at the call. None of them blocks.
 *
 * Events wait in a bounded queue when your listeners are slow; past it they are dropped, counted and told as
 * `missed`. An exception in a listener becomes an uncaught exception, and the events behind it still arrive.
 *
 * Only events of kinds that somebody listens to come to JavaScript, from the first listener on; the others cost your
 * event loop nothing. So listen before what you want to hear happens.
 */
export class Engine extends EventEmitter {
  /**
   * Makes an engine that does not run yet.
   *
   * @throws `invalid_option`: which option, its value, and what it may be.
   */
  constructor(options?: EngineOptions);

  /**
   * Starts the engine, which then keeps the process alive ({@link unref}). Resolves with the addresses,
   * `IP:PORT`, when it listens. Unix sockets are where the options say, so they are not listed.
   *
   * Rejects with `already_running` (also while it is still stopping), `cannot_listen`, `invalid_option` (a
   * certificate or key, with its file and the cause), `system`; with the signal's reason when that was aborted before.
   */
  start(): Promise<string[]>;

  /**
   * Stops accepting at once, sends what waits, closes every connection (1001, or 4200; 1012, or 4202, with the option
   * `restarts`), and resolves when the last one is gone, or after `graceMs` (default 5000), when the rest is cut. `stopped` is the last event. May be called in
   * a listener; a second call gives the same promise and may shorten the grace. Stopping what does not run is no
   * error; start again works.
   */
  stop(options?: { graceMs?: number | undefined }): Promise<void>;

  /**
   * Reads the certificates and keys of `tlsFiles` again. Connections that are there stay as they are; new ones get
   * the new certificates at once. What came by `tlsPem` stays.
   *
   * @throws `invalid_option`: which file, and what is wrong with it; the certificates that were there stay in use,
   * and `degraded` says so too. `invalid_argument`: the engine speaks no TLS. `not_running`.
   */
  reloadTls(): void;

  /** Where the engine listens, `IP:PORT`, Unix sockets left out; empty while it does not run. */
  readonly addresses: string[];

  /**
   * Says something in a room as the host: a record by the user `host`. The room is made if there is none. Gives
   * its position.
   *
   * @throws `bad_room_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`.
   */
  broadcast(room: string, text: string): Position;

  /**
   * Says something to everybody in every room as the host. It stands in no log and no history.
   *
   * @throws `empty_text`, `too_long`, `busy`.
   */
  broadcastAll(text: string): void;

  /**
   * Tells one connection something; it stands in no log. A tutorial connection sees text as a message by the host, a
   * v1 one as a `tell` without a user whose data is the text; a raw one gets it as it is, text or bytes.
   *
   * @throws `unknown_connection`, `invalid_argument` (bytes to a chat connection), `empty_text`, `too_long`, `busy`.
   */
  tell(connection: number, data: string | Uint8Array): void;

  /**
   * Tells every connection in a room something: the chat ones (text only) and the raw ones.
   *
   * @throws `bad_room_name`, `unknown_room`, `empty_text`, `too_long`, `busy`.
   */
  tellRoom(room: string, data: string | Uint8Array): void;

  /**
   * Tells every connection something: the chat ones (text only) and the raw ones.
   *
   * @throws `empty_text`, `too_long`, `busy`.
   */
  tellAll(data: string | Uint8Array): void;

  /**
   * Puts a message in a room as a user: with their name and colour if they are here, else with the id as the
   * name. The room is made if there is none. Gives its position.
   *
   * @throws `bad_room_name`, `bad_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`.
   */
  send(room: string, user: string, text: string): Position;

  /**
   * Gives a message another text, whoever said it. `offset`: where it stands. Is a record of the room's log, by the
   * host's user. Gives its position.
   *
   * @throws `bad_room_name`, `unknown_room`, `unknown_message`, `empty_text`, `too_long`, `busy`.
   */
  edit(room: string, offset: number, text: string): Position;

  /**
   * Takes a message away, whoever said it: its text, its data and its reactions. `offset`: where it stands. Is a record
   * of the room's log, by the host's user. Gives its position.
   *
   * @throws `bad_room_name`, `unknown_room`, `unknown_message`.
   */
  delete(room: string, offset: number): Position;

  /**
   * Tells a user something, on all their connections that speak `klatsch.v1`; it stands in no log.
   *
   * @throws `bad_name`, `unknown_user` (no such connection), `too_long`, `busy`.
   */
  tellUser(user: string, text: string): void;

  /**
   * Moderates a room: takes somebody out, mutes or bans them, sets roles, topic or slow mode, takes messages away. Each
   * is a record of the room's log. Gives its position.
   *
   * @throws `bad_room_name`, `unknown_room`, `bad_name`, `unknown_user` (to be kicked, and not there), `too_many`.
   */
  moderate(room: string, act: Moderation): Position;

  /**
   * Puts a user into a room, on all their connections that speak `klatsch.v1`, and lets them into it from now on,
   * private or not. The room is made if there is none.
   *
   * @throws `bad_room_name`, `bad_name`, `too_many_rooms`, `too_many`.
   */
  join(room: string, user: string): void;

  /**
   * Takes a user out of a room, which no record tells of; whom {@link join} put there does not come into a private one
   * again. A connection of the tutorial's, which has no other room, is closed.
   *
   * @throws `bad_room_name`, `unknown_room`, `bad_name`.
   */
  leave(room: string, user: string): void;

  /**
   * Sets what is otherwise in a room than in others. The room is made if there is none.
   *
   * @throws `bad_room_name`, `too_many_rooms`.
   */
  setRoom(room: string, options: RoomOptions): void;

  /**
   * Makes a ticket: a token that a client of `klatsch.v1` shows in its `hello`, good once and for `ttlMs` milliseconds.
   * Whoever shows it is who the admission says; you are not asked. Hand it over by a way that nobody else hears.
   *
   * @throws `bad_name`, `bad_room_name`, `too_many`.
   */
  ticket(admission: Admission, ttlMs: number): string;

  /**
   * Keeps a user out of the engine, for so many seconds, or for good without a number; 0 ends a ban. Their connections
   * are closed (4002, 1008).
   *
   * @throws `bad_name`, `too_many`.
   */
  ban(user: string, seconds?: number | null): void;

  /**
   * Keeps an address out of the engine, as {@link ban} does a user. It is an IP address, without a port.
   *
   * @throws `too_many`.
   */
  banAddress(address: string, seconds?: number | null): void;

  /**
   * Closes a connection with 1008 (4004 where it speaks `klatsch.v1`) and the reason, which is cut to 123 bytes.
   *
   * @throws `unknown_connection`.
   */
  kick(connection: number, reason?: string): void;

  /** Lists the rooms, in the order of their names. */
  rooms(): Room[];

  /**
   * Lists a room's members, in the order in which they came.
   *
   * @throws `bad_room_name`, `unknown_room`.
   */
  members(room: string): Member[];

  /**
   * Counts a room's members.
   *
   * @throws `bad_room_name`, `unknown_room`.
   */
  memberCount(room: string): number;

  /**
   * Reads a room's newest messages, at most `limit` (default 100), oldest first; only those before the offset
   * `before`, unless that is 0.
   *
   * @throws `bad_room_name`, `unknown_room`.
   */
  history(room: string, options?: { before?: number | undefined; limit?: number | undefined }): Message[];

  /** Figures of the running engine: how many connections, how much waits, which of them read too slowly. */
  stats(): Stats;
  /**
   * Takes over the WebSockets of an HTTP server of your own, on its port: all of them, or those of one path
   * (which the engine must serve: `path`, `raw`). The engine owns them from then on: `server.close()` does not wait
   * for them. Upgrade requests for other paths are left to your other listeners, or answered 404 where there are
   * none. While the engine does not run they are answered 503. Gives the function that ends this; what was taken
   * over stays.
   *
   * A connection that cannot be taken over (TLS; on Windows; in runtimes other than Node) is answered 501 and told
   * as `refused`.
   *
   * @throws `cannot_adopt`: an `https.Server`, whose connections cannot be taken over yet; `invalid_argument`.
   */
  attach(server: PlainServer, options?: { path?: string | undefined }): () => void;

  /** Has a running engine keep the process alive, which is so from the beginning. */
  ref(): this;

  /** Lets the process end although the engine runs; its connections are closed then. */
  unref(): this;

  /** {@link stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;

  // Written out, because the generic ones of EventEmitter accept misspelt names.
  on<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  once<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  off<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  addListener<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  removeListener<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  prependListener<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  prependOnceListener<Kind extends keyof EngineEvents>(event: Kind, listener: Listener<Kind>): this;
  removeAllListeners(event?: keyof EngineEvents): this;
  emit<Kind extends keyof EngineEvents>(event: Kind, ...args: EngineEvents[Kind]): boolean;
  listenerCount(event: keyof EngineEvents): number;
  listeners<Kind extends keyof EngineEvents>(event: Kind): Listener<Kind>[];
  rawListeners<Kind extends keyof EngineEvents>(event: Kind): Listener<Kind>[];
  eventNames(): (keyof EngineEvents)[];
}
