// A host that is driven by lines, so that one list of scenarios can run through the C door.
//
// One command a line on stdin, fields separated by tabs, `\\ \t \n` written \\ \t \n inside fields. Each is
// answered by one line on stdout, in order: `ok ...` or `error CODE_NAME WORDS`. Events come in between, as
// they happen, as lines that begin with `event`. The commands are in COMMANDS below.
#define _GNU_SOURCE
#include <inttypes.h>
#include <klatsch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 12, MAX_ROOMS = 8 };

static klatsch_options_t *options;
static klatsch_engine_t *engine;
static klatsch_error_t *error;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

// --- lines out: under the lock, from `begin` to `end`

static void begin(const char *first)
{
    pthread_mutex_lock(&output);
    fputs(first, stdout);
}

static void end(void)
{
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void put_bytes(const char *bytes, size_t length)
{
    putchar('\t');
    for (size_t i = 0; i < length; i++) {
        switch (bytes[i]) {
        case '\\': fputs("\\\\", stdout); break;
        case '\t': fputs("\\t", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        default: putchar(bytes[i]);
        }
    }
}

static void put(klatsch_text_t text)
{
    put_bytes(text.bytes, text.length);
}

static void put_number(uint64_t number)
{
    printf("\t%" PRIu64, number);
}

// A connection, or an empty field where there is none.
static void put_connection(uint64_t connection)
{
    if (connection)
        put_number(connection);
    else
        putchar('\t');
}

static void put_name(const char *name)
{
    put_bytes(name, strlen(name));
}

static void put_payload(uint32_t kind, const uint8_t *data, size_t length)
{
    if (kind == KLATSCH_PAYLOAD_TEXT) {
        put_name("text");
        put_bytes((const char *)data, length);
    } else {
        put_name("binary");
        putchar('\t');
        for (size_t i = 0; i < length; i++)
            printf("%02x", data[i]);
    }
}

static const char *dialect_name(uint32_t dialect)
{
    static const char *const names[] = {"", "tutorial", "raw", "v1"};
    return dialect < sizeof names / sizeof *names ? names[dialect] : "";
}

static void put_question(const klatsch_event_t *event)
{
    static const char *const names[] = {"", "admit", "may_send", "may_join", "call"};
    put_name(event->subject < sizeof names / sizeof *names ? names[event->subject] : "");
    put_number(event->connection);
    switch (event->subject) {
    case KLATSCH_SUBJECT_ADMIT:
        put_name(dialect_name(event->dialect));
        put(event->room);
        put(event->path);
        put(event->name);
        put(event->token);
        break;
    case KLATSCH_SUBJECT_CALL:
        put(event->user);
        put(event->name);
        put(event->method);
        put_bytes((const char *)event->data, event->data_length);
        break;
    default:
        put(event->room);
        put(event->user);
        put(event->name);
        if (event->subject == KLATSCH_SUBJECT_MAY_SEND)
            put(event->text);
    }
}

static void put_event(const klatsch_event_t *event)
{
    switch (event->kind) {
    case KLATSCH_EVENT_STARTED:
        put_name("started");
        for (size_t i = 0; i < event->address_count; i++)
            put(event->addresses[i]);
        break;
    case KLATSCH_EVENT_CONNECTED:
        put_name("connected");
        put_number(event->connection);
        put_name(dialect_name(event->dialect));
        put(event->room);
        put(event->path);
        break;
    case KLATSCH_EVENT_NAMED:
        put_name("named");
        put_number(event->connection);
        put(event->user);
        put(event->name);
        put(event->color);
        break;
    case KLATSCH_EVENT_JOINED:
    case KLATSCH_EVENT_LEFT:
        put_name(event->kind == KLATSCH_EVENT_JOINED ? "joined" : "left");
        put(event->room);
        put_number(event->connection);
        put(event->user);
        put(event->name);
        put_number(event->member_count);
        break;
    case KLATSCH_EVENT_MESSAGE:
        put_name("message");
        put_connection(event->connection);
        put(event->room);
        put_number(event->position.offset);
        put(event->user);
        put(event->name);
        put(event->text);
        break;
    case KLATSCH_EVENT_AWAY:
        put_name("away");
        put(event->user);
        put(event->message->name);
        put(event->text);
        break;
    case KLATSCH_EVENT_RECEIVED:
        put_name("received");
        put_number(event->connection);
        put_payload(event->payload_kind, event->data, event->data_length);
        break;
    case KLATSCH_EVENT_DISCONNECTED:
        put_name("disconnected");
        put_number(event->connection);
        put_number(event->close_code);
        put(event->reason);
        break;
    case KLATSCH_EVENT_REFUSED:
        put_name("refused");
        put_connection(event->connection);
        put_name(klatsch_code_name(event->code));
        break;
    case KLATSCH_EVENT_QUESTION:
        put_name("question");
        put_number(event->question);
        put_question(event);
        break;
    case KLATSCH_EVENT_RECEIPT:
        put_name("receipt");
        put(event->room);
        put_number(event->position.offset);
        put_number(event->connection_count);
        put_number(event->sent_count);
        put_number(event->queued_count);
        put_number(event->lagging_count);
        break;
    case KLATSCH_EVENT_MISSED:
        put_name("missed");
        put_number(event->missed_count);
        break;
    case KLATSCH_EVENT_DEGRADED:
    case KLATSCH_EVENT_ERROR:
        put_name(event->kind == KLATSCH_EVENT_ERROR ? "error" : "degraded");
        put_name(klatsch_code_name(event->code));
        break;
    case KLATSCH_EVENT_STOPPED:
        put_name("stopped");
        break;
    }
}

static void on_event(void *user_data, const klatsch_event_t *event)
{
    (void)user_data;
    begin("event");
    put_event(event);
    end();
}

// --- commands: each gets its fields, and begins and ends its reply

static void reply(klatsch_code_t code)
{
    if (code == KLATSCH_OK) {
        begin("ok");
    } else {
        begin("error");
        put_name(klatsch_code_name(code));
        put_name(klatsch_error_message(error));
        klatsch_error_free(error);
        error = NULL;
    }
}

static void reply_position(klatsch_code_t code, klatsch_position_t position)
{
    reply(code);
    if (code == KLATSCH_OK)
        put_number(position.offset);
    end();
}

static void just_reply(klatsch_code_t code)
{
    reply(code);
    end();
}

#define TEXT(field) (field), KLATSCH_NUL_TERMINATED

static uint64_t number(const char *field)
{
    return strtoull(field, NULL, 10);
}

// Turns hexadecimal digits into bytes, in place; gives how many.
static size_t unhex(char *field)
{
    size_t length = strlen(field) / 2;
    for (size_t i = 0; i < length; i++) {
        char digits[3] = { field[2 * i], field[2 * i + 1], '\0' };
        field[i] = (char)strtoul(digits, NULL, 16);
    }
    return length;
}

static uint32_t payload(char **kind_and_data, size_t *length)
{
    if (strcmp(kind_and_data[0], "binary") == 0) {
        *length = unhex(kind_and_data[1]);
        return KLATSCH_PAYLOAD_BINARY;
    }
    *length = KLATSCH_NUL_TERMINATED;
    return KLATSCH_PAYLOAD_TEXT;
}

static void do_option(char **field)
{
    static const struct {
        const char *name;
        klatsch_code_t (*set)(klatsch_options_t *, bool);
    } BOOLS[] = {
        { "adopt_only", klatsch_options_adopt_only }, { "tutorial", klatsch_options_tutorial },
        { "page", klatsch_options_page }, { "require_origin", klatsch_options_require_origin },
        { "restarts", klatsch_options_restarts },
        { "deflate", klatsch_options_deflate }, { "ask_admit", klatsch_options_ask_admit }, { "ask_may_send", klatsch_options_ask_may_send },
        { "ask_may_join", klatsch_options_ask_may_join }, { "ask_call", klatsch_options_ask_call },
        { "repeat_given_names", klatsch_options_repeat_given_names }, { "v1", klatsch_options_v1 },
        { "receipts", klatsch_options_receipts },
    };
    static const struct {
        const char *name;
        klatsch_code_t (*set)(klatsch_options_t *, const char *, size_t);
    } TEXTS[] = {
        { "listen", klatsch_options_listen }, { "path", klatsch_options_path },
        { "allow_origin", klatsch_options_allow_origin }, { "allow_host", klatsch_options_allow_host },
        { "trusted_proxy", klatsch_options_trusted_proxy }, { "host_name", klatsch_options_host_name }, { "host_color", klatsch_options_host_color },
        { "reserve_name", klatsch_options_reserve_name }, { "limits", klatsch_options_limits },
    };
    if (!options)
        options = klatsch_options_new();
    for (size_t i = 0; i < sizeof BOOLS / sizeof *BOOLS; i++) {
        if (strcmp(field[0], BOOLS[i].name) == 0) {
            just_reply(BOOLS[i].set(options, strcmp(field[1], "true") == 0));
            return;
        }
    }
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (strcmp(field[0], TEXTS[i].name) == 0) {
            just_reply(TEXTS[i].set(options, TEXT(field[1])));
            return;
        }
    }
    if (strcmp(field[0], "raw") == 0)
        just_reply(klatsch_options_raw(options, TEXT(field[1]), TEXT(field[2])));
    else
        just_reply(klatsch_options_set_number(options, TEXT(field[0]), number(field[1])));
}

static void do_new(char **field)
{
    (void)field;
    if (!options)
        options = klatsch_options_new();
    klatsch_engine_free(engine);
    engine = NULL;
    klatsch_code_t code = klatsch_engine_new(options, &engine, &error);
    if (code == KLATSCH_OK)
        code = klatsch_engine_on_event(engine, on_event, NULL, NULL, &error);
    klatsch_options_free(options);
    options = NULL;
    just_reply(code);
}

static void do_start(char **field)
{
    (void)field;
    size_t count = 0;
    klatsch_code_t code = klatsch_engine_start(engine, &error);
    reply(code);
    if (code == KLATSCH_OK)
        klatsch_engine_addresses(engine, 0, NULL, 0, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        char address[KLATSCH_ADDRESS_BYTES];
        if (klatsch_engine_addresses(engine, i, address, sizeof address, NULL, NULL) == KLATSCH_OK)
            put_name(address);
    }
    end();
}

static void do_stop(char **field)
{
    just_reply(klatsch_engine_stop(engine, number(field[0]), &error));
}

static void do_broadcast(char **field)
{
    klatsch_position_t position = { 0, 0 };
    klatsch_code_t code = klatsch_engine_broadcast(engine, TEXT(field[0]), TEXT(field[1]), &position, &error);
    reply_position(code, position);
}

static void do_broadcast_all(char **field)
{
    just_reply(klatsch_engine_broadcast_all(engine, TEXT(field[0]), &error));
}

static void do_tell(char **field)
{
    size_t length;
    uint32_t kind = payload(field + 1, &length);
    just_reply(klatsch_engine_tell(engine, number(field[0]), kind, field[2], length, &error));
}

static void do_tell_room(char **field)
{
    size_t length;
    uint32_t kind = payload(field + 1, &length);
    just_reply(klatsch_engine_tell_room(engine, TEXT(field[0]), kind, field[2], length, &error));
}

static void do_tell_all(char **field)
{
    size_t length;
    uint32_t kind = payload(field, &length);
    just_reply(klatsch_engine_tell_all(engine, kind, field[1], length, &error));
}

static void do_send(char **field)
{
    klatsch_position_t position = { 0, 0 };
    klatsch_code_t code =
        klatsch_engine_send(engine, TEXT(field[0]), TEXT(field[1]), TEXT(field[2]), &position, &error);
    reply_position(code, position);
}

static void do_edit(char **field)
{
    klatsch_position_t position = { 0, 0 };
    klatsch_code_t code =
        klatsch_engine_edit(engine, TEXT(field[0]), number(field[1]), TEXT(field[2]), &position, &error);
    reply_position(code, position);
}

static void do_delete(char **field)
{
    klatsch_position_t position = { 0, 0 };
    klatsch_code_t code = klatsch_engine_delete(engine, TEXT(field[0]), number(field[1]), &position, &error);
    reply_position(code, position);
}

static void do_kick(char **field)
{
    just_reply(klatsch_engine_kick(engine, number(field[0]), TEXT(field[1]), &error));
}

#include "host_people.h"

static void do_rooms(char **field)
{
    (void)field;
    klatsch_rooms_t *rooms = NULL;
    reply(klatsch_engine_rooms(engine, &rooms, &error));
    for (size_t i = 0; i < klatsch_rooms_count(rooms); i++) {
        const klatsch_room_t *room = klatsch_rooms_at(rooms, i);
        put(room->name);
        put_number(room->member_count);
        put_number(room->position.offset);
    }
    end();
    klatsch_rooms_free(rooms);
}

static void do_members(char **field)
{
    klatsch_members_t *members = NULL;
    reply(klatsch_engine_members(engine, TEXT(field[0]), &members, &error));
    for (size_t i = 0; i < klatsch_members_count(members); i++) {
        const klatsch_member_t *member = klatsch_members_at(members, i);
        put(member->user);
        put(member->name);
        put(member->color);
        put_number(member->connection_count);
    }
    end();
    klatsch_members_free(members);
}

static void do_member_count(char **field)
{
    uint64_t count = 0;
    klatsch_code_t code = klatsch_engine_member_count(engine, TEXT(field[0]), &count, &error);
    reply(code);
    if (code == KLATSCH_OK)
        put_number(count);
    end();
}

static void do_history(char **field)
{
    klatsch_messages_t *messages = NULL;
    reply(klatsch_engine_history(engine, TEXT(field[0]), number(field[1]), number(field[2]), &messages, &error));
    for (size_t i = 0; i < klatsch_messages_count(messages); i++) {
        const klatsch_message_t *message = klatsch_messages_at(messages, i);
        put_number(message->position.offset);
        put(message->name);
        put(message->text);
    }
    end();
    klatsch_messages_free(messages);
}

static void do_stats(char **field)
{
    (void)field;
    klatsch_stats_t stats = { .size = sizeof stats };
    klatsch_code_t code = klatsch_engine_stats(engine, &stats, &error);
    reply(code);
    if (code == KLATSCH_OK) {
        put_number(stats.connection_count);
        put_number(stats.handshake_count);
        put_number(stats.lagging_count);
        put_number(stats.room_count);
    }
    end();
}

static void do_answer(char **field)
{
    uint32_t verdict = 0;
    const char *text = field[2];
    klatsch_text_t rooms[MAX_ROOMS];
    klatsch_admission_t admission = { .size = sizeof admission };
    if (strcmp(field[1], "allow") == 0)
        verdict = KLATSCH_ALLOW;
    if (strcmp(field[1], "rewrite") == 0)
        verdict = KLATSCH_REWRITE;
    if (strcmp(field[1], "answer") == 0)
        verdict = KLATSCH_ANSWER;
    if (strcmp(field[1], "refuse") == 0)
        verdict = KLATSCH_REFUSE;
    if (strcmp(field[1], "allow_as") == 0) {
        verdict = KLATSCH_ALLOW_AS;
        admission = admission_of(field + 2, rooms);
    }
    just_reply(klatsch_engine_answer(engine, number(field[0]), verdict, TEXT(text), &admission, &error));
}

static const struct {
    const char *name;
    int field_count; // at least so many
    void (*run)(char **field);
} COMMANDS[] = {
    { "option", 2, do_option },           // NAME VALUE; raw PATH SUBPROTOCOL
    { "new", 0, do_new },                 //
    { "start", 0, do_start },             // ok ADDRESS...
    { "stop", 1, do_stop },               // GRACE_MS
    { "broadcast", 2, do_broadcast },     // ROOM TEXT: ok OFFSET
    { "broadcast_all", 1, do_broadcast_all }, // TEXT
    { "tell", 3, do_tell },               // CONNECTION text|binary DATA, binary in hexadecimal digits
    { "tell_room", 3, do_tell_room },     // ROOM text|binary DATA
    { "tell_all", 2, do_tell_all },       // text|binary DATA
    { "send", 3, do_send },               // ROOM USER TEXT: ok OFFSET
    { "edit", 3, do_edit },               // ROOM OFFSET TEXT: ok OFFSET
    { "delete", 2, do_delete },           // ROOM OFFSET: ok OFFSET
    { "kick", 2, do_kick },               // CONNECTION REASON
    { "tell_user", 2, do_tell_user },     // USER TEXT
    { "moderate", 4, do_moderate },       // ROOM ACT USER VALUE: ok OFFSET
    { "join", 2, do_join },               // ROOM USER
    { "leave", 2, do_leave },             // ROOM USER
    { "set_room", 5, do_set_room },       // ROOM PRIVATE READ_ONLY MAX_MEMBER_COUNT HISTORY_KEPT
    { "ticket", 6, do_ticket },           // TTL_MS USER NAME ROLE ROOMS EXPIRES_AT_MS: ok TICKET
    { "ban", 2, do_ban },                 // USER SECONDS
    { "ban_address", 2, do_ban_address }, // ADDRESS SECONDS
    { "rooms", 0, do_rooms },             // ok (NAME MEMBER_COUNT OFFSET)...
    { "members", 1, do_members },         // ROOM: ok (USER NAME COLOR CONNECTION_COUNT)...
    { "member_count", 1, do_member_count }, // ROOM: ok COUNT
    { "history", 3, do_history },         // ROOM BEFORE LIMIT: ok (OFFSET NAME TEXT)...
    { "stats", 0, do_stats },             // ok CONNECTION_COUNT HANDSHAKE_COUNT LAGGING_COUNT ROOM_COUNT
    { "answer", 2, do_answer },           // QUESTION allow | allow_as ADMISSION | rewrite TEXT | answer JSON | refuse REASON
};

// Splits a line at its tabs and takes the escapes out of each field, in place. Missing fields are empty.
static int split(char *line, char **field)
{
    static char empty[1];
    int count = 0;
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < MAX_FIELDS; i++)
        field[i] = empty;
    for (char *rest = line; rest && count < MAX_FIELDS;) {
        char *from = strsep(&rest, "\t"), *to = from;
        field[count++] = from;
        for (; *from; from++) {
            if (*from == '\\' && from[1]) {
                from++;
                *to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' : *from;
            } else {
                *to++ = *from;
            }
        }
        *to = '\0';
    }
    return count;
}

static void run(char *line)
{
    char *field[MAX_FIELDS];
    int count = split(line, field);
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (strcmp(field[0], COMMANDS[i].name) == 0 && count > COMMANDS[i].field_count) {
            COMMANDS[i].run(field + 1);
            return;
        }
    }
    begin("error");
    put_name("invalid_argument");
    put_name("no such command, or too few fields");
    end();
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0 && strcmp(line, "quit\n") != 0)
        run(line);
    free(line);
    klatsch_options_free(options);
    klatsch_engine_free(engine);
    klatsch_error_free(error);
    return klatsch_handle_count() == 0 ? 0 : 1;
}
