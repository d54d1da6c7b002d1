// Every call that a host makes on a running engine, and what a client and the host then see.
#include "client.h"

static void a_raw_path(klatsch_options_t *options)
{
    OK(klatsch_options_raw(options, KLATSCH_TEXT("/echo"), NULL, 0));
    OK(klatsch_options_host_name(options, KLATSCH_TEXT("Desk")));
    OK(klatsch_options_host_color(options, KLATSCH_TEXT("plum")));
}

static void the_host_speaks_and_looks(klatsch_engine_t *engine, struct record *record, int port)
{
    struct client ann;
    klatsch_position_t first = { 0, 0 }, second = { 0, 0 };
    klatsch_rooms_t *rooms = NULL;
    klatsch_members_t *members = NULL;
    klatsch_messages_t *messages = NULL;
    uint64_t count = 0;
    client_join(&ann, port, "lobby", "Ann");
    uint64_t connection = next_heard(record, KLATSCH_EVENT_NAMED).connection;

    OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("one <b>"), &first, &error));
    client_hears(&ann, "\"text\":\"one &lt;b&gt;\",\"author\":\"Desk\",\"color\":\"plum\"");
    OK(klatsch_engine_send(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("bot"), KLATSCH_TEXT("two"), &second,
                           &error));
    client_hears(&ann, "\"text\":\"two\",\"author\":\"bot\"");
    CHECK(first.offset == 1 && second.offset == 2 && first.epoch == second.epoch && first.epoch > 0);
    OK(klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("to all"), &error));
    client_hears(&ann, "\"text\":\"to all\"");
    OK(klatsch_engine_tell(engine, connection, KLATSCH_PAYLOAD_TEXT, "you", KLATSCH_NUL_TERMINATED, &error));
    client_hears(&ann, "\"text\":\"you\"");
    OK(klatsch_engine_tell_room(engine, KLATSCH_TEXT("lobby"), KLATSCH_PAYLOAD_TEXT, "room", 4, &error));
    client_hears(&ann, "\"text\":\"room\"");
    OK(klatsch_engine_tell_all(engine, KLATSCH_PAYLOAD_TEXT, "all", 3, &error));
    client_hears(&ann, "\"text\":\"all\"");

    OK(klatsch_engine_member_count(engine, KLATSCH_TEXT("lobby"), &count, &error));
    CHECK(count == 1);
    OK(klatsch_engine_rooms(engine, &rooms, &error));
    CHECK(klatsch_rooms_count(rooms) == 1 && klatsch_rooms_at(rooms, 1) == NULL);
    const klatsch_room_t *room = klatsch_rooms_at(rooms, 0);
    CHECK(KLATSCH_HAS(room, klatsch_room_t, name) && strcmp(room->name.bytes, "lobby") == 0);
    CHECK(room->member_count == 1 && room->connection_count == 1 && room->position.offset == 2);
    klatsch_rooms_free(rooms);
    OK(klatsch_engine_members(engine, KLATSCH_TEXT("lobby"), &members, &error));
    CHECK(klatsch_members_count(members) == 1 && klatsch_members_at(members, 1) == NULL);
    const klatsch_member_t *member = klatsch_members_at(members, 0);
    CHECK(strcmp(member->name.bytes, "Ann") == 0 && member->connection == connection);
    CHECK(member->connection_count == 1 && member->user.length > 0 && member->color.length > 0);
    klatsch_members_free(members);
    OK(klatsch_engine_history(engine, KLATSCH_TEXT("lobby"), 0, 10, &messages, &error));
    CHECK(klatsch_messages_count(messages) == 2 && klatsch_messages_at(messages, 2) == NULL);
    const klatsch_message_t *message = klatsch_messages_at(messages, 0);
    CHECK(strcmp(message->text.bytes, "one <b>") == 0 && strcmp(message->user.bytes, "host") == 0);
    CHECK(message->position.offset == 1 && message->at_ms > 1700000000000u);
    klatsch_messages_free(messages);
    OK(klatsch_engine_history(engine, KLATSCH_TEXT("lobby"), 2, 10, &messages, &error));
    CHECK(klatsch_messages_count(messages) == 1);
    klatsch_messages_free(messages);

    OK(klatsch_engine_kick(engine, connection, KLATSCH_TEXT("enough"), &error));
    CHECK(client_closed(&ann) == 1008 && memcmp(ann.frame + 2, "enough", 6) == 0);
    client_close(&ann);
    CHECK(next_heard(record, KLATSCH_EVENT_DISCONNECTED).connection == connection);
    FAILS(KLATSCH_UNKNOWN_CONNECTION, klatsch_engine_kick(engine, connection, NULL, 0, &error));
}

