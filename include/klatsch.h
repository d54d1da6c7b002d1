// klatsch.h - chat as a library: one WebSocket chat engine inside your program.
//
// Made by cbindgen from the sources in ffi/src, whose comments these are.
//
//     klatsch_options_t *options = klatsch_options_new();
//     klatsch_engine_t *engine = NULL;
//     klatsch_error_t *error = NULL;
//     klatsch_options_listen(options, KLATSCH_TEXT("127.0.0.1:1337"));
//     if (klatsch_engine_new(options, &engine, &error) != KLATSCH_OK)
//         fprintf(stderr, "%s\n", klatsch_error_message(error));
//
// What holds for every function, unless its comment says otherwise:
//
// Threads    It may be called from any thread, several at once, and inside a callback. It does not block.
//            Options, and lists and batches while they are freed, are for one thread at a time.
// Text       UTF-8, given as a pointer and a length in bytes, copied before the call returns. The length
//            KLATSCH_NUL_TERMINATED says that it ends in a NUL; KLATSCH_TEXT("...") stands for both. A text
//            is required unless its comment says that it may be NULL; then NULL is the empty text. Text that
//            is handed out has a NUL behind it too.
// Errors     It answers KLATSCH_OK or why it failed. `out_error` may be NULL; on failure, and only then, it
//            gets an error with words for people, to be given back with klatsch_error_free. What it held
//            before is not looked at. Other results (`out_...`) are written on success only.
// Arguments  NULL where something is required, a misaligned place for a result, a length that no memory has
//            and a number that its list does not have are KLATSCH_INVALID_ARGUMENT. Text that is not UTF-8 is
//            KLATSCH_INVALID_UTF8.
// Ownership  What a function gives is given back with the `_free` of its type, which takes NULL too. Memory
//            inside an object (texts, events, messages) lives as long as the object and is not freed alone.
// Handles    A pointer to a type whose members are not in this header is a number, not an address. It is
//            never used twice: freeing it twice, using it after it was freed, and taking one type for
//            another are KLATSCH_INVALID_ARGUMENT (or an empty answer), never a crash. Leak checkers do not
//            see handles; klatsch_handle_count counts them. Structs whose members are here are memory as
//            ever in C.
// Structs    Those that begin with `size` grow at their end in later versions: the library allocates them,
//            you read them in place. Those that you hand in are yours (klatsch_stats_t, klatsch_admission_t,
//            klatsch_moderation_t, klatsch_room_options_t): set `size` to their sizeof and what you do not want
//            to 0. A text in them may end in a NUL: .name = { KLATSCH_TEXT("Ann") }. Members that this header has
//            are there in every later version; for one that an older library may lack, ask KLATSCH_HAS.
// Callbacks  They run on one thread of the library's for each engine, one at a time, in order; they must
//            return, and no exception or longjmp may leave them. They may call everything but stop and free
//            of their own engine, which answer KLATSCH_DEADLOCK there.
// Forking    Objects belong to the process that made them. In a child that was forked from it every call
//            with one of them answers KLATSCH_FORKED (or an empty answer); the parent goes on undisturbed.
//            The child may make its own.
// Signals    The library installs no handlers, its threads take no signal of yours, and SIGPIPE is never
//            raised by it. No function may be called from a signal handler.
// Bugs       A panic inside the library does not leave it: the call answers KLATSCH_INTERNAL, and so does
//            every later one with that engine except klatsch_engine_stop and klatsch_engine_free.
// Output     The library writes nothing to stdout or stderr, except for the lines of a panic.


#ifndef KLATSCH_H
#define KLATSCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The length of a text that ends in a NUL.
#define KLATSCH_NUL_TERMINATED SIZE_MAX

// A string literal as the two arguments of a text: klatsch_options_path(options, KLATSCH_TEXT("/chat")).
#define KLATSCH_TEXT(literal) ("" literal ""), (sizeof(literal) - 1)

// Whether a struct that begins with `size` has this member in the running library.
#define KLATSCH_HAS(pointer, type, member) \
    ((pointer)->size >= offsetof(type, member) + sizeof((pointer)->member))

// How long a buffer for any address must be.
#define KLATSCH_ADDRESS_BYTES 64

// How long a buffer for a ticket must be.
#define KLATSCH_TICKET_BYTES 64

// Seconds without an end.
#define KLATSCH_FOR_GOOD UINT64_MAX

// As many as want to.
#define KLATSCH_NO_LIMIT UINT64_MAX

// It does not keep to its dialect.
#define KLATSCH_CLOSE_PROTOCOL 4000

// The name is not allowed.
#define KLATSCH_CLOSE_BAD_NAME 4000

// Its token or its session is not valid, or not any more.
#define KLATSCH_CLOSE_UNAUTHORIZED 4001

// The user, or where it comes from, is banned.
#define KLATSCH_CLOSE_BANNED 4002

// Another connection has taken its session over.
#define KLATSCH_CLOSE_REPLACED 4003

// The host closed it, or somebody took it out of the one room that it was in.
#define KLATSCH_CLOSE_KICKED 4004

// A message is longer than it may be.
#define KLATSCH_CLOSE_TOO_LONG 1009

// There is no room for it: connections, rooms, sessions or memory have run out.
#define KLATSCH_CLOSE_OVERLOAD 4100

// Its user has as many connections as one may have.
#define KLATSCH_CLOSE_TOO_MANY_CONNECTIONS 4101

// It did nothing but send, faster than it may, for too long.
#define KLATSCH_CLOSE_FLOOD 4102

// The engine stops.
#define KLATSCH_CLOSE_GOING_AWAY 4200

// It reads more slowly than others write.
#define KLATSCH_CLOSE_TOO_SLOW 4201

// The engine stops, to begin again.
#define KLATSCH_CLOSE_RESTART 4202

// It was silent for too long.
#define KLATSCH_CLOSE_NO_HEARTBEAT 4203

// It did not say who it is in time.
#define KLATSCH_CLOSE_NO_HELLO 4204

// What a call answers: `KLATSCH_OK` or why it failed. A number lives for ever and is never used again.
//
// The hundreds say whose affair it is: 1xx the call was wrong, 2xx the chat says no, 3xx the connection or
// the network, 4xx the store, 5xx the cluster, 9xx a bug of the engine. Later versions may answer numbers
// that are not here.
enum klatsch_code_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It worked.
    KLATSCH_OK = 0,
    // An argument is missing or is not of the form the call asks for.
    KLATSCH_INVALID_ARGUMENT = 101,
    // An option has a value that the engine cannot take.
    KLATSCH_INVALID_OPTION = 102,
    // Text is not UTF-8.
    KLATSCH_INVALID_UTF8 = 103,
    // A user id or a user's name is empty, too long or has characters that are not allowed.
    KLATSCH_BAD_NAME = 104,
    // A room's name is empty, too long or has characters that are not allowed.
    KLATSCH_BAD_ROOM_NAME = 105,
    // A text or a payload is longer than its limit.
    KLATSCH_TOO_LONG = 106,
    // A text is empty or blank.
    KLATSCH_EMPTY_TEXT = 107,
    // The engine is not running: start it first.
    KLATSCH_NOT_RUNNING = 110,
    // The engine is running already: stop it before it is started again.
    KLATSCH_ALREADY_RUNNING = 111,
    // The call would wait for the very thread it was made on.
    KLATSCH_DEADLOCK = 112,
    // The engine belongs to the process that made it, and this is a fork of that process.
    KLATSCH_FORKED = 113,
    // The engine's events have one reader, and somebody has it already.
    KLATSCH_EVENTS_TAKEN = 114,
    // The question is not open: it was answered, its time ran out, or it never was.
    KLATSCH_UNKNOWN_QUESTION = 115,
    // The verdict does not fit the question.
    KLATSCH_WRONG_VERDICT = 116,
    // A client's request is not of the form that its dialect asks for.
    KLATSCH_BAD_REQUEST = 120,
    // A client asked for something that its dialect does not have.
    KLATSCH_UNKNOWN_REQUEST = 121,
    // No room has that name.
    KLATSCH_UNKNOWN_ROOM = 201,
    // There are as many rooms as the engine may have.
    KLATSCH_TOO_MANY_ROOMS = 202,
    // The host said no.
    KLATSCH_REFUSED = 203,
    // The user is not in that room.
    KLATSCH_NOT_MEMBER = 204,
    // No user has that id.
    KLATSCH_UNKNOWN_USER = 205,
    // No message of the room stands there, or not any more.
    KLATSCH_UNKNOWN_MESSAGE = 206,
    // Something else was sent under that id before.
    KLATSCH_MID_CONFLICT = 207,
    // Somebody has that name, or one that looks like it.
    KLATSCH_NAME_TAKEN = 208,
    // The user may not speak in that room for now.
    KLATSCH_MUTED = 209,
    // The user, or where they come from, is banned.
    KLATSCH_BANNED = 210,
    // More than the rate allows.
    KLATSCH_RATE_LIMITED = 211,
    // The engine has as much to do as it may take on: try again a moment later.
    KLATSCH_BUSY = 212,
    // The user's role does not allow it, or the room does not.
    KLATSCH_NOT_ALLOWED = 213,
    // The engine cannot do that here, because something is not switched on.
    KLATSCH_NOT_AVAILABLE = 214,
    // There are as many of that kind as there may be.
    KLATSCH_TOO_MANY = 215,
    // The token or the session is not valid, or not any more.
    KLATSCH_UNAUTHORIZED = 216,
    // No connection has that id, or it is closed.
    KLATSCH_UNKNOWN_CONNECTION = 301,
    // The engine cannot listen on that address.
    KLATSCH_CANNOT_LISTEN = 302,
    // That descriptor cannot be taken over.
    KLATSCH_CANNOT_ADOPT = 303,
    // The operating system refused something that the engine needs.
    KLATSCH_SYSTEM = 304,
    // The client could not connect: no such host, nobody listens there, no trust in its certificate, or no time.
    KLATSCH_CANNOT_CONNECT = 311,
    // The server answered the opening handshake with a no, or with what is no answer to it.
    KLATSCH_HANDSHAKE_REFUSED = 312,
    // The client's connection is closed, or closing.
    KLATSCH_CONNECTION_CLOSED = 313,
    // The client's connection broke without a closing handshake, or its peer fell silent.
    KLATSCH_CONNECTION_LOST = 314,
    // The client's peer broke a rule of the protocol or went over a limit of the client's.
    KLATSCH_PEER_VIOLATION = 315,
    // The client sent it and cannot know whether it happened: there was no reply, and it must not be sent again.
    KLATSCH_UNCERTAIN = 316,
    // A server refused with a code that this version does not know.
    KLATSCH_UNKNOWN_CODE = 317,
    // What was asked for could not be stored.
    KLATSCH_STORE_UNAVAILABLE = 401,
    // A bug in the engine. It refuses every further call except to be stopped and freed.
    KLATSCH_INTERNAL = 901,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_code_t klatsch_code_t;
