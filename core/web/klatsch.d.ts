/**
 * The chat client, for browsers (`/klatsch.js` of every engine) and Node (`klatsch/client`).
 *
 * ```js
 * import { Chat } from '/klatsch.js';
 *
 * const chat = new Chat('/', { name: 'Ann' });
 * chat.on('message', ({ room, message }) => console.log(room, message.name, message.text));
 * await chat.join('lobby');
 * await chat.send('lobby', 'Hello!');
 * ```
 *
 * It keeps the rooms whole over lost connections: every record of a room's log is told once and in order, what was missed
 * is fetched, and what was said is said exactly once. What comes over the wire keeps the names that it has there
 * (`reply_to`); what is the client's own has JavaScript's (`memberCount`). Times are Unix milliseconds.
 */

/** Where a record stands in its room's log. Positions order by epoch, then by offset; an offset is never used twice. */
export interface Position {
  readonly epoch: number;
  /** 0: an empty log. */
  readonly offset: number;
}

export type Color = 'red' | 'green' | 'blue' | 'magenta' | 'purple' | 'plum' | 'orange' | 'black';

export type Role = 'owner' | 'moderator' | 'member' | 'guest';

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A message as it stands now. It is never changed: a new one takes its place. */
export interface Message extends Position {
  /** The sender's id for it; without one, the host or a tutorial client sent it. */
  readonly mid?: string;
  readonly user: string;
  /** The author's name and colour when it was said. */
  readonly name: string;
  readonly color: Color;
  readonly at: number;
  /** As it was typed: put it into a page as text, never as HTML. Absent when it was deleted. */
  readonly text?: string;
  /** The offset of the message that it answers. */
  readonly reply_to?: number;
  /** How often it was edited. */
  readonly revision?: number;
  readonly deleted?: true;
  /** By emoji, the users. */
  readonly reactions?: { readonly [emoji: string]: readonly string[] };
  readonly data?: Json;
}

export interface Member {
  readonly user: string;
  readonly name: string;
  readonly color: Color;
  readonly role: Role;
}

/** A room as {@link Room.getSnapshot} shows it. */
export interface RoomSnapshot {
  readonly name: string;
  /** False when it was left, or one was removed from it: then it changes no more. */
  readonly isJoined: boolean;
  /** What is kept of it, ascending; the newest `keptMessageCount` at the most. */
  readonly messages: readonly Message[];
  /** Of the last record that was told. */
  readonly position: Position;
  /** Whether there are messages before those that are kept: ask {@link Chat.history} with `before`. */
  readonly more: boolean;
  readonly topic: string;
  /** The other user of a direct room. */
  readonly with: string | undefined;
  readonly memberCount: number;
  /** The offset up to which this user has read. */
  readonly read: number;
  /** How many messages of others there are behind `read`. */
  readonly unreadCount: number;
}

/** A room that the chat is in. Its functions may be passed on without it, to `useSyncExternalStore` for example. */
export interface Room extends Omit<RoomSnapshot, 'isJoined' | 'more' | 'with'> {
  /** Calls `listener` after each change, once for all that came at once. Gives the function that ends this. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The same frozen object until something has changed. */
  readonly getSnapshot: () => RoomSnapshot;
}

/** `open`: what is asked is sent. `waiting`: it is tried again at `retryAt`. `closed`: for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

/** Why a chat is closed for good. */
export interface Closed {
  /** The close code; 1000 after {@link Chat.close}, 4000 when `hello` was refused. */
  readonly code: number;
  readonly reason: string;
  /** Which refusal, if it was one: with a `suggestion` when the name is taken. */
  readonly error: ChatError | undefined;
}

export interface ChatSnapshot {
  readonly state: State;
  readonly retryAt: number | null;
  readonly closed: Closed | null;
  readonly user: string | null;
  readonly name: string | null;
  readonly color: Color | null;
  /** The names of the rooms. */
  readonly joined: readonly string[];
  readonly outbox: readonly Change[];
}

/** Something said that has no reply yet. */
export interface Change {
  readonly do: 'send' | 'edit' | 'delete' | 'react';
  /** The same as in the message that comes of it. */
  readonly mid: string;
  readonly room?: string;
  readonly to?: string;
  /** The offset of the message that it changes. */
  readonly offset?: number;
  readonly text?: string;
  readonly reply_to?: number;
  readonly data?: Json;
  readonly reason?: string;
  readonly emoji?: string;
  readonly add?: boolean;
  /** Whether it was ever on its way. */
  readonly isSent: boolean;
}

