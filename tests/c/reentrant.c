// Inside every kind of callback each function works or answers that it would deadlock; none hangs.
#include "client.h"

static klatsch_engine_t *engine;
static struct record *record;

static void a_raw_path_and_questions(klatsch_options_t *options)
{
    OK(klatsch_options_raw(options, KLATSCH_TEXT("/raw"), NULL, 0));
    OK(klatsch_options_ask_admit(options, true));
    OK(klatsch_options_ask_may_send(options, true));
}

// A call that may fail for its own reasons, but never like this.
#define RETURNS(call) \
    do { \
        uint32_t code = (call); \
        CHECK(code != KLATSCH_INTERNAL && code != KLATSCH_INVALID_ARGUMENT && code != KLATSCH_DEADLOCK); \
        klatsch_error_free(error); \
        error = NULL; \
    } while (0)

static void call_everything(void *user_data, const klatsch_event_t *event)
{
    klatsch_rooms_t *rooms = NULL;
    klatsch_members_t *members = NULL;
    klatsch_messages_t *messages = NULL;
    klatsch_batch_t *batch = NULL;
    klatsch_position_t position;
    klatsch_admission_t admission = { .size = sizeof admission, .name = { KLATSCH_TEXT("u") } };
    klatsch_moderation_t moderation = { .size = sizeof moderation, .act = KLATSCH_MODERATION_CLEAR };
    klatsch_room_options_t room_options = { .size = sizeof room_options, .is_read_only = KLATSCH_NO };
    char ticket[KLATSCH_TICKET_BYTES];
    uint64_t count;
    size_t address_count;
    int fd;
    // What the host says itself is an event too: answer only what comes from elsewhere.
    int is_own = event->kind == KLATSCH_EVENT_MESSAGE && event->connection == 0;
    RETURNS(klatsch_engine_start(engine, &error));
    FAILS(KLATSCH_DEADLOCK, klatsch_engine_stop(engine, 1000, &error));
    FAILS(KLATSCH_DEADLOCK, klatsch_engine_free(engine));
    RETURNS(klatsch_engine_addresses(engine, 0, NULL, 0, &address_count, &error));
    RETURNS(klatsch_engine_on_event(engine, call_everything, NULL, NULL, &error));
    FAILS(KLATSCH_EVENTS_TAKEN, klatsch_engine_event_fd(engine, &fd, &error));
    FAILS(KLATSCH_EVENTS_TAKEN, klatsch_engine_drain(engine, 1, &batch, &error));
    if (!is_own) {
        RETURNS(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("b"), &position, &error));
        RETURNS(klatsch_engine_send(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("bot"), KLATSCH_TEXT("s"),
                                    &position, &error));
        RETURNS(klatsch_engine_edit(engine, KLATSCH_TEXT("lobby"), position.offset, KLATSCH_TEXT("e"), &position,
                                    &error));
    }
    RETURNS(klatsch_engine_delete(engine, KLATSCH_TEXT("lobby"), 1, &position, &error));
    RETURNS(klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("a"), &error));
    RETURNS(klatsch_engine_tell(engine, event->connection, KLATSCH_PAYLOAD_TEXT, "t", 1, &error));
    RETURNS(klatsch_engine_tell_room(engine, KLATSCH_TEXT("lobby"), KLATSCH_PAYLOAD_TEXT, "r", 1, &error));
    RETURNS(klatsch_engine_tell_all(engine, KLATSCH_PAYLOAD_TEXT, "l", 1, &error));
    RETURNS(klatsch_engine_tell_user(engine, KLATSCH_TEXT("u"), KLATSCH_TEXT("t"), &error));
    RETURNS(klatsch_engine_join(engine, KLATSCH_TEXT("den"), KLATSCH_TEXT("u"), &error));
    RETURNS(klatsch_engine_leave(engine, KLATSCH_TEXT("den"), KLATSCH_TEXT("u"), &error));
    RETURNS(klatsch_engine_ban(engine, KLATSCH_TEXT("u"), 0, &error));
    RETURNS(klatsch_engine_ban_address(engine, KLATSCH_TEXT("192.0.2.1"), 0, &error));
    RETURNS(klatsch_engine_set_room(engine, KLATSCH_TEXT("den"), &room_options, &error));
    RETURNS(klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &moderation, NULL, &error));
    RETURNS(klatsch_engine_ticket(engine, &admission, 1, ticket, sizeof ticket, &error));
    RETURNS(klatsch_engine_rooms(engine, &rooms, &error));
    RETURNS(klatsch_engine_members(engine, KLATSCH_TEXT("lobby"), &members, &error));
    RETURNS(klatsch_engine_member_count(engine, KLATSCH_TEXT("lobby"), &count, &error));
    RETURNS(klatsch_engine_history(engine, KLATSCH_TEXT("lobby"), 0, 10, &messages, &error));
    RETURNS(klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW, NULL, 0, NULL, &error));
    if (event->kind == KLATSCH_EVENT_RECEIVED)
        RETURNS(klatsch_engine_kick(engine, event->connection, KLATSCH_TEXT("bye"), &error));
    klatsch_rooms_free(rooms);
    klatsch_members_free(members);
    klatsch_messages_free(messages);
    record_event(user_data, event);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    struct client ann, raw;
    engine = engine_with(a_raw_path_and_questions);
    record = record_new();
    OK(klatsch_engine_on_event(engine, call_everything, record, record_destroy, &error));
    OK(klatsch_engine_start(engine, &error));
    int port = port_of(engine);
    client_join(&ann, port, "lobby", "Ann");
    client_say(&ann, "hello");
    client_hears(&ann, "\"text\":\"hello\"");
    CHECK(client_open(&raw, port, "/raw", "") == 101);
    client_say(&raw, "x");
    CHECK(client_closed(&raw) == 1008);
    client_close(&raw);
    client_close(&ann);
    next_heard(record, KLATSCH_EVENT_LEFT);
    OK(klatsch_engine_free(engine));
    // Nobody writes to somebody who is away here.
    for (uint32_t kind = KLATSCH_EVENT_STARTED; kind <= KLATSCH_EVENT_DISCONNECTED; kind++)
        CHECK(count_heard(record, kind) > 0 || kind == KLATSCH_EVENT_AWAY);
    CHECK(count_heard(record, KLATSCH_EVENT_QUESTION) >= 3 && count_heard(record, KLATSCH_EVENT_STOPPED) == 1);
    CHECK(record->destroyed == 1);
    record_free(record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