#else
typedef uint32_t klatsch_code_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an event tells.
enum klatsch_event_kind_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The engine listens. `addresses`.
    KLATSCH_EVENT_STARTED = 1,
    // A WebSocket is open. `connection`, `dialect`, `room` (a raw connection may have none), `path`,
    // `address`. For a chat connection `NAMED` and `JOINED` follow when it names itself, or at once when
    // the host's admission gave it a name.
    KLATSCH_EVENT_CONNECTED = 2,
    // A connection has a name, and so a user. `connection`, `user`, `name`, `color`.
    KLATSCH_EVENT_NAMED = 3,
    // A user is in a room with a first connection. `room`, `connection`, `user`, `name`, `member_count`.
    KLATSCH_EVENT_JOINED = 4,
    // A user's last connection has left a room. `room`, `connection`, `user`, `name`, `member_count`.
    KLATSCH_EVENT_LEFT = 5,
    // A message got its place in a room's log: somebody's, or the host's own. `connection` (0 for what the
    // host sent or broadcast), `position`, `at_ms`, `room`, `user`, `name`, `color`, `text`, `message`.
    KLATSCH_EVENT_MESSAGE = 6,
    // A direct message got its place, and its addressee is not here: a host that can, tells them by another way.
    // `user` is whom it is for; who sent it stands in `message`. `position`, `at_ms`, `room`, `text`, `message`.
    KLATSCH_EVENT_AWAY = 7,
    // A raw connection sent a whole message. `connection`, `payload_kind`, `data`, `data_length`.
    KLATSCH_EVENT_RECEIVED = 8,
    // A WebSocket that was `CONNECTED` is gone. Nothing more comes from it. `connection`, `close_code`,
    // `reason`.
    KLATSCH_EVENT_DISCONNECTED = 9,
    // A connection, or something it wanted, was refused. `connection` (0 where it had no number yet),
    // `address`, `code`, `reason`.
    KLATSCH_EVENT_REFUSED = 10,
    // The host is asked, and what was asked about waits for `klatsch_engine_answer`, at most for the
    // option `question_timeout_ms`; silence refuses. `question`, `subject`, `connection`, `address`, and
    // what that subject names.
    KLATSCH_EVENT_QUESTION = 11,
    // What became of what the host broadcast, when the option `receipts` is on: told once for each record, after
    // it was sent to everybody who was in the room then. Who is in none of the counts was gone or was closed.
    // `room`, `position`, `connection_count`, `sent_count`, `queued_count`, `lagging_count`.
    KLATSCH_EVENT_RECEIPT = 12,
    // The host was slower than the events: so many had to go, here. The rooms' logs still have the messages
    // among them. `missed_count`.
    KLATSCH_EVENT_MISSED = 13,
    // Something works less well than it should, and the engine goes on. `code`, `reason`.
    KLATSCH_EVENT_DEGRADED = 14,
    // Something failed that should not have. `code`, `reason`.
    KLATSCH_EVENT_ERROR = 15,
    // The engine has stopped. Nothing follows until it is started again.
    KLATSCH_EVENT_STOPPED = 16,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_event_kind_t klatsch_event_kind_t;
#else
typedef uint32_t klatsch_event_kind_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a question asks.
enum klatsch_subject_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // May this connection come in, and who is it? Asked when the option `ask_admit` is on: before the opening
    // handshake is answered, or, of a connection that speaks `klatsch.v1`, when it says hello, and when it shows a
    // new token. `dialect`, `room`, `path`, `query`, `headers`, `name` (what a v1 client wants to be called),
    // `token`. Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_ALLOW_AS`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_ADMIT = 1,
    // May this message get a place? Asked when the option `ask_may_send` is on, never about the host's own.
    // `room`, `user`, `name`, `text`. Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_REWRITE`,
    // `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_MAY_SEND = 2,
    // May this user come into that room? Asked when the option `ask_may_join` is on, before each coming; of a
    // connection of another dialect than `klatsch.v1` before its handshake is answered, since it has no other room.
    // `room`, `user`, `name` (NULL: that is not known yet). Fitting verdicts: `KLATSCH_ALLOW`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_MAY_JOIN = 3,
    // A v1 client asks the host something itself. Asked when the option `ask_call` is on. `user`, `name`, `method`,
    // `data`, `data_length` (JSON). Fitting verdicts: `KLATSCH_ANSWER`, `KLATSCH_REFUSE`.
    KLATSCH_SUBJECT_CALL = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_subject_t klatsch_subject_t;
#else
typedef uint32_t klatsch_subject_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a connection speaks.
enum klatsch_dialect_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The classic tutorial's JSON.
    KLATSCH_DIALECT_TUTORIAL = 1,
    // Whole messages to the host and back; no chat.
    KLATSCH_DIALECT_RAW = 2,
    // The engine's own, `klatsch.v1`: rooms, replies, positions.
    KLATSCH_DIALECT_V1 = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_dialect_t klatsch_dialect_t;
#else
typedef uint32_t klatsch_dialect_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What `tell` carries, and what a raw connection sends.
enum klatsch_payload_kind_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // UTF-8 text.
    KLATSCH_PAYLOAD_TEXT = 1,
    // Bytes. Only raw connections receive them.
    KLATSCH_PAYLOAD_BINARY = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_payload_kind_t klatsch_payload_kind_t;
#else
typedef uint32_t klatsch_payload_kind_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The host's answer to a question.
enum klatsch_verdict_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Yes.
    KLATSCH_ALLOW = 1,
    // Yes, and this is who it is (to `KLATSCH_SUBJECT_ADMIT`).
    KLATSCH_ALLOW_AS = 2,
    // Yes, but with this text (to `KLATSCH_SUBJECT_MAY_SEND`).
    KLATSCH_REWRITE = 3,
    // No.
    KLATSCH_REFUSE = 4,
    // This is what the client is answered (to `KLATSCH_SUBJECT_CALL`).
    KLATSCH_ANSWER = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_verdict_t klatsch_verdict_t;
#else
typedef uint32_t klatsch_verdict_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What somebody may do in a room.
enum klatsch_role_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Everything, roles among it.
    KLATSCH_ROLE_OWNER = 1,
    // Keeps order among members and guests.
    KLATSCH_ROLE_MODERATOR = 2,
    // Somebody with a name.
    KLATSCH_ROLE_MEMBER = 3,
    // Somebody without.
    KLATSCH_ROLE_GUEST = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_role_t klatsch_role_t;
#else
typedef uint32_t klatsch_role_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What is done to a room, or to somebody in it.
enum klatsch_moderation_act_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Takes `user` out of the room; they may come back.
    KLATSCH_MODERATION_KICK = 1,
    // `user` may not speak there, for so many `seconds`; 0: may speak again.
    KLATSCH_MODERATION_MUTE = 2,
    // Takes `user` out and keeps them out, for so many `seconds`. Whom the host did not name is kept out by address
    // too.
    KLATSCH_MODERATION_BAN = 3,
    // Ends the ban of `user`.
    KLATSCH_MODERATION_UNBAN = 4,
    // So many `seconds` lie between two messages of one user; 0: no slow mode.
    KLATSCH_MODERATION_SLOW = 5,
    // `topic` is what the room is about.
    KLATSCH_MODERATION_TOPIC = 6,
    // `role` is what `user` may do there.
    KLATSCH_MODERATION_ROLE = 7,
    // Takes the messages of `user` away, or all.
    KLATSCH_MODERATION_CLEAR = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_moderation_act_t klatsch_moderation_act_t;
#else
typedef uint32_t klatsch_moderation_act_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A yes, a no, or neither.
enum klatsch_choice_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It stays as it is.
    KLATSCH_AS_IT_IS = 0,
    // Yes.
    KLATSCH_YES = 1,
    // No.
    KLATSCH_NO = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum klatsch_choice_t klatsch_choice_t;
#else
typedef uint32_t klatsch_choice_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Events that `klatsch_engine_drain` gave.
typedef struct klatsch_batch_t klatsch_batch_t;

// One running chat inside a host. Made with `klatsch_engine_new`, given back with `klatsch_engine_free`.
//
// Every function that takes an engine can fail with `KLATSCH_INVALID_ARGUMENT` and `KLATSCH_INVALID_UTF8`
// (an argument is not what this header asks for), `KLATSCH_FORKED` and `KLATSCH_INTERNAL`; its comment names
// the other codes.
typedef struct klatsch_engine_t klatsch_engine_t;

// Why a call failed: a code and words. Made by a call that failed, given back with `klatsch_error_free`.
typedef struct klatsch_error_t klatsch_error_t;

// Members that `klatsch_engine_members` gave.
typedef struct klatsch_members_t klatsch_members_t;

