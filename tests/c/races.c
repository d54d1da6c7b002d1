// Threads of the host against each other: any call at any time, stop and start among them, and an engine that
// is freed under the others. The argument is how often each thread calls, default 2000.
#include "client.h"

#include <stdatomic.h>

enum { THREADS = 8 };

static klatsch_engine_t *engine;
static int rounds = 2000;
static atomic_int destroyed, in_callback;

static void on_event(void *user_data, const klatsch_event_t *event)
{
    (void)event;
    CHECK(atomic_fetch_add(&in_callback, 1) == 0);
    CHECK(atomic_load((atomic_int *)user_data) == 0);
    atomic_fetch_sub(&in_callback, 1);
}

static void on_destroy(void *user_data)
{
    atomic_fetch_add((atomic_int *)user_data, 1);
}

static int is_expected(uint32_t code)
{
    switch (code) {
    case KLATSCH_OK:
    case KLATSCH_INVALID_ARGUMENT: // freed meanwhile
    case KLATSCH_NOT_RUNNING:
    case KLATSCH_ALREADY_RUNNING:
    case KLATSCH_EVENTS_TAKEN:
    case KLATSCH_UNKNOWN_ROOM:
    case KLATSCH_UNKNOWN_CONNECTION:
    case KLATSCH_UNKNOWN_USER:
    case KLATSCH_TOO_MANY: // tickets
    case KLATSCH_UNKNOWN_QUESTION:
    case KLATSCH_BUSY:
        return 1;
    default:
        fprintf(stderr, "unexpected: %s\n", klatsch_code_name(code));
        return 0;
    }
}

static uint32_t call(unsigned what)
{
    uint32_t code;
    uint64_t count;
    int fd;
    klatsch_rooms_t *rooms = NULL;
    klatsch_members_t *members = NULL;
    klatsch_messages_t *messages = NULL;
    char ticket[KLATSCH_TICKET_BYTES];
    klatsch_admission_t admission = { .size = sizeof admission, .name = { KLATSCH_TEXT("u") } };
    klatsch_moderation_t moderation = { .size = sizeof moderation, .act = KLATSCH_MODERATION_TOPIC };
    switch (what % 21) {
    case 0: return klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("b"), NULL, &error);
    case 1: return klatsch_engine_send(engine, KLATSCH_TEXT("x"), KLATSCH_TEXT("u"), KLATSCH_TEXT("s"), NULL, &error);
    case 2: return klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("a"), &error);
    case 3: return klatsch_engine_tell(engine, what % 40, KLATSCH_PAYLOAD_TEXT, "t", 1, &error);
    case 4: return klatsch_engine_tell_room(engine, KLATSCH_TEXT("lobby"), KLATSCH_PAYLOAD_TEXT, "r", 1, &error);
    case 5: return klatsch_engine_tell_all(engine, KLATSCH_PAYLOAD_TEXT, "l", 1, &error);
    case 6: return klatsch_engine_kick(engine, what % 40, NULL, 0, &error);
    case 7: return klatsch_engine_member_count(engine, KLATSCH_TEXT("lobby"), &count, &error);
    case 8: return klatsch_engine_answer(engine, what % 40, KLATSCH_ALLOW, NULL, 0, NULL, &error);
    case 9: return klatsch_engine_event_fd(engine, &fd, &error);
    case 10:
        code = klatsch_engine_rooms(engine, &rooms, &error);
        klatsch_rooms_free(rooms);
        return code;
    case 11:
        code = klatsch_engine_members(engine, KLATSCH_TEXT("lobby"), &members, &error);
        klatsch_members_free(members);
        return code;
    case 12:
        code = klatsch_engine_history(engine, KLATSCH_TEXT("lobby"), 0, 20, &messages, &error);
        for (size_t i = 0; i < klatsch_messages_count(messages); i++)
            CHECK(klatsch_messages_at(messages, i)->text.length > 0);
        klatsch_messages_free(messages);
        return code;
    case 13: return klatsch_engine_start(engine, &error);
    case 14: return what % 5 ? KLATSCH_OK : klatsch_engine_stop(engine, what % 3, &error);
    case 15: return klatsch_engine_join(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("u"), &error);
    case 16: return klatsch_engine_leave(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("u"), &error);
    case 17: return klatsch_engine_tell_user(engine, KLATSCH_TEXT("u"), KLATSCH_TEXT("t"), &error);
    case 18: return klatsch_engine_ticket(engine, &admission, 1, ticket, sizeof ticket, &error);
    case 19: return klatsch_engine_moderate(engine, KLATSCH_TEXT("lobby"), &moderation, NULL, &error);
    default: return klatsch_engine_on_event(engine, on_event, NULL, on_destroy, &error);
    }
}