/** The names of the wire's errors, and the client's own: `uncertain` and `closed`. */
export type ErrorName =
  | 'bad_name' | 'bad_room_name' | 'too_long' | 'empty_text' | 'bad_request' | 'unknown_request' | 'unknown_room'
  | 'too_many_rooms' | 'refused' | 'not_member' | 'unknown_user' | 'unknown_message' | 'mid_conflict' | 'name_taken' | 'muted'
  | 'banned' | 'rate_limited' | 'busy' | 'not_allowed' | 'not_available' | 'too_many' | 'unauthorized' | 'store_unavailable'
  /** It may or may not have been done: the connection broke, or it is too long ago or another user's to be sent again. */
  | 'uncertain'
  /** There is no connection (for what is worth nothing later), or the chat is closed. It was not done. */
  | 'closed';

/** Why something was not done. A failure that nobody waits for is no unhandled rejection. */
export class ChatError extends Error {
  /** Names of later versions may come. */
  readonly name: ErrorName | (string & {});
  /** The number on the wire; 0 for `uncertain` and `closed`. */
  readonly code: number;
  readonly retry_after_ms?: number;
  /** A name that is free. */
  readonly suggestion?: string;
  constructor(fields: { message: string; name: string; code: number; [field: string]: unknown });
}

/** What a chat keeps over a reload: plain data, that JSON and IndexedDB can hold. */
export interface SavedState {
  readonly session: string | null;
  readonly rooms: readonly (readonly [name: string, position: Position])[];
  readonly outbox: readonly { readonly request: Omit<Change, 'isSent'>; readonly user: string | null; readonly at: number | null }[];
}

/**
 * Keeps a chat's state. Each `save` replaces what was saved before, and is called again only when it has resolved. One chat at a time
 * may use what is kept: a second one takes the session over (4003).
 */
export interface Store {
  load(): SavedState | null | undefined | Promise<SavedState | null | undefined>;
  save(state: SavedState): void | Promise<unknown>;
}

/** What a chat takes of the browser's WebSocket. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** Time, for those who turn it themselves. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  setTimeout(act: () => void, ms: number): unknown;
  clearTimeout(timer: never): void;
}

export interface ChatOptions {
  /** What the user wants to be called. Default: the engine gives a name. */
  name?: string | undefined;
  /** For the host to judge: a text, or what gives a fresh one for each `hello` and before the old one ends. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Keeps session, positions and outbox over a reload: {@link indexedDbStore}, or your own. Default: they are forgotten. */
  store?: Store | undefined;
  /** After how long without a word `{}` is sent, at the most; the engine may wish for less. Default 25,000. */
  heartbeatMs?: number | undefined;
  /** How much longer the engine may be silent before it is held for dead. Default 10,000. */
  heartbeatTimeoutMs?: number | undefined;
  /** How long a connection and the answer to `hello` may take together. Default 10,000. */
  helloTimeoutMs?: number | undefined;
  /** Below this is the first wait before it is tried again; each further one may be twice as long. Default 500. */
  reconnectMinMs?: number | undefined;
  /** No wait is longer, unless the engine asks for it. Default 30,000. */
  reconnectMaxMs?: number | undefined;
  /** How many changes may wait; one more fails with `busy`. Default 1,000. */
  maxOutboxCount?: number | undefined;
  /** How many of the newest messages a room begins with. Default 50. */
  history?: number | undefined;
  /** How many messages of a room are kept, the newest. Default 1,000. */
  keptMessageCount?: number | undefined;
  /** Default: the global one. */
  WebSocket?: (new (url: string, protocol: string) => WebSocketLike) | undefined;
  clock?: Clock | undefined;
  /** From 0 to below 1, as `Math.random`. */
  random?: (() => number) | undefined;
}

interface RoomRecord extends Position {
  readonly room: string;
  /** The record before, where it is not simply the offset before in the same epoch. */
  readonly prev?: Position | null;
}

export interface MessageEvent extends RoomRecord {
  readonly on: 'message';
  readonly message: Message;
}

interface MessageChange extends RoomRecord {
  /** The offset of the message that is changed. */
  readonly of: number;
  /** The author's id for the change; the server's program has none. */
  readonly mid?: string;
  readonly user: string;
  readonly at: number;
}

export interface EditEvent extends MessageChange {
  readonly on: 'edit';
  readonly text: string;
}

export interface DeleteEvent extends MessageChange {
  readonly on: 'delete';
}

export interface ReactEvent extends MessageChange {
  readonly on: 'react';
  readonly mid: string;
  readonly emoji: string;
  readonly add: boolean;
}