// Messages that `klatsch_engine_history` gave.
typedef struct klatsch_messages_t klatsch_messages_t;

// What a host sets before the engine starts. Made with `klatsch_options_new`, given back with
// `klatsch_options_free`; one thread at a time.
//
// The functions that set an option answer `KLATSCH_INVALID_ARGUMENT` (no options, or a NULL) or
// `KLATSCH_INVALID_UTF8`. A program need not look: the options remember their first failure, and
// `klatsch_engine_new` fails with it. That one checks the values too.
typedef struct klatsch_options_t klatsch_options_t;

// Rooms that `klatsch_engine_rooms` gave.
typedef struct klatsch_rooms_t klatsch_rooms_t;

// Where a record stands in its room's log. Orders by epoch, then by offset. This struct never grows.
//
// Within an epoch the offset grows by 1 with each record; it is never used twice in a room, whatever the
// epoch.
typedef struct {
    // Which life of the log, below 2^53.
    uint64_t epoch;
    // Which record, counted from 1; 0: an empty log.
    uint64_t offset;
} klatsch_position_t;

// Text that klatsch hands out: UTF-8. A NUL stands behind it that `length` does not count, so that `bytes`
// can be printed with `%s`; the text itself may contain one too, then only `length` tells its end.
//
// Where there is no text, `bytes` is NULL and `length` 0. Lives as long as the object it stands in. This
// struct never grows.
typedef struct {
    // The text, or NULL.
    const char *bytes;
    // How many bytes, without the NUL behind them.
    size_t length;
} klatsch_text_t;

// One header of a request. This struct never grows.
typedef struct {
    // Its name, in lower case.
    klatsch_text_t name;
    // Its value.
    klatsch_text_t value;
} klatsch_header_t;

// One emoji on a message, and who put it there. This struct never grows.
typedef struct {
    // The emoji.
    klatsch_text_t emoji;
    // Who put it there, in the order in which they did.
    const klatsch_text_t *users;
    // How many users; never 0.
    size_t user_count;
} klatsch_reaction_t;

// A record that people read, as it stands now: edits, deletion and reactions are in it.
typedef struct {
    // How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    uint32_t size;
    // Always 0.
    uint32_t reserved;
    // Its place in the room's log.
    klatsch_position_t position;
    // When it got its place, in Unix milliseconds.
    uint64_t at_ms;
    // The room it stands in.
    klatsch_text_t room;
    // Who said it; `host` for what the host broadcast.
    klatsch_text_t user;
    // The author's name when it was said.
    klatsch_text_t name;
    // The author's colour when it was said.
    klatsch_text_t color;
    // What was said, as it was typed: nothing is escaped here. Empty when it was deleted.
    klatsch_text_t text;
    // The sender's own id for it; NULL where the sender's dialect has none.
    klatsch_text_t mid;
    // JSON that means something to clients alone; NULL: none.
    klatsch_text_t data;
    // The offset of the message that it answers; 0: none.
    uint64_t reply_to;
    // How many times it was edited.
    uint64_t revision;
    // What others have put on it, in the order in which they did.
    const klatsch_reaction_t *reactions;
    // How many reactions.
    size_t reaction_count;
    // Whether it was deleted: its text and data are gone.
    bool is_deleted;
} klatsch_message_t;

// What the host is told or asked. Which members are set depends on `kind`; the others are 0 and NULL.
//
// Lives as long as the callback runs that it was given to, or as the batch it is in.
typedef struct {
    // How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    uint32_t size;
    // A `klatsch_event_kind_t`. Later versions may have kinds that are not in this header: ignore them.
    uint32_t kind;
    // Which connection, counted from 1; 0: none.
    uint64_t connection;
    // The question's number, for the answer.
    uint64_t question;
    // A `klatsch_subject_t`.
    uint32_t subject;
    // A `klatsch_dialect_t`.
    uint32_t dialect;
    // A `klatsch_code_t`: what kind of failure.
    uint32_t code;
    // The close code: the peer's, or the engine's own; 1006 when the line broke without one.
    uint32_t close_code;
    // How many members the room has now.
    uint64_t member_count;
    // How many events had to go.
    uint64_t missed_count;
    // For how many connections a broadcast was.
    uint64_t connection_count;
    // How many of them had all of it at once.
    uint64_t sent_count;
    // For how many all or a part of it waits, because they read too slowly.
    uint64_t queued_count;
    // How many lag, and will be shown it later.
    uint64_t lagging_count;
    // The record's place in the room's log.
    klatsch_position_t position;
    // When the message got its place, in Unix milliseconds.
    uint64_t at_ms;
    // The room.
    klatsch_text_t room;
    // Who.
    klatsch_text_t user;
    // What they are called.
    klatsch_text_t name;
    // Their colour, a name that CSS knows.
    klatsch_text_t color;
    // What was said, as it was typed: nothing is escaped here.
    klatsch_text_t text;
    // Why, in words; may be empty.
    klatsch_text_t reason;
    // The path of the request, without the query.
    klatsch_text_t path;
    // The query of the request, as it came, without the `?`; may be empty.
    klatsch_text_t query;
    // Where the connection comes from, `IP:PORT` or `[IPv6]:PORT`; NULL for a Unix socket. If a trusted proxy
    // said so, the port may be 0.
    klatsch_text_t address;
    // What a raw connection sent, or the JSON of a call, with a NUL behind it that is not counted.
    const uint8_t *data;
    // How many bytes.
    size_t data_length;
    // A `klatsch_payload_kind_t`.
    uint32_t payload_kind;
    // Always 0.
    uint32_t reserved;
    // Where the engine listens, one for each listener that is TCP.
    const klatsch_text_t *addresses;
    // How many addresses.
    size_t address_count;
    // The headers of the request, in their order.
    const klatsch_header_t *headers;
    // How many headers.
    size_t header_count;
    // The token that a v1 client shows; NULL: none.
    klatsch_text_t token;
    // What a v1 client's call asks for.
    klatsch_text_t method;
    // The whole message, with what only some have; lives as long as the event. NULL: the event has none.
    const klatsch_message_t *message;
} klatsch_event_t;

// A function of the host's that is called with each event. Must return, and must not throw.
//
// - `user_data`: what `klatsch_engine_on_event` was given.
// - `event`: lives until the function returns.
typedef void (*klatsch_on_event_t)(void *user_data, const klatsch_event_t *event);

// A function of the host's that gives its data back. Must not throw.
typedef void (*klatsch_destroy_t)(void *user_data);

// Who somebody is whom the host lets in: with `KLATSCH_ALLOW_AS`, or by a ticket. What is left 0 is as its comment says.
typedef struct {
    // `sizeof(klatsch_admission_t)`.
    uint32_t size;
    // A `klatsch_role_t`: what they may do where no room says otherwise; 0: `KLATSCH_ROLE_MEMBER`.
    uint32_t role;
    // The user's id; NULL or empty: the engine gives one. Not `u` and a number: those are the engine's.
    klatsch_text_t user;
    // The user's name; required.
    klatsch_text_t name;
    // Rooms that a v1 client is in from the beginning, private ones too; may be NULL if `room_count` is 0.
    const klatsch_text_t *rooms;
    // How many rooms.
    size_t room_count;
    // Until when a v1 client may be here without showing a new token, in Unix milliseconds; 0: for ever.
    uint64_t expires_at_ms;
} klatsch_admission_t;

// An act of moderation, and what belongs to it; the other members are not looked at.
typedef struct {
    // `sizeof(klatsch_moderation_t)`.
    uint32_t size;
    // A `klatsch_moderation_act_t`.
    uint32_t act;
    // Whom it is about. With `KLATSCH_MODERATION_CLEAR` NULL: everybody; else required where the act has one.
    klatsch_text_t user;
    // For how long, or how far apart. `KLATSCH_FOR_GOOD`: without an end.
    uint64_t seconds;
    // What the room is about; NULL: nothing.
    klatsch_text_t topic;
    // A `klatsch_role_t`.
    uint32_t role;
    // Always 0.
    uint32_t reserved;
} klatsch_moderation_t;

// What the host wants otherwise in a room than in others. What is left 0 stays as it is.
typedef struct {
    // `sizeof(klatsch_room_options_t)`.
    uint32_t size;
    // A `klatsch_choice_t`: whether only those come in whom the host has put there, let in with that room, or given a
    // role there. Who is in it already stays.
    uint32_t is_private;
    // A `klatsch_choice_t`: whether only moderators and owners speak.
    uint32_t is_read_only;
    // Always 0.
    uint32_t reserved;
    // How many members it has at the most: one more is refused with `KLATSCH_TOO_MANY`, but not whom the host puts
    // there. `KLATSCH_NO_LIMIT`: as many as want to.
    uint64_t max_member_count;
    // How many messages are kept of it, in place of the option `history_kept`.
    uint64_t history_kept;
} klatsch_room_options_t;

// A user in a room.
typedef struct {
    // How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    uint32_t size;
    // A `klatsch_role_t`: what they may do in this room.
    uint32_t role;
    // Their first connection in this room.
    uint64_t connection;
    // How many connections they have in this room.
    uint64_t connection_count;
    // Who it is.
    klatsch_text_t user;
    // What they are called.
    klatsch_text_t name;
    // Their colour.
    klatsch_text_t color;
} klatsch_member_t;

// A room as `klatsch_engine_rooms` lists it.
typedef struct {
    // How many bytes this struct has in the running library; see `KLATSCH_HAS`.
    uint32_t size;
    // Always 0.
    uint32_t reserved;
    // The position of its newest record; offset 0 when there is none.
    klatsch_position_t position;
    // How many members are in it: users with a name.
    uint64_t member_count;
    // How many connections are in it, with a name or without.
    uint64_t connection_count;
    // Its name.
    klatsch_text_t name;
} klatsch_room_t;