static void the_core_refuses_with_its_own_codes(klatsch_engine_t *engine)
{
    char big[20000];
    klatsch_members_t *members = NULL;
    memset(big, 'x', sizeof big);
    FAILS(KLATSCH_BAD_ROOM_NAME,
          klatsch_engine_broadcast(engine, KLATSCH_TEXT(" x"), KLATSCH_TEXT("t"), NULL, &error));
    FAILS(KLATSCH_EMPTY_TEXT,
          klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("  "), NULL, &error));
    FAILS(KLATSCH_TOO_LONG,
          klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), big, sizeof big, NULL, &error));
    FAILS(KLATSCH_BAD_NAME, klatsch_engine_send(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("host"),
                                                KLATSCH_TEXT("t"), NULL, &error));
    FAILS(KLATSCH_UNKNOWN_ROOM, klatsch_engine_members(engine, KLATSCH_TEXT("nosuch"), &members, &error));
    CHECK(members == NULL);
}

static void raw_connections_get_text_and_bytes_both_ways(klatsch_engine_t *engine, struct record *record, int port)
{
    static const unsigned char bytes[] = { 0, 1, 0xff, 0 };
    struct client raw;
    struct heard heard;
    CHECK(client_open(&raw, port, "/echo?room=field", "") == 101);
    client_send(&raw, FRAME_BINARY, bytes, sizeof bytes);
    heard = next_heard(record, KLATSCH_EVENT_RECEIVED);
    CHECK(heard.payload_kind == KLATSCH_PAYLOAD_BINARY && heard.data_length == sizeof bytes);
    CHECK(memcmp(heard.text, bytes, sizeof bytes) == 0);
    client_say(&raw, "hello");
    heard = next_heard(record, KLATSCH_EVENT_RECEIVED);
    CHECK(heard.payload_kind == KLATSCH_PAYLOAD_TEXT && strcmp(heard.text, "hello") == 0);

    OK(klatsch_engine_tell(engine, heard.connection, KLATSCH_PAYLOAD_BINARY, bytes, sizeof bytes, &error));
    CHECK(client_read(&raw) == FRAME_BINARY && raw.length == sizeof bytes);
    CHECK(memcmp(raw.frame, bytes, sizeof bytes) == 0);
    OK(klatsch_engine_tell(engine, heard.connection, KLATSCH_PAYLOAD_BINARY, NULL, 0, &error));
    CHECK(client_read(&raw) == FRAME_BINARY && raw.length == 0);
    OK(klatsch_engine_tell_room(engine, KLATSCH_TEXT("field"), KLATSCH_PAYLOAD_BINARY, bytes, 1, &error));
    CHECK(client_read(&raw) == FRAME_BINARY && raw.length == 1);
    OK(klatsch_engine_tell_all(engine, KLATSCH_PAYLOAD_TEXT, "all", 3, &error));
    CHECK(client_read(&raw) == FRAME_TEXT && strcmp((char *)raw.frame, "all") == 0);
    client_close(&raw);
}

static void a_connected_socket_is_taken_over(klatsch_engine_t *engine)
{
    struct client ann = { .socket = -1 };
    char request[1024];
    int pair[2], pipes[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int length = request_of(request, sizeof request, 80, "/?room=adopted", "");
    // Half of the request was read already, half comes later.
    OK(klatsch_engine_adopt_fd(engine, pair[1], request, (size_t)length / 2, &error));
    ann.socket = pair[0];
    CHECK(send(ann.socket, request + length / 2, (size_t)(length - length / 2), MSG_NOSIGNAL) > 0);
    CHECK(handshake_status(ann.socket) == 101);
    client_say(&ann, "Ann");
    client_hears(&ann, "\"color\"");
    client_say(&ann, "from a pair");
    client_hears(&ann, "from a pair");
    client_close(&ann);

    CHECK(pipe(pipes) == 0);
    FAILS(KLATSCH_CANNOT_ADOPT, klatsch_engine_adopt_fd(engine, pipes[0], NULL, 0, &error));
    // It was the engine's, and is closed.
    CHECK(close(pipes[0]) == -1);
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(engine, pipes[0], NULL, 0, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(engine, -1, NULL, 0, &error));
    close(pipes[1]);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    klatsch_engine_t *engine = engine_with(a_raw_path);
    struct record *record = record_new();
    size_t count = 9;
    OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    OK(klatsch_engine_addresses(engine, 0, NULL, 0, &count, &error));
    CHECK(count == 0);
    FAILS(KLATSCH_NOT_RUNNING,
          klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("t"), NULL, &error));
    OK(klatsch_engine_start(engine, &error));
    OK(klatsch_engine_addresses(engine, 0, NULL, 0, &count, &error));
    CHECK(count == 1);
    int port = port_of(engine);
    the_host_speaks_and_looks(engine, record, port);
    the_core_refuses_with_its_own_codes(engine);
    raw_connections_get_text_and_bytes_both_ways(engine, record, port);
    a_connected_socket_is_taken_over(engine);
    OK(klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    record_free(record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