export type Act = 'kick' | 'mute' | 'ban' | 'unban' | 'slow' | 'topic' | 'role' | 'clear';

export interface ModerationEvent extends RoomRecord {
  readonly on: 'moderation';
  readonly act: Act;
  readonly user?: string;
  readonly seconds?: number;
  readonly value?: number | string;
  /** Absent: the host's program. */
  readonly by?: string;
  readonly at: number;
}

export interface RenameEvent extends RoomRecord {
  readonly on: 'rename';
  readonly user: string;
  readonly name: string;
  readonly color: Color;
  readonly at: number;
}

/** What a chat tells, in order, each once. */
export interface ChatEvents {
  message: MessageEvent;
  edit: EditEvent;
  delete: DeleteEvent;
  react: ReactEvent;
  moderation: ModerationEvent;
  rename: RenameEvent;
  /** A user's first connection came into a room. */
  join: { readonly on: 'join'; readonly room: string; readonly user: string; readonly name: string; readonly member_count: number };
  /** A user's last connection left it. */
  leave: { readonly on: 'leave'; readonly room: string; readonly user: string; readonly name: string; readonly member_count: number };
  /** The members of a large room are others; ask {@link Chat.members} if you show them. */
  members: { readonly on: 'members'; readonly room: string; readonly member_count: number; readonly changed?: boolean };
  /** One is in a room that one did not ask for. */
  joined: {
    readonly on: 'joined'; readonly room: string; readonly with?: string; readonly topic?: string; readonly member_count: number;
    readonly position: Position; readonly read: number; readonly unread_count: number;
  };
  /** One is in that room no longer; with a `code`, because it could not be joined again. */
  removed: { readonly on: 'removed'; readonly room: string; readonly reason: string; readonly code?: number; readonly message?: string };
  typing: { readonly on: 'typing'; readonly room: string; readonly user: string; readonly state: 'active' | 'done' };
  read: { readonly on: 'read'; readonly room: string; readonly user: string; readonly offset: number };
  /** Without a `user`, from the host's program; without a `room`, to this user or to all. */
  tell: { readonly on: 'tell'; readonly room?: string; readonly user?: string; readonly data: Json };
  /** The state is another, and why. */
  state: {
    readonly on: 'state'; readonly state: State; readonly retryAt: number | null; readonly code?: number; readonly reason?: string;
    readonly error?: ChatError | undefined;
  };
  /** The log has lost what came after `to`; `dropped` was shown and is gone. */
  rollback: { readonly on: 'rollback'; readonly room: string; readonly to: Position; readonly dropped: readonly Message[] };
  /** The log does not reach back to what one knew: the room was begun anew with these messages. */
  reset: { readonly on: 'reset'; readonly room: string; readonly messages: readonly Message[] };
  /** Something failed that nobody waits for; with a `request`, a change that a store had kept. */
  error: { readonly on: 'error'; readonly error: unknown; readonly request?: Omit<Change, 'isSent'> };
}

export type ChatEvent = ChatEvents[keyof ChatEvents];

/** What became of a change. */
export interface Changed extends Position {
  readonly at: number;
  /** It was there already: this is the place that it has. */
  readonly duplicate: boolean;
}

export interface Joined extends Position {
  readonly room: string;
  readonly recovered: boolean;
  readonly messages?: readonly Message[];
  readonly records?: readonly object[];
  /** The first 50. */
  readonly members: readonly Member[];
  readonly member_count: number;
  readonly read: number;
  readonly unread_count: number;
  readonly more?: boolean;
}

export interface RoomLine extends Position {
  readonly room: string;
  readonly with?: string;
  readonly topic: string;
  readonly member_count: number;
  readonly read: number;
  readonly unread_count: number;
  readonly last?: Message;
}

/** A room by its name, or a user by their id: then what is said goes to the direct room of both. */
export type Target = string | { readonly to: string };

/**
 * A conversation: it connects at once, and again whenever the connection breaks, until it is closed.
 *
 * What is asked before it is open, or while it is not, waits; only `typing` and `tell` fail then, with `closed`. Changes (`send`, `edit`,
 * `delete`, `react`) wait in the outbox until they are answered, and are sent again as often as it takes: at most 8 at once, in
 * order. What twice is not the same (`rename`, `moderate`, `call`, `refresh`) fails with `uncertain` when the connection breaks before the
 * reply. Every failure is a {@link ChatError}.
 */
export class Chat implements AsyncIterable<ChatEvent> {
  /** `url`: the engine's address, `wss://…`; in a page also relative to it. */
  constructor(url: string | URL, options?: ChatOptions);