// A connection that reads too slowly. This struct never grows.
typedef struct {
    // Which.
    uint64_t connection;
    // How many bytes wait for it.
    uint64_t waiting_bytes;
    // For how many milliseconds it has lagged; 0 if it does not.
    uint64_t lagging_ms;
} klatsch_slow_connection_t;

// Figures of a running engine. Those of the connections are a moment old at the most; what was counted begins anew
// with each start.
typedef struct {
    // Before the call: `sizeof(klatsch_stats_t)`. After it: how many of those bytes the running library has filled;
    // see `KLATSCH_HAS`.
    uint32_t size;
    // How many connections stand in `slowest`.
    uint32_t slowest_count;
    // How many connections there are, those on their way to a WebSocket and those being closed among them.
    uint64_t connection_count;
    // How many of them are no WebSockets yet.
    uint64_t handshake_count;
    // How many connections lag: they are shown nothing of their room until they have taken what waits for them.
    uint64_t lagging_count;
    // How many connections were closed because they read too slowly.
    uint64_t too_slow_count;
    // How many rooms there are.
    uint64_t room_count;
    // How many bytes came from connections, without what TLS adds.
    uint64_t received_bytes;
    // How many bytes their sockets took, without what TLS adds.
    uint64_t sent_bytes;
    // How many bytes wait for connections that read too slowly.
    uint64_t waiting_bytes;
    // How many bytes the logs of all rooms hold.
    uint64_t history_bytes;
    // How many bytes the engine holds in all, about, as `memory_bytes` counts them.
    uint64_t memory_bytes;
    // How many events wait for the host.
    uint64_t event_count;
    // The connections for which most waits, most first; some tenths of a second old.
    klatsch_slow_connection_t slowest[8];
} klatsch_stats_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Gives the version of the running library, like `0.1.0`. The text ends in a NUL and lives for ever.
const char *klatsch_version(void);

// Counts what this process has from the library and has not given back: options, engines, errors, batches
// and lists. For a host's own leak tests: leak checkers see memory, not handles.
size_t klatsch_handle_count(void);

// Gives an error's code.
//
// - `error`: may be NULL; then, and for what is no error, the answer is `KLATSCH_OK`.
klatsch_code_t klatsch_error_code(const klatsch_error_t *error);

// Gives an error's words, for people: which value, why, and what would be right. They may change from one
// version to the next.
//
// - `error`: may be NULL; then, and for what is no error, the words are empty.
//
// Never gives NULL. The text ends in a NUL and lives until the error is freed.
const char *klatsch_error_message(const klatsch_error_t *error);

// Gives an error back.
//
// - `error`: may be NULL.
void klatsch_error_free(klatsch_error_t *error);

// Gives a code's stable name, like `bad_room_name`; `ok` for `KLATSCH_OK`.
//
// - `code`: any number.
//
// Gives NULL if there is no such code. The text ends in a NUL and lives for ever.
const char *klatsch_code_name(uint32_t code);

// Gives what a code means, one sentence in English.
//
// - `code`: any number.
//
// Gives NULL if there is no such code. The text ends in a NUL and lives for ever.
const char *klatsch_code_meaning(uint32_t code);

// Makes options that are all at their defaults.
//
// Gives options for `klatsch_options_free`; NULL only after a bug in klatsch.
klatsch_options_t *klatsch_options_new(void);

// Gives options back. Engines that were made with them keep what they need.
//
// - `options`: may be NULL.
void klatsch_options_free(klatsch_options_t *options);

// Listens on this address too. May be called several times.
//
// - `options`: required.
// - `address`: UTF-8, copied. `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`; port 0 takes a free one. Or a
//   Unix socket: `unix:/run/chat.sock`. Its file is removed when the engine stops, and one on which nobody
//   listens any more is replaced; who may connect is the file's mode, which the process's umask decides.
//
// Default, when it is never called: `127.0.0.1:1337`, which only this machine can reach.
klatsch_code_t klatsch_options_listen(klatsch_options_t *options, const char *address, size_t address_length);

// Listens nowhere: every connection comes by `klatsch_engine_adopt_fd`.
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_adopt_only(klatsch_options_t *options, bool on);

// Has every listener speak TLS (1.2 or 1.3; `wss://`, `https://`) with the certificate in one file and its key
// in another, both PEM; the certificates of its chain stand behind it. May be called several times: a client gets
// the first certificate that is for the host it names (SNI), or the first of all.
//
// - `options`: required.
// - `cert`, `key`: UTF-8, copied. The files' paths.
//
// The files are read by `klatsch_engine_start`, and again by `klatsch_engine_reload_tls`. Default, when neither
// this nor `klatsch_options_tls_pem` is ever called: no TLS. Adopted connections never speak it.
klatsch_code_t klatsch_options_tls_files(klatsch_options_t *options,
                                         const char *cert,
                                         size_t cert_length,
                                         const char *key,
                                         size_t key_length);

// As `klatsch_options_tls_files`, with what would be in the files.
//
// - `options`: required.
// - `cert`, `key`: PEM, copied.
klatsch_code_t klatsch_options_tls_pem(klatsch_options_t *options,
                                       const char *cert,
                                       size_t cert_length,
                                       const char *key,
                                       size_t key_length);

// Sets the path on which the chat is; WebSocket requests for another are answered 404.
//
// - `options`: required.
// - `path`: UTF-8, copied. Default `/`.
klatsch_code_t klatsch_options_path(klatsch_options_t *options, const char *path, size_t path_length);

// Marks a path as raw: whole messages, text and bytes, go to the host as `KLATSCH_EVENT_RECEIVED`, and the
// host answers with `klatsch_engine_tell`. May be called for several paths.
//
// - `options`: required.
// - `path`: UTF-8, copied.
// - `subprotocol`: UTF-8, copied; may be NULL. The `Sec-WebSocket-Protocol` that clients of this path must
//   offer and that is echoed; empty: none is spoken, and a client's offer is refused with 400.
//
// A raw connection is in the room that its `?room=` names, or in none.
klatsch_code_t klatsch_options_raw(klatsch_options_t *options,
                                   const char *path,
                                   size_t path_length,
                                   const char *subprotocol,
                                   size_t subprotocol_length);

// Sets whether the tutorial dialect is spoken.
//
// - `options`: required.
// - `on`: default true.
klatsch_code_t klatsch_options_tutorial(klatsch_options_t *options, bool on);

// Sets whether the dialect `klatsch.v1` is spoken, with clients that offer that subprotocol on the chat's path.
//
// - `options`: required.
// - `on`: default true.
klatsch_code_t klatsch_options_v1(klatsch_options_t *options,
                                  bool on);

// Sets whether a client that offers unknown subprotocols only is taken for one of the tutorial's, and answered
// without a subprotocol. Browsers then close the connection themselves, as their standard asks of them; other
// clients may not mind. Else it is answered 400 with the supported ones.
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_accept_unknown_subprotocol(klatsch_options_t *options,
                                                          bool on);

// Sets whether the chat page is served at `/`.
//
// - `options`: required.
// - `on`: default true.
klatsch_code_t klatsch_options_page(klatsch_options_t *options, bool on);

// Lets pages of this origin connect too. May be called several times.
//
// - `options`: required.
// - `origin`: UTF-8, copied. Like `https://chat.example`, compared as a whole; or `null`: pages that hide their
//   origin, such as those opened from a file; or `*`: any page of any site.
//
// Pages of the engine's own origin always may. What is no page, and sends no `Origin`, may, unless
// `klatsch_options_require_origin` is on. As long as this is never called and every listener is on loopback,
// so may any page from loopback, and any page opened from a file. Browsers call such a page's origin `null`,
// and that of a sandboxed frame of any site too: a chat on loopback that must not be reached from a web page
// calls this with the origins it wants.
klatsch_code_t klatsch_options_allow_origin(klatsch_options_t *options,
                                            const char *origin,
                                            size_t origin_length);

// Answers requests for this host name too. May be called several times. A request for another is answered
// 421.
//
// - `options`: required.
// - `host`: UTF-8, copied. Like `chat.example`, or with its port `chat.example:8080`.
//
// Default, when it is never called: any name where a listener is not on loopback, and for adopted
// connections; else only loopback names and addresses.
klatsch_code_t klatsch_options_allow_host(klatsch_options_t *options, const char *host, size_t host_length);

// Keeps a name, and whatever looks like it, from those who choose their names themselves: they get a number behind
// it. May be called several times. The host may still give it to somebody.
//
// - `options`: required.
// - `name`: UTF-8, copied.
//
// The host's name and names of an authority, such as `admin`, are always kept.
klatsch_code_t klatsch_options_reserve_name(klatsch_options_t *options,
                                            const char *name,
                                            size_t name_length);

// Believes this proxy, or every one in this network, about whose connection it hands on. May be called
// several times.
//
// - `options`: required.
// - `network`: UTF-8, copied. Like `10.0.0.7`, `10.0.0.0/8` or `2001:db8::/32`; or `unix`: whoever comes by a
//   Unix socket that has a path.
//
// Such a connection is its client's for the events and for `max_address_connection_count`. The client is the
// last address in `X-Forwarded-For` that is not a trusted proxy's itself; a request whose header says anything
// but an address there is answered 400. From everybody else the header is ignored, since anybody can write one:
// list no network that strangers are in.
//
// Default, when it is never called: nobody is believed.
klatsch_code_t klatsch_options_trusted_proxy(klatsch_options_t *options,
                                             const char *network,
                                             size_t network_length);

// Sets whether a WebSocket request without an `Origin` is refused.
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_require_origin(klatsch_options_t *options, bool on);

// Sets whether an engine that stops is started again soon, here or by another program that takes its place, as when a
// service is updated. Connections are closed as by a restart then (4202; 1012 where they do not speak `klatsch.v1`),
// and else as by a server that goes away (4200, 1001).
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_restarts(klatsch_options_t *options,
                                        bool on);