static void *call_at_random(void *seed)
{
    unsigned state = (unsigned)(size_t)seed;
    for (int i = 0; i < rounds; i++) {
        state = state * 1103515245u + 12345u;
        CHECK(is_expected(call(state >> 8)));
        klatsch_error_free(error);
        error = NULL;
    }
    return NULL;
}

static void threads_run(int is_freed_meanwhile)
{
    pthread_t threads[THREADS];
    engine = engine_with(NULL);
    atomic_store(&destroyed, 0);
    OK(klatsch_engine_on_event(engine, on_event, &destroyed, on_destroy, &error));
    OK(klatsch_engine_start(engine, &error));
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_at_random, (void *)(i + 1)) == 0);
    if (is_freed_meanwhile)
        OK(klatsch_engine_free(engine));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (!is_freed_meanwhile)
        OK(klatsch_engine_free(engine));
    CHECK(atomic_load(&destroyed) == 1 && atomic_load(&in_callback) == 0);
}

static atomic_int is_over;

static void *come_and_go(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        char address[KLATSCH_ADDRESS_BYTES];
        if (klatsch_engine_addresses(engine, 0, address, sizeof address, NULL, NULL) != KLATSCH_OK)
            continue;
        struct sockaddr_in to = { .sin_family = AF_INET };
        char request[1024];
        int port = atoi(strrchr(address, ':') + 1), fd = socket(AF_INET, SOCK_STREAM, 0);
        to.sin_port = htons((uint16_t)port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
            int length = request_of(request, sizeof request, port, "/", "");
            send(fd, request, (size_t)length, MSG_NOSIGNAL);
            send(fd, "\x81\x83\0\0\0\0Ann\x81\x82\0\0\0\0hi", 17, MSG_NOSIGNAL);
            recv(fd, request, sizeof request, 0);
        }
        close(fd);
    }
    return NULL;
}

// The user's data is freed right after each engine: a callback that came later would use it.
static void start_and_stop_under_traffic(void)
{
    pthread_t traffic;
    for (int i = 0; i < rounds / 20; i++) {
        struct record *record = record_new();
        engine = engine_with(NULL);
        OK(klatsch_engine_on_event(engine, record_event, record, NULL, &error));
        OK(klatsch_engine_start(engine, &error));
        atomic_store(&is_over, 0);
        CHECK(pthread_create(&traffic, NULL, come_and_go, NULL) == 0);
        next_heard(record, KLATSCH_EVENT_CONNECTED);
        OK(klatsch_engine_stop(engine, (unsigned)i % 3, &error));
        size_t count = record->count;
        atomic_store(&is_over, 1);
        pthread_join(traffic, NULL);
        CHECK(record->count == count && record->heard[count - 1].kind == KLATSCH_EVENT_STOPPED);
        OK(klatsch_engine_free(engine));
        record_free(record);
    }
}

int main(int argc, char **argv)
{
    alarm(4 * DEADLINE_SECONDS);
    if (argc > 1)
        rounds = atoi(argv[1]);
    threads_run(0);
    threads_run(1);
    start_and_stop_under_traffic();
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