  readonly state: State;
  /** When it is tried again; null unless it is `waiting`. */
  readonly retryAt: number | null;
  /** Why it is closed; null unless it is. */
  readonly closed: Closed | null;
  /** Who one is, once one is somebody. */
  readonly user: string | null;
  readonly name: string | null;
  readonly color: Color | null;
  /** The engine's limits by their names, `max_text_bytes` among them. */
  readonly limits: { readonly [name: string]: number };
  /** The rooms that one is in. */
  readonly joined: readonly Room[];
  /** What was said and has no reply yet, in order. */
  readonly outbox: readonly Change[];

  /** A room that one is in. */
  room(name: string): Room | undefined;

  /** Calls `listener` for each event of that kind. Gives the function that ends this. */
  on<Kind extends keyof ChatEvents>(kind: Kind, listener: (event: ChatEvents[Kind]) => void): () => void;
  off<Kind extends keyof ChatEvents>(kind: Kind, listener: (event: ChatEvents[Kind]) => void): void;

  /** All events from here on, until the chat is closed. What is not taken yet is kept, without a bound. */
  [Symbol.asyncIterator](): AsyncGenerator<ChatEvent, void, undefined>;

  /** As {@link Room.subscribe}: for the state, the rooms that one is in, and the outbox. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => ChatSnapshot;

  /** Ends a wait: tries now. */
  reconnect(): void;

  /** Ends the conversation. What has no reply yet fails; a store keeps it for the next chat. */
  close(): void;

  /** Enters a room, with its newest messages, or, with `since`, with what came behind a position. */
  join(room: string, options?: { history?: number | undefined; since?: Position | undefined }): Promise<Joined>;
  /** Leaves a room, once what was said there has been answered. */
  leave(room: string): Promise<object>;
  /** The rooms that one is in, direct ones too, in parts: the next one for the `cursor` of the last. */
  rooms(options?: { limit?: number; cursor?: string }): Promise<{ readonly rooms: readonly RoomLine[]; readonly cursor?: string }>;
  send(target: Target, text: string, options?: { reply_to?: number; data?: Json }): Promise<Changed & { readonly room: string }>;
  edit(room: string, offset: number, text: string): Promise<Changed>;
  /** Takes a message away; nobody else is told the `reason`. */
  delete(room: string, offset: number, options?: { reason?: string }): Promise<Changed>;
  /** Puts an emoji to a message, or takes one's own away. */
  react(room: string, offset: number, emoji: string, add?: boolean): Promise<Changed>;
  /**
   * One page of a room, ascending: messages, the newest, `before` or `around` an offset; or the records `after` one. A page that goes on from
   * what the room keeps is kept there, too, up to `keptMessageCount`.
   */
  history(
    room: string,
    options?: { before?: number; limit?: number } | { around: number; limit?: number }
  ): Promise<Position & { readonly messages: readonly Message[]; readonly more: boolean }>;
  history(
    room: string,
    options: { after: number; limit?: number }
  ): Promise<Position & { readonly records: readonly object[]; readonly more: boolean }>;
  members(
    room: string,
    options?: { limit?: number; cursor?: string }
  ): Promise<{ readonly members: readonly Member[]; readonly member_count: number; readonly cursor?: string }>;
  /** Says up to where one has read; without an offset, all. */
  read(room: string, offset?: number): Promise<{ readonly offset: number }>;
  /** Says that one types, or types no more. It ends by itself after 6 seconds. */
  typing(room: string, isActive?: boolean): Promise<object>;
  /** Tells those who are there now something that stands in no log. */
  tell(target: Target, data: Json): Promise<object>;
  rename(name: string): Promise<{ readonly name: string; readonly color: Color }>;
  moderate(
    room: string,
    act: Act,
    fields?: { user?: string; seconds?: number; value?: number | string }
  ): Promise<Position>;
  /** Hides a user from oneself, or shows them again. */
  block(user: string, on?: boolean): Promise<object>;
  /** Asks the host's program. */
  call(method: string, data?: Json): Promise<unknown>;
  search(
    query: string,
    options?: { room?: string; from_user?: string; limit?: number; cursor?: string }
  ): Promise<{
    readonly hits: readonly { readonly room: string; readonly offset: number; readonly snippet: string }[];
    readonly cursor?: string;
  }>;
  /** Gives a new token. With a token function it happens by itself. */
  refresh(token: string): Promise<{ readonly expires_at?: number }>;
}

/** Keeps a chat's state in the browser's IndexedDB under a name: another for each user of the page. */
export function indexedDbStore(name: string): Store;