// Sets whether messages are compressed (permessage-deflate) for clients that offer it, as browsers do. A message
// is compressed once for all members of a room.
//
// - `options`: required.
// - `on`: default true.
klatsch_code_t klatsch_options_deflate(klatsch_options_t *options,
                                       bool on);

// Sets whether the host is asked before a connection comes in (`KLATSCH_SUBJECT_ADMIT`).
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_ask_admit(klatsch_options_t *options, bool on);

// Sets whether the host is asked before a user comes into a room (`KLATSCH_SUBJECT_MAY_JOIN`).
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_ask_may_join(klatsch_options_t *options, bool on);

// Sets whether the host is asked before a user's message gets its place (`KLATSCH_SUBJECT_MAY_SEND`).
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_ask_may_send(klatsch_options_t *options, bool on);

// Sets whether v1 clients may ask the host something itself (`KLATSCH_SUBJECT_CALL`). Else a `call` is answered
// `not_available`.
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_ask_call(klatsch_options_t *options,
                                        bool on);

// Sets whether two users may have one name whom the host named, by its answer to a question or by a ticket; else the
// second gets a number behind it.
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_repeat_given_names(klatsch_options_t *options,
                                                  bool on);

// Sets whether the host is told what became of each of its broadcasts (`KLATSCH_EVENT_RECEIPT`).
//
// - `options`: required.
// - `on`: default false.
klatsch_code_t klatsch_options_receipts(klatsch_options_t *options, bool on);

// Sets the name under which the host broadcasts.
//
// - `options`: required.
// - `name`: UTF-8, copied. Default `Host`.
klatsch_code_t klatsch_options_host_name(klatsch_options_t *options, const char *name, size_t name_length);

// Sets the colour in which the host broadcasts.
//
// - `options`: required.
// - `color`: UTF-8, copied. `black` (the default), `red`, `green`, `blue`, `magenta`, `purple`, `plum` or
//   `orange`.
klatsch_code_t klatsch_options_host_color(klatsch_options_t *options, const char *color, size_t color_length);

// Sets the options that a named set of limits covers; what is set later holds.
//
// - `options`: required.
// - `limits`: UTF-8. `default`; or `load-test`, for load tests from a single machine: what is counted per
//   user and per address is not limited (`message_rate`, `max_address_connection_count`). Never for a
//   public server.
//
// Fails with `KLATSCH_INVALID_OPTION` too: there is no such set.
klatsch_code_t klatsch_options_limits(klatsch_options_t *options, const char *limits, size_t limits_length);

// Sets one of the options that are numbers by its name: `history` is `klatsch_options_history`.
//
// - `options`: required.
// - `name`: UTF-8.
// - `value`: what that option takes.
//
// Fails with `KLATSCH_INVALID_OPTION` too: there is no such number option.
klatsch_code_t klatsch_options_set_number(klatsch_options_t *options,
                                          const char *name,
                                          size_t name_length,
                                          uint64_t value);

// How many messages of its room a tutorial client is shown when it arrives: the newest, and at most 256
// KiB of them.
//
// - `options`: required.
// - `history`: default 100; from 0 to 10000.
klatsch_code_t klatsch_options_history(klatsch_options_t *options, uint64_t history);

// How many messages each room keeps as they stand; of its log, which resuming clients are given, it keeps four times
// as many of the newest records. Older ones are forgotten.
//
// - `options`: required.
// - `history_kept`: default 1000; from 1 to 1000000.
klatsch_code_t klatsch_options_history_kept(klatsch_options_t *options,
                                            uint64_t history_kept);

// For how many milliseconds a room keeps what was said; past it the oldest is forgotten, a part in 256 of that time
// later at the most. 0: for ever. Seven days, and a hundred years at the most.
//
// - `options`: required.
// - `history_ms`: default 604800000; from 0 to 3153600000000.
klatsch_code_t klatsch_options_history_ms(klatsch_options_t *options,
                                          uint64_t history_ms);

// How many bytes the logs of all rooms may hold together; past it the oldest records of the rooms that
// were quiet for longest are forgotten.
//
// - `options`: required.
// - `history_bytes`: default 268435456; from 65536 to 1099511627776.
klatsch_code_t klatsch_options_history_bytes(klatsch_options_t *options, uint64_t history_bytes);

// After how many milliseconds without a byte from a connection the engine pings it. Up to a fifth less, so
// that not all connections are pinged at once. A v1 connection is sent a heartbeat that often instead, or
// more often if its client wishes, and has to send something as often itself.
//
// - `options`: required.
// - `heartbeat_interval_ms`: default 25000; from 100 to 3600000.
klatsch_code_t klatsch_options_heartbeat_interval_ms(klatsch_options_t *options,
                                                     uint64_t heartbeat_interval_ms);

// For how many milliseconds more the engine waits before it holds the peer for dead and cuts it.
//
// - `options`: required.
// - `heartbeat_timeout_ms`: default 10000; from 100 to 3600000.
klatsch_code_t klatsch_options_heartbeat_timeout_ms(klatsch_options_t *options,
                                                    uint64_t heartbeat_timeout_ms);

// How many milliseconds a connection has for its whole opening request, and before that, where TLS is
// spoken, for the TLS handshake; then it is cut.
//
// - `options`: required.
// - `handshake_timeout_ms`: default 5000; from 100 to 600000.
klatsch_code_t klatsch_options_handshake_timeout_ms(klatsch_options_t *options,
                                                    uint64_t handshake_timeout_ms);

// How many milliseconds a v1 connection has for its `hello`; then it is closed with 4204.
//
// - `options`: required.
// - `hello_timeout_ms`: default 10000; from 100 to 600000.
klatsch_code_t klatsch_options_hello_timeout_ms(klatsch_options_t *options, uint64_t hello_timeout_ms);

// For how many milliseconds after its last connection is gone a v1 user is still in its rooms, so that
// nobody sees a leave and a join when it comes back meanwhile. 0: it leaves at once.
//
// - `options`: required.
// - `linger_ms`: default 15000; from 0 to 3600000.
klatsch_code_t klatsch_options_linger_ms(klatsch_options_t *options, uint64_t linger_ms);

// For how many milliseconds after its last connection a v1 session can be resumed; then a client begins
// anew.
//
// - `options`: required.
// - `session_ms`: default 86400000; from 1000 to 31536000000.
klatsch_code_t klatsch_options_session_ms(klatsch_options_t *options, uint64_t session_ms);

// How many sessions of v1 users without a connection are kept; past it the oldest are forgotten.
//
// - `options`: required.
// - `max_session_count`: default 100000; from 0 to 16000000.
klatsch_code_t klatsch_options_max_session_count(klatsch_options_t *options, uint64_t max_session_count);

// For how many milliseconds the engine knows the `mid` of a v1 client's change, and gives the first one's
// answer if it is sent again. Past it a client must not send again.
//
// - `options`: required.
// - `dedupe_ms`: default 86400000; from 1000 to 31536000000.
klatsch_code_t klatsch_options_dedupe_ms(klatsch_options_t *options, uint64_t dedupe_ms);

// How many milliseconds the peer has to answer a close frame and go; then it is cut.
//
// - `options`: required.
// - `close_timeout_ms`: default 5000; from 100 to 600000.
klatsch_code_t klatsch_options_close_timeout_ms(klatsch_options_t *options, uint64_t close_timeout_ms);

// For how many milliseconds a connection may take not one byte of what waits for it; then it is cut.
//
// - `options`: required.
// - `write_timeout_ms`: default 10000; from 100 to 600000.
klatsch_code_t klatsch_options_write_timeout_ms(klatsch_options_t *options, uint64_t write_timeout_ms);

// How many milliseconds the host has to answer a question; then the answer is no.
//
// - `options`: required.
// - `question_timeout_ms`: default 5000; from 10 to 600000.
klatsch_code_t klatsch_options_question_timeout_ms(klatsch_options_t *options, uint64_t question_timeout_ms);

// How many questions may be open at once; one more is refused without being asked.
//
// - `options`: required.
// - `question_count`: default 1024; from 1 to 1000000.
klatsch_code_t klatsch_options_question_count(klatsch_options_t *options, uint64_t question_count);

// How many events may wait for the host; past it they are dropped, counted and told as `missed`.
//
// - `options`: required.
// - `event_queue_count`: default 8192; from 16 to 1000000.
klatsch_code_t klatsch_options_event_queue_count(klatsch_options_t *options, uint64_t event_queue_count);

// How many bytes of text and payload may wait in those events.
//
// - `options`: required.
// - `event_queue_bytes`: default 16777216; from 65536 to 1073741824.
klatsch_code_t klatsch_options_event_queue_bytes(klatsch_options_t *options, uint64_t event_queue_bytes);

// How long a whole message of a client may be, in bytes; a longer one closes its connection with 1009.
//
// - `options`: required.
// - `max_message_bytes`: default 65536; from 125 to 67108864.
klatsch_code_t klatsch_options_max_message_bytes(klatsch_options_t *options, uint64_t max_message_bytes);

// How long a chat message's text may be, in bytes; a longer one closes a tutorial connection with 1009,
// and is refused to the host.
//
// - `options`: required.
// - `max_text_bytes`: default 16384; from 1 to 1048576.
klatsch_code_t klatsch_options_max_text_bytes(klatsch_options_t *options, uint64_t max_text_bytes);

// How long the `data` of a v1 client's request may be, in bytes of JSON; longer is refused with `too_long`.
//
// - `options`: required.
// - `max_data_bytes`: default 16384; from 1 to 1048576.
klatsch_code_t klatsch_options_max_data_bytes(klatsch_options_t *options, uint64_t max_data_bytes);

// How many messages, records or other entries one answer to a v1 client has at the most; the rest is in the
// next answers.
//
// - `options`: required.
// - `max_page_count`: default 100; from 1 to 10000.
klatsch_code_t klatsch_options_max_page_count(klatsch_options_t *options, uint64_t max_page_count);

// How many reactions one message may have; one more is refused with `too_many`.
//
// - `options`: required.
// - `max_reaction_count`: default 256; from 1 to 65536.
klatsch_code_t klatsch_options_max_reaction_count(klatsch_options_t *options, uint64_t max_reaction_count);

// Up to how many members a v1 client is told of everybody who comes to its room or leaves it; above, only
// how many there are, at most once a second.
//
// - `options`: required.
// - `max_presence_count`: default 200; from 0 to 1000000.
klatsch_code_t klatsch_options_max_presence_count(klatsch_options_t *options, uint64_t max_presence_count);

// Into how many frames a message may be split; one more closes the connection with 1008.
//
// - `options`: required.
// - `max_fragment_count`: default 64; from 1 to 1000000.
klatsch_code_t klatsch_options_max_fragment_count(klatsch_options_t *options, uint64_t max_fragment_count);

// How many milliseconds the frames of one message may take to arrive; then 1008.
//
// - `options`: required.
// - `max_assembly_ms`: default 10000; from 100 to 600000.
klatsch_code_t klatsch_options_max_assembly_ms(klatsch_options_t *options, uint64_t max_assembly_ms);

// How many connections there may be; one more is answered 503, or cut where TLS would come first. 0: as
// many as the process's descriptors allow, less a reserve for the host.
//
// - `options`: required.
// - `max_connection_count`: default 0; from 0 to 16000000.
klatsch_code_t klatsch_options_max_connection_count(klatsch_options_t *options,
                                                    uint64_t max_connection_count);

// How many connections one IP address, or one IPv6 /64, may have; one more is answered 429, or cut where
// TLS would come first. 0: no limit. Peers on a Unix socket are not counted, and of a trusted proxy its
// clients are.
//
// - `options`: required.
// - `max_address_connection_count`: default 100; from 0 to 16000000.
klatsch_code_t klatsch_options_max_address_connection_count(klatsch_options_t *options,
                                                            uint64_t max_address_connection_count);

// How many connections one v1 user may have; one more is closed with 4101.
//
// - `options`: required.
// - `max_user_connection_count`: default 10; from 1 to 1000000.
klatsch_code_t klatsch_options_max_user_connection_count(klatsch_options_t *options,
                                                         uint64_t max_user_connection_count);

// How many rooms one v1 connection may be in, its direct rooms not counted; one more is refused with
// `too_many`.
//
// - `options`: required.
// - `max_connection_room_count`: default 32; from 1 to 10000.
klatsch_code_t klatsch_options_max_connection_room_count(klatsch_options_t *options,
                                                         uint64_t max_connection_room_count);

// How many connections may be on their way to a WebSocket at once: in the TLS handshake, sending their
// request, or asked about. One more has the one cut that has taken longest, if that is over a second; else
// it is cut itself.
//
// - `options`: required.
// - `max_handshake_count`: default 1024; from 1 to 16000000.
klatsch_code_t klatsch_options_max_handshake_count(klatsch_options_t *options, uint64_t max_handshake_count);

// How many rooms there may be. When they are all there, a room without connections is forgotten to make
// place; if none is empty, the new one is refused.
//
// - `options`: required.
// - `max_room_count`: default 100000; from 1 to 10000000.
klatsch_code_t klatsch_options_max_room_count(klatsch_options_t *options, uint64_t max_room_count);

// How many messages a second one user may send in the long run. A tutorial connection that sends faster
// is read later, and closed with 1008 when it has done nothing else for 10 seconds. 0: no limit.
//
// - `options`: required.
// - `message_rate`: default 2; from 0 to 1000000.
klatsch_code_t klatsch_options_message_rate(klatsch_options_t *options, uint64_t message_rate);

// How many messages one user may send at once before that rate holds.
//
// - `options`: required.
// - `message_burst`: default 20; from 1 to 1000000.
klatsch_code_t klatsch_options_message_burst(klatsch_options_t *options, uint64_t message_burst);

// How many requests a second that are no messages one v1 user may send in the long run (`tell`, `typing`, `join`,
// `refresh`, `moderate`, `call`); more are refused with `rate_limited`. 0: no limit.
//
// - `options`: required.
// - `tell_rate`: default 20; from 0 to 1000000.
klatsch_code_t klatsch_options_tell_rate(klatsch_options_t *options,
                                         uint64_t tell_rate);

// How many of those one v1 user may send at once before that rate holds.
//
// - `options`: required.
// - `tell_burst`: default 60; from 1 to 1000000.
klatsch_code_t klatsch_options_tell_burst(klatsch_options_t *options, uint64_t tell_burst);

// How many control frames (pings, pongs) a second a connection may send in the long run; more close it with
// 1008, a v1 one with 4102.
//
// - `options`: required.
// - `control_rate`: default 10; from 1 to 1000000.
klatsch_code_t klatsch_options_control_rate(klatsch_options_t *options, uint64_t control_rate);

// How many control frames a connection may send at once before that rate holds.
//
// - `options`: required.
// - `control_burst`: default 20; from 1 to 1000000.
klatsch_code_t klatsch_options_control_burst(klatsch_options_t *options, uint64_t control_burst);

// How many threads serve the connections, each its own share of them. 0: as many as there are processors for
// the process; in Node, one.
//
// - `options`: required.
// - `shard_count`: default 0; from 0 to 64.
klatsch_code_t klatsch_options_shard_count(klatsch_options_t *options, uint64_t shard_count);

// From how many bytes on what is sent to a connection at once is compressed, if it is agreed on; less goes
// plain, because compressing it saves next to nothing.
//
// - `options`: required.
// - `deflate_min_bytes`: default 512; from 1 to 1073741824.
klatsch_code_t klatsch_options_deflate_min_bytes(klatsch_options_t *options, uint64_t deflate_min_bytes);

// From how many waiting bytes on a connection lags: it is shown nothing more of its rooms until it has taken
// what waits, and then what it missed, from the rooms' logs. If that is more than 256 KiB or no longer kept,
// a tutorial connection is closed with 1013, and a v1 one is told where the gap is.
//
// - `options`: required.
// - `lag_bytes`: default 65536; from 1024 to 1073741824.
klatsch_code_t klatsch_options_lag_bytes(klatsch_options_t *options, uint64_t lag_bytes);

// For how many milliseconds a connection may lag; then it is closed with 1013, a v1 one with 4201.
//
// - `options`: required.
// - `lag_timeout_ms`: default 30000; from 100 to 3600000.
klatsch_code_t klatsch_options_lag_timeout_ms(klatsch_options_t *options, uint64_t lag_timeout_ms);

// How many bytes may wait for one connection that reads too slowly; past it the connection is closed with
// 1013, a v1 one with 4201.
//
// - `options`: required.
// - `outbox_bytes`: default 1048576; from 65536 to 1073741824.
klatsch_code_t klatsch_options_outbox_bytes(klatsch_options_t *options, uint64_t outbox_bytes);

// How many bytes the engine may hold in all, about. When it nears that, it answers new connections 503, then
// closes slow readers, then shows no history; the host is told `degraded`. 0: no limit but all the others
// together.
//
// - `options`: required.
// - `memory_bytes`: default 0; from 0 to 1099511627776.
klatsch_code_t klatsch_options_memory_bytes(klatsch_options_t *options, uint64_t memory_bytes);

// Makes an engine that does not run yet, and checks its options.
//
// - `options`: required; copied, they stay the caller's.
// - `out_engine`: required. Gets the engine, for `klatsch_engine_free`.
//
// Fails with `KLATSCH_INVALID_OPTION`: which option, its value, and what it may be; and with the first
// failure of a function that set an option.
klatsch_code_t klatsch_engine_new(const klatsch_options_t *options,
                                  klatsch_engine_t **out_engine,
                                  klatsch_error_t **out_error);

// Stops an engine without grace, waits until its last callback has returned, and gives it back. Every later
// call with it answers `KLATSCH_INVALID_ARGUMENT`; calls that other threads are in the middle of fail.
//
// - `engine`: may be NULL.
//
// Answers `KLATSCH_DEADLOCK` inside a callback of this engine, `KLATSCH_FORKED` in a child process,
// `KLATSCH_INVALID_ARGUMENT` for what is no engine: then nothing was given back. Every other answer says
// how the stopping went; the engine is gone.
klatsch_code_t klatsch_engine_free(klatsch_engine_t *engine);

// Binds, starts the engine's own threads and returns when it listens.
//
// - `engine`: required.
//
// Fails with `KLATSCH_ALREADY_RUNNING` (also while another call starts or stops it),
// `KLATSCH_CANNOT_LISTEN`, `KLATSCH_INVALID_OPTION` (a certificate or key, with its file and the cause),
// `KLATSCH_SYSTEM`. After `klatsch_engine_stop` it may be started again.
klatsch_code_t klatsch_engine_start(klatsch_engine_t *engine, klatsch_error_t **out_error);

// Stops accepting at once, sends what waits, closes every connection (1001, or 4200; 1012, or 4202, with
// `klatsch_options_restarts`), and cuts what is left after the grace. Blocks until no thread or socket of the engine is left, and until the last callback, with
// `KLATSCH_EVENT_STOPPED`, has returned. Stopping what does not run is no failure; a second call, from
// another thread, may shorten the first one's grace.
//
// - `engine`: required.
// - `grace_ms`: in milliseconds; 0: cut at once.
//
// Fails with `KLATSCH_DEADLOCK` inside a callback of this engine.
klatsch_code_t klatsch_engine_stop(klatsch_engine_t *engine,
                                   uint64_t grace_ms,
                                   klatsch_error_t **out_error);

// Reads the certificates and keys of `klatsch_options_tls_files` again. Connections that are there stay as they
// are; new ones get the new certificates at once. What came by `klatsch_options_tls_pem` stays.
//
// - `engine`: required.
//
// Fails with `KLATSCH_INVALID_OPTION` if a file is missing or wrong; the words name it, the certificates that were
// there stay in use, and `KLATSCH_EVENT_DEGRADED` says so too. With `KLATSCH_INVALID_ARGUMENT` if the engine speaks
// no TLS; with `KLATSCH_NOT_RUNNING`.
klatsch_code_t klatsch_engine_reload_tls(klatsch_engine_t *engine,
                                         klatsch_error_t **out_error);

// Tells where the engine listens: one address for each `klatsch_options_listen` that is TCP, in their order.
// Unix sockets are where the options say, so they are not listed.
//
// - `engine`: required. It listens nowhere while it does not run.
// - `index`: which address, counted from 0.
// - `buffer`: gets the address as text, `IP:PORT` or `[IPv6]:PORT`, with a NUL behind it. May be NULL, to
//   ask for the count only.
// - `capacity`: how many bytes `buffer` has. `KLATSCH_ADDRESS_BYTES` are always enough.
// - `out_count`: may be NULL. Gets the number of addresses, also when `index` is no address.
//
// Fails with `KLATSCH_INVALID_ARGUMENT` if there is no such address or `buffer` is too small.
klatsch_code_t klatsch_engine_addresses(klatsch_engine_t *engine,
                                        size_t index,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *out_count,
                                        klatsch_error_t **out_error);

// Has a function called with each event, in the order in which they happened, on one thread of the
// library's that lives while the engine runs. The function may call everything but `klatsch_engine_stop`
// and `klatsch_engine_free` of the same engine. While it runs, later events wait; the network does not.
//
// - `engine`: required, not running.
// - `callback`: required.
// - `user_data`: may be NULL. Handed to `callback`, never looked at.
// - `destroy`: may be NULL. Called exactly once with `user_data`, inside `klatsch_engine_free`, when no
//   callback runs or will. Not called if this fails.
//
// Fails with `KLATSCH_EVENTS_TAKEN`, `KLATSCH_ALREADY_RUNNING`.
klatsch_code_t klatsch_engine_on_event(klatsch_engine_t *engine,
                                       klatsch_on_event_t callback,
                                       void *user_data,
                                       klatsch_destroy_t destroy,
                                       klatsch_error_t **out_error);

// Gives a descriptor to wait on, with `poll` or what the host's loop has: it is readable while events wait.
// Take them with `klatsch_engine_drain`. Call this before `klatsch_engine_start` to hear all of them.
//
// - `engine`: required.
// - `out_descriptor`: required. The descriptor stays the engine's, until it is freed: wait on it, nothing
//   else. A second call gives the same one.
//
// Fails with `KLATSCH_EVENTS_TAKEN` (there is a callback), `KLATSCH_SYSTEM`.
klatsch_code_t klatsch_engine_event_fd(klatsch_engine_t *engine,
                                       int *out_descriptor,
                                       klatsch_error_t **out_error);

// Takes events that wait, in the order in which they happened. Does not wait for any. A host without a
// descriptor may call this from time to time; the first call takes the events then.
//
// - `engine`: required.
// - `limit`: at most so many, at least 1. While more wait, the descriptor stays readable.
// - `out_batch`: required. Gets the events, which may be none, for `klatsch_batch_free`.
//
// Fails with `KLATSCH_EVENTS_TAKEN` (there is a callback).
klatsch_code_t klatsch_engine_drain(klatsch_engine_t *engine,
                                    size_t limit,
                                    klatsch_batch_t **out_batch,
                                    klatsch_error_t **out_error);

// Counts events.
//
// - `batch`: may be NULL; then, and for what is no batch, the answer is 0.
size_t klatsch_batch_count(const klatsch_batch_t *batch);

// Gives one event, which lives until the batch is freed.
//
// - `batch`: may be NULL.
// - `index`: counted from 0, the oldest first.
//
// Gives NULL if there is no such event.
const klatsch_event_t *klatsch_batch_at(const klatsch_batch_t *batch, size_t index);

// Gives events back.
//
// - `batch`: may be NULL.
void klatsch_batch_free(klatsch_batch_t *batch);

// Finds a request's header.
//
// - `event`: may be NULL. A question that asks `KLATSCH_SUBJECT_ADMIT`; other events have no headers.
// - `name`: UTF-8; upper and lower case are the same.
//
// Gives the first header's value, which lives as long as the event; NULL if there is none.
const klatsch_text_t *klatsch_event_header(const klatsch_event_t *event,
                                           const char *name,
                                           size_t name_length);

// Says something in a room as the host: a record by the user `host`. The room is made if there is none.
//
// - `engine`: required.
// - `room`, `text`: UTF-8, copied.
// - `out_position`: may be NULL. Gets the record's position.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY_ROOMS`, `KLATSCH_EMPTY_TEXT`,
// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_broadcast(klatsch_engine_t *engine,
                                        const char *room,
                                        size_t room_length,
                                        const char *text,
                                        size_t text_length,
                                        klatsch_position_t *out_position,
                                        klatsch_error_t **out_error);

// Says something to everybody in every room as the host. It stands in no log and no history.
//
// - `engine`: required.
// - `text`: UTF-8, copied.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_broadcast_all(klatsch_engine_t *engine,
                                            const char *text,
                                            size_t text_length,
                                            klatsch_error_t **out_error);

// Tells one connection something; it stands in no log. A tutorial connection sees text as a message by the host,
// a v1 one as a `tell` without a user whose data is the text; a raw one gets the payload as it is.
//
// - `engine`: required.
// - `connection`: a number that an event gave.
// - `kind`: a `klatsch_payload_kind_t`. A chat connection takes text only.
// - `data`: copied. Text is UTF-8. May be NULL if `data_length` is 0 and it is no text.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_CONNECTION`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`,
// `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_tell(klatsch_engine_t *engine,
                                   uint64_t connection,
                                   uint32_t kind,
                                   const void *data,
                                   size_t data_length,
                                   klatsch_error_t **out_error);

// Tells every connection in a room something: the chat ones (text only) and the raw ones.
//
// - `engine`: required.
// - `room`: UTF-8.
// - `kind`, `data`: as for `klatsch_engine_tell`.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_EMPTY_TEXT`,
// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_tell_room(klatsch_engine_t *engine,
                                        const char *room,
                                        size_t room_length,
                                        uint32_t kind,
                                        const void *data,
                                        size_t data_length,
                                        klatsch_error_t **out_error);

// Tells every connection something: the chat ones (text only) and the raw ones.
//
// - `engine`: required.
// - `kind`, `data`: as for `klatsch_engine_tell`.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_tell_all(klatsch_engine_t *engine,
                                       uint32_t kind,
                                       const void *data,
                                       size_t data_length,
                                       klatsch_error_t **out_error);

// Gives a message another text, whoever said it. Is a record of the room's log, by the host's user.
//
// - `engine`: required.
// - `room`, `text`: UTF-8, copied.
// - `offset`: where the message stands.
// - `out_position`: may be NULL. Gets the record's position.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_UNKNOWN_MESSAGE`,
// `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_edit(klatsch_engine_t *engine,
                                   const char *room,
                                   size_t room_length,
                                   uint64_t offset,
                                   const char *text,
                                   size_t text_length,
                                   klatsch_position_t *out_position,
                                   klatsch_error_t **out_error);

// Takes a message away, whoever said it: its text, its data and its reactions. Is a record of the room's log, by the
// host's user.
//
// - `engine`: required.
// - `room`: UTF-8, copied.
// - `offset`: where the message stands.
// - `out_position`: may be NULL. Gets the record's position.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_UNKNOWN_MESSAGE`.
klatsch_code_t klatsch_engine_delete(klatsch_engine_t *engine,
                                     const char *room,
                                     size_t room_length,
                                     uint64_t offset,
                                     klatsch_position_t *out_position,
                                     klatsch_error_t **out_error);

// Puts a message in a room as a user: with their name and colour if they are here, else with the id as the
// name and a colour that follows from it. The room is made if there is none.
//
// - `engine`: required.
// - `room`, `user`, `text`: UTF-8, copied.
// - `out_position`: may be NULL. Gets the message's position.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY_ROOMS`,
// `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_send(klatsch_engine_t *engine,
                                   const char *room,
                                   size_t room_length,
                                   const char *user,
                                   size_t user_length,
                                   const char *text,
                                   size_t text_length,
                                   klatsch_position_t *out_position,
                                   klatsch_error_t **out_error);

// Tells a user something, on all their connections that speak `klatsch.v1`; it stands in no log.
//
// - `engine`: required.
// - `user`, `text`: UTF-8, copied.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_UNKNOWN_USER` (no such connection),
// `KLATSCH_TOO_LONG`, `KLATSCH_BUSY`.
klatsch_code_t klatsch_engine_tell_user(klatsch_engine_t *engine,
                                        const char *user,
                                        size_t user_length,
                                        const char *text,
                                        size_t text_length,
                                        klatsch_error_t **out_error);

// Closes a connection with 1008 (4004 where it speaks klatsch.v1) and a reason.
//
// - `engine`: required.
// - `connection`: a number that an event gave.
// - `reason`: UTF-8, copied, cut to 123 bytes; may be NULL.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_CONNECTION`.
klatsch_code_t klatsch_engine_kick(klatsch_engine_t *engine,
                                   uint64_t connection,
                                   const char *reason,
                                   size_t reason_length,
                                   klatsch_error_t **out_error);

// Lists the rooms, in the order of their names.
//
// - `engine`: required.
// - `out_rooms`: required. Gets a list for `klatsch_rooms_free`.
//
// Fails with `KLATSCH_NOT_RUNNING`.
klatsch_code_t klatsch_engine_rooms(klatsch_engine_t *engine,
                                    klatsch_rooms_t **out_rooms,
                                    klatsch_error_t **out_error);

// Lists a room's members, in the order in which they came.
//
// - `engine`: required.
// - `room`: UTF-8.
// - `out_members`: required. Gets a list for `klatsch_members_free`.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
klatsch_code_t klatsch_engine_members(klatsch_engine_t *engine,
                                      const char *room,
                                      size_t room_length,
                                      klatsch_members_t **out_members,
                                      klatsch_error_t **out_error);

// Counts a room's members.
//
// - `engine`: required.
// - `room`: UTF-8.
// - `out_member_count`: required.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
klatsch_code_t klatsch_engine_member_count(klatsch_engine_t *engine,
                                           const char *room,
                                           size_t room_length,
                                           uint64_t *out_member_count,
                                           klatsch_error_t **out_error);

// Reads a room's newest messages, oldest first.
//
// - `engine`: required.
// - `room`: UTF-8.
// - `before`: only messages before this offset; 0: the newest.
// - `limit`: at most so many.
// - `out_messages`: required. Gets a list for `klatsch_messages_free`.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`.
klatsch_code_t klatsch_engine_history(klatsch_engine_t *engine,
                                      const char *room,
                                      size_t room_length,
                                      uint64_t before,
                                      uint64_t limit,
                                      klatsch_messages_t **out_messages,
                                      klatsch_error_t **out_error);

// Answers a question, now or later.
//
// - `engine`: required.
// - `question`: the number in a `KLATSCH_EVENT_QUESTION`.
// - `verdict`: a `klatsch_verdict_t`.
// - `text`: UTF-8, copied. Required with `KLATSCH_REWRITE`, the new text, and `KLATSCH_ANSWER`, JSON; may be NULL
//   with `KLATSCH_REFUSE`, words for whoever is refused; else not looked at.
// - `admission`: required with `KLATSCH_ALLOW_AS`; else not looked at.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_UNKNOWN_QUESTION` (too late, or answered),
// `KLATSCH_WRONG_VERDICT`, `KLATSCH_BAD_NAME`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_EMPTY_TEXT`, `KLATSCH_TOO_LONG`,
// `KLATSCH_INVALID_ARGUMENT` (also an answer that is no JSON). After the last six the question is still open.
klatsch_code_t klatsch_engine_answer(klatsch_engine_t *engine,
                                     uint64_t question,
                                     uint32_t verdict,
                                     const char *text,
                                     size_t text_length,
                                     const klatsch_admission_t *admission,
                                     klatsch_error_t **out_error);

// Takes over a connected stream socket, TCP or Unix, that speaks plain HTTP. The descriptor is the engine's
// from here on, also when this fails; but not when it fails with `KLATSCH_INVALID_ARGUMENT` or
// `KLATSCH_FORKED`: then it is still the caller's.
//
// - `engine`: required.
// - `descriptor`: an open descriptor.
// - `read`: copied; may be NULL. What was read from the socket already: the beginning of its request, or all
//   of it and more.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_CANNOT_ADOPT` (not a connected stream socket),
// `KLATSCH_TOO_LONG` (`read` is over 64 KiB).
klatsch_code_t klatsch_engine_adopt_fd(klatsch_engine_t *engine,
                                       int descriptor,
                                       const void *read,
                                       size_t read_length,
                                       klatsch_error_t **out_error);

// Puts a user into a room, on all their connections that speak `klatsch.v1`, and lets them into it from now on,
// private or not. The room is made if there is none.
//
// - `engine`: required.
// - `room`, `user`: UTF-8, copied.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY_ROOMS`,
// `KLATSCH_TOO_MANY`.
klatsch_code_t klatsch_engine_join(klatsch_engine_t *engine,
                                   const char *room,
                                   size_t room_length,
                                   const char *user,
                                   size_t user_length,
                                   klatsch_error_t **out_error);

// Takes a user out of a room, which no record tells of; whom `klatsch_engine_join` put there does not come into a
// private one again. A connection of the tutorial's, which has no other room, is closed.
//
// - `engine`: required.
// - `room`, `user`: UTF-8.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_BAD_NAME`.
klatsch_code_t klatsch_engine_leave(klatsch_engine_t *engine,
                                    const char *room,
                                    size_t room_length,
                                    const char *user,
                                    size_t user_length,
                                    klatsch_error_t **out_error);

// Moderates a room: takes somebody out, mutes or bans them, sets roles, topic or slow mode, takes messages away. Each
// is a record of the room's log.
//
// - `engine`: required.
// - `room`: UTF-8.
// - `moderation`: required; copied.
// - `out_position`: may be NULL. Gets the record's position.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_UNKNOWN_ROOM`, `KLATSCH_BAD_NAME`,
// `KLATSCH_UNKNOWN_USER` (to be kicked, and not there), `KLATSCH_TOO_MANY`.
klatsch_code_t klatsch_engine_moderate(klatsch_engine_t *engine,
                                       const char *room,
                                       size_t room_length,
                                       const klatsch_moderation_t *moderation,
                                       klatsch_position_t *out_position,
                                       klatsch_error_t **out_error);

// Sets what is otherwise in a room than in others. The room is made if there is none.
//
// - `engine`: required.
// - `room`: UTF-8, copied.
// - `options`: required; copied.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY_ROOMS`.
klatsch_code_t klatsch_engine_set_room(klatsch_engine_t *engine,
                                       const char *room,
                                       size_t room_length,
                                       const klatsch_room_options_t *options,
                                       klatsch_error_t **out_error);

// Makes a ticket: a token that a client of `klatsch.v1` shows in its `hello`, good once and for its time. Whoever shows
// it is who the admission says; the host is not asked. Hand it over by a way that nobody else hears.
//
// - `engine`: required.
// - `admission`: required; copied.
// - `ttl_ms`: for how many milliseconds it is good.
// - `buffer`: required. Gets the ticket as text, with a NUL behind it.
// - `capacity`: how many bytes `buffer` has: `KLATSCH_TICKET_BYTES` or more.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_BAD_ROOM_NAME`, `KLATSCH_TOO_MANY`; with
// `KLATSCH_INVALID_ARGUMENT` also if `buffer` is too small.
klatsch_code_t klatsch_engine_ticket(klatsch_engine_t *engine,
                                     const klatsch_admission_t *admission,
                                     uint64_t ttl_ms,
                                     char *buffer,
                                     size_t capacity,
                                     klatsch_error_t **out_error);

// Keeps a user out of the engine. Their connections are closed (4002, 1008).
//
// - `engine`: required.
// - `user`: UTF-8, copied.
// - `seconds`: for how long; `KLATSCH_FOR_GOOD`: without an end; 0: ends a ban.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_BAD_NAME`, `KLATSCH_TOO_MANY`.
klatsch_code_t klatsch_engine_ban(klatsch_engine_t *engine,
                                  const char *user,
                                  size_t user_length,
                                  uint64_t seconds,
                                  klatsch_error_t **out_error);

// Keeps an address out of the engine, as `klatsch_engine_ban` does a user.
//
// - `engine`: required.
// - `address`: UTF-8, an IP address without a port.
// - `seconds`: as there.
//
// Fails with `KLATSCH_NOT_RUNNING`, `KLATSCH_TOO_MANY`; with `KLATSCH_INVALID_ARGUMENT` also if it is no address.
klatsch_code_t klatsch_engine_ban_address(klatsch_engine_t *engine,
                                          const char *address,
                                          size_t address_length,
                                          uint64_t seconds,
                                          klatsch_error_t **out_error);

// Counts messages.
//
// - `messages`: may be NULL; then, and for what is no such list, the answer is 0.
size_t klatsch_messages_count(const klatsch_messages_t *messages);

// Gives one message, which lives until the list is freed.
//
// - `messages`: may be NULL.
// - `index`: counted from 0, the oldest first.
//
// Gives NULL if there is no such message.
const klatsch_message_t *klatsch_messages_at(const klatsch_messages_t *messages, size_t index);

// Gives messages back.
//
// - `messages`: may be NULL.
void klatsch_messages_free(klatsch_messages_t *messages);

// Counts members.
//
// - `members`: may be NULL; then, and for what is no such list, the answer is 0.
size_t klatsch_members_count(const klatsch_members_t *members);

// Gives one member, who lives until the list is freed.
//
// - `members`: may be NULL.
// - `index`: counted from 0, in the order in which they came.
//
// Gives NULL if there is no such member.
const klatsch_member_t *klatsch_members_at(const klatsch_members_t *members, size_t index);

// Gives members back.
//
// - `members`: may be NULL.
void klatsch_members_free(klatsch_members_t *members);

// Counts rooms.
//
// - `rooms`: may be NULL; then, and for what is no such list, the answer is 0.
size_t klatsch_rooms_count(const klatsch_rooms_t *rooms);

// Gives one room, which lives until the list is freed.
//
// - `rooms`: may be NULL.
// - `index`: counted from 0, in the order of their names.
//
// Gives NULL if there is no such room.
const klatsch_room_t *klatsch_rooms_at(const klatsch_rooms_t *rooms, size_t index);

// Gives rooms back.
//
// - `rooms`: may be NULL.
void klatsch_rooms_free(klatsch_rooms_t *rooms);

// Reads the figures of the running engine: how many connections, how much waits, which of them read too slowly.
//
// - `engine`: required.
// - `out_stats`: required. A struct of the caller's, whose `size` is set; gets the figures. Whatever else is in it
//   is not looked at, and members that the running library does not have are left as they are.
//
// Fails with `KLATSCH_NOT_RUNNING`; with `KLATSCH_INVALID_ARGUMENT` also when `size` is too small.
klatsch_code_t klatsch_engine_stats(klatsch_engine_t *engine,
                                    klatsch_stats_t *out_stats,
                                    klatsch_error_t **out_error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KLATSCH_H */
