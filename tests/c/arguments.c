// Bad arguments: every function, every parameter. A refusal with the code that the header says, and nothing
// is read past a length.
#include "client.h"

#include <stdint.h>
#include <sys/mman.h>

struct bad_text {
    const char *bytes;
    size_t length;
    uint32_t code;
};

static const struct bad_text BAD_TEXTS[] = {
    { NULL, 0, KLATSCH_INVALID_ARGUMENT },
    { NULL, 3, KLATSCH_INVALID_ARGUMENT },
    { NULL, KLATSCH_NUL_TERMINATED, KLATSCH_INVALID_ARGUMENT },
    { "x", KLATSCH_NUL_TERMINATED - 1, KLATSCH_INVALID_ARGUMENT },
    { "x", (size_t)PTRDIFF_MAX + 1, KLATSCH_INVALID_ARGUMENT },
    { "\xff", 1, KLATSCH_INVALID_UTF8 },
    { "ab\xc3", 3, KLATSCH_INVALID_UTF8 },
    { "\xed\xa0\x80", KLATSCH_NUL_TERMINATED, KLATSCH_INVALID_UTF8 },
};
enum { BAD_TEXT_COUNT = sizeof BAD_TEXTS / sizeof *BAD_TEXTS };

// Runs a call with each bad text as T, L. A text that may be NULL passes over the first three.
#define FOR_TEXTS_FROM(first, call) \
    for (size_t i = first; i < BAD_TEXT_COUNT; i++) { \
        const char *T = BAD_TEXTS[i].bytes; \
        size_t L = BAD_TEXTS[i].length; \
        FAILS(BAD_TEXTS[i].code, call); \
    }
#define FOR_TEXTS(call) FOR_TEXTS_FROM(0, call)
#define FOR_OPTIONAL_TEXTS(call) FOR_TEXTS_FROM(3, call)

// Runs a call with everything that is no handle of its type as H.
#define FOR_HANDLES(type, call) \
    for (size_t i = 0; i < bad_handle_count; i++) { \
        type *H = (type *)(uintptr_t)bad_handles[i]; \
        call; \
    }

static void *bad_handles[8];
static size_t bad_handle_count;

#define X "x", 1

static void options_refuse_what_are_no_options(void)
{
    FOR_HANDLES(klatsch_options_t, {
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_listen(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_adopt_only(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_tls_files(H, X, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_tls_pem(H, X, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_path(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_raw(H, X, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_tutorial(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_page(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_allow_origin(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_allow_host(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_trusted_proxy(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_require_origin(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_ask_admit(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_ask_may_send(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_receipts(H, true));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_host_name(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_host_color(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_reserve_name(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_limits(H, X));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_set_number(H, X, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_history(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_history_kept(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_history_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_heartbeat_interval_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_heartbeat_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_handshake_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_close_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_write_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_question_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_question_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_event_queue_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_event_queue_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_message_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_text_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_fragment_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_assembly_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_connection_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_address_connection_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_handshake_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_max_room_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_message_rate(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_message_burst(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_control_rate(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_control_burst(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_shard_count(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_deflate_min_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_lag_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_lag_timeout_ms(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_outbox_bytes(H, 1));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_options_memory_bytes(H, 1));
        klatsch_options_free(H);
    })
}

static void an_engine_refuses_what_is_no_engine(void)
{
    uint64_t count = 0;
    int fd = 0;
    klatsch_batch_t *batch = NULL;
    klatsch_rooms_t *rooms = NULL;
    klatsch_members_t *members = NULL;
    klatsch_messages_t *messages = NULL;
    klatsch_engine_t *made = NULL;
    klatsch_stats_t stats = { .size = sizeof stats, .room_count = 77 };
    FOR_HANDLES(klatsch_engine_t, {
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_start(H, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_stop(H, 0, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_reload_tls(H, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_addresses(H, 0, NULL, 0, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_on_event(H, record_event, NULL, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_event_fd(H, &fd, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_drain(H, 1, &batch, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_broadcast(H, X, X, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_broadcast_all(H, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell(H, 1, KLATSCH_PAYLOAD_TEXT, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell_room(H, X, KLATSCH_PAYLOAD_TEXT, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell_all(H, KLATSCH_PAYLOAD_TEXT, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_send(H, X, X, X, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_edit(H, X, 1, X, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_delete(H, X, 1, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_kick(H, 1, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell_user(H, X, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_join(H, X, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_leave(H, X, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_moderate(H, X, NULL, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_set_room(H, X, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(H, NULL, 1, NULL, 0, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ban(H, X, 1, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ban_address(H, KLATSCH_TEXT("::1"), 1, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_rooms(H, &rooms, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_members(H, X, &members, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_member_count(H, X, &count, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_history(H, X, 0, 1, &messages, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_stats(H, &stats, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_answer(H, 1, KLATSCH_ALLOW, X, NULL, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(H, 0, NULL, 0, &error));
        FAILS(H ? KLATSCH_INVALID_ARGUMENT : KLATSCH_OK, klatsch_engine_free(H));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_new((klatsch_options_t *)H, &made, &error));
    })
    CHECK(!batch && !rooms && !members && !messages && !made && stats.room_count == 77);
}

static void lists_and_errors_that_are_none_are_empty(void)
{
    FOR_HANDLES(klatsch_batch_t, {
        CHECK(klatsch_batch_count(H) == 0 && klatsch_batch_at(H, 0) == NULL);
        klatsch_batch_free(H);
    })
    FOR_HANDLES(klatsch_rooms_t, {
        CHECK(klatsch_rooms_count(H) == 0 && klatsch_rooms_at(H, 0) == NULL);
        klatsch_rooms_free(H);
    })
    FOR_HANDLES(klatsch_members_t, {
        CHECK(klatsch_members_count(H) == 0 && klatsch_members_at(H, SIZE_MAX) == NULL);
        klatsch_members_free(H);
    })
    FOR_HANDLES(klatsch_messages_t, {
        CHECK(klatsch_messages_count(H) == 0 && klatsch_messages_at(H, 0) == NULL);
        klatsch_messages_free(H);
    })
    FOR_HANDLES(klatsch_error_t, {
        CHECK(klatsch_error_code(H) == KLATSCH_OK && strcmp(klatsch_error_message(H), "") == 0);
        klatsch_error_free(H);
    })
    CHECK(klatsch_code_name(999999) == NULL && klatsch_code_meaning(1) == NULL);
    CHECK(klatsch_event_header(NULL, X) == NULL);
    CHECK(strchr(klatsch_version(), '.'));
}

static void options_refuse_bad_text_and_remember_the_first_failure(klatsch_options_t *options)
{
    klatsch_engine_t *engine = NULL;
    FOR_TEXTS(klatsch_options_listen(options, T, L));
    FOR_TEXTS(klatsch_options_tls_files(options, T, L, X));
    FOR_TEXTS(klatsch_options_tls_files(options, X, T, L));
    FOR_TEXTS(klatsch_options_tls_pem(options, T, L, X));
    FOR_TEXTS(klatsch_options_tls_pem(options, X, T, L));
    FOR_TEXTS(klatsch_options_path(options, T, L));
    FOR_TEXTS(klatsch_options_raw(options, T, L, NULL, 0));
    FOR_OPTIONAL_TEXTS(klatsch_options_raw(options, X, T, L));
    FOR_TEXTS(klatsch_options_allow_origin(options, T, L));
    FOR_TEXTS(klatsch_options_allow_host(options, T, L));
    FOR_TEXTS(klatsch_options_trusted_proxy(options, T, L));
    FOR_TEXTS(klatsch_options_host_name(options, T, L));
    FOR_TEXTS(klatsch_options_host_color(options, T, L));
    FOR_TEXTS(klatsch_options_reserve_name(options, T, L));
    FOR_TEXTS(klatsch_options_limits(options, T, L));
    FOR_TEXTS(klatsch_options_set_number(options, T, L, 1));
    FAILS(KLATSCH_INVALID_OPTION, klatsch_options_limits(options, KLATSCH_TEXT("none")));
    FAILS(KLATSCH_INVALID_OPTION, klatsch_options_set_number(options, KLATSCH_TEXT("nosuch"), 1));
    CHECK(klatsch_engine_new(options, &engine, &error) == KLATSCH_INVALID_ARGUMENT);
    CHECK(strcmp(klatsch_error_message(error), "address is NULL") == 0);
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_error_code(error));
}

static void values_are_checked_when_the_engine_is_made(void)
{
    klatsch_engine_t *engine = NULL;
    klatsch_options_t *options = klatsch_options_new();
    OK(klatsch_options_history(options, UINT64_MAX));
    CHECK(klatsch_engine_new(options, &engine, &error) == KLATSCH_INVALID_OPTION && !engine);
    CHECK(strstr(klatsch_error_message(error), "history"));
    klatsch_error_free(error);
    error = NULL;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_new(options, NULL, &error));
    klatsch_options_free(options);
}

static void a_running_engine_refuses_bad_arguments(klatsch_engine_t *engine)
{
    static char places[64];
    uint64_t count = 0;
    char buffer[KLATSCH_ADDRESS_BYTES];
    klatsch_members_t *members = NULL;
    klatsch_messages_t *messages = NULL;
    klatsch_position_t position = { 77, 77 };
    void *misaligned = (void *)((uintptr_t)(places + 8) / 8 * 8 + 1);

    FOR_TEXTS(klatsch_engine_broadcast(engine, T, L, X, &position, &error));
    FOR_TEXTS(klatsch_engine_broadcast(engine, X, T, L, &position, &error));
    FOR_TEXTS(klatsch_engine_broadcast_all(engine, T, L, &error));
    FOR_TEXTS(klatsch_engine_tell(engine, 1, KLATSCH_PAYLOAD_TEXT, T, L, &error));
    FOR_TEXTS(klatsch_engine_tell_room(engine, T, L, KLATSCH_PAYLOAD_TEXT, X, &error));
    FOR_TEXTS(klatsch_engine_tell_room(engine, X, KLATSCH_PAYLOAD_TEXT, T, L, &error));
    FOR_TEXTS(klatsch_engine_tell_all(engine, KLATSCH_PAYLOAD_TEXT, T, L, &error));
    FOR_TEXTS(klatsch_engine_send(engine, T, L, X, X, &position, &error));
    FOR_TEXTS(klatsch_engine_send(engine, X, T, L, X, &position, &error));
    FOR_TEXTS(klatsch_engine_send(engine, X, X, T, L, &position, &error));
    FOR_TEXTS(klatsch_engine_edit(engine, T, L, 1, X, &position, &error));
    FOR_TEXTS(klatsch_engine_edit(engine, X, 1, T, L, &position, &error));
    FOR_TEXTS(klatsch_engine_delete(engine, T, L, 1, &position, &error));
    FOR_OPTIONAL_TEXTS(klatsch_engine_kick(engine, 1, T, L, &error));
    FOR_TEXTS(klatsch_engine_members(engine, T, L, &members, &error));
    FOR_TEXTS(klatsch_engine_member_count(engine, T, L, &count, &error));
    FOR_TEXTS(klatsch_engine_history(engine, T, L, 0, 1, &messages, &error));
    FOR_TEXTS(klatsch_engine_answer(engine, 1, KLATSCH_REWRITE, T, L, NULL, &error));
    FOR_TEXTS(klatsch_engine_answer(engine, 1, KLATSCH_ANSWER, T, L, NULL, &error));
    FOR_OPTIONAL_TEXTS(klatsch_engine_answer(engine, 1, KLATSCH_REFUSE, T, L, NULL, &error));
    FOR_TEXTS(klatsch_engine_tell_user(engine, T, L, X, &error));
    FOR_TEXTS(klatsch_engine_tell_user(engine, X, T, L, &error));
    FOR_TEXTS(klatsch_engine_join(engine, T, L, X, &error));
    FOR_TEXTS(klatsch_engine_join(engine, X, T, L, &error));
    FOR_TEXTS(klatsch_engine_leave(engine, T, L, X, &error));
    FOR_TEXTS(klatsch_engine_leave(engine, X, T, L, &error));
    FOR_TEXTS(klatsch_engine_ban(engine, T, L, 1, &error));
    FOR_TEXTS(klatsch_engine_ban_address(engine, T, L, 1, &error));
    CHECK(position.epoch == 77 && position.offset == 77 && !members && !messages);

    for (uint32_t kind = 0; kind < 5; kind++) {
        if (kind == KLATSCH_PAYLOAD_TEXT || kind == KLATSCH_PAYLOAD_BINARY)
            continue;
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell(engine, 1, kind, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell_room(engine, X, kind, X, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell_all(engine, kind, X, &error));
    }
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell(engine, 1, KLATSCH_PAYLOAD_BINARY, NULL, 1, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_tell(engine, 1, KLATSCH_PAYLOAD_BINARY, "x", SIZE_MAX, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_answer(engine, 1, 0, X, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_answer(engine, 1, UINT32_MAX, X, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(engine, 0, "x", SIZE_MAX, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(engine, INT32_MIN, NULL, 0, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_adopt_fd(engine, INT32_MAX, NULL, 0, &error));

    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_broadcast(engine, X, X, misaligned, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_send(engine, X, X, X, misaligned, &error));
    for (int i = 0; i < 2; i++) {
        void *place = i ? misaligned : NULL;
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_new((void *)engine, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_event_fd(engine, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_drain(engine, 1, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_rooms(engine, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_members(engine, X, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_member_count(engine, X, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_history(engine, X, 0, 1, place, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_stats(engine, place, &error));
        // No place for an error is no failure of its own.
        CHECK(klatsch_engine_broadcast_all(engine, NULL, 0, place) == KLATSCH_INVALID_ARGUMENT);
    }
    CHECK(memcmp(places, (char[sizeof places]){ 0 }, sizeof places) == 0);
    klatsch_batch_t *batch = NULL;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_drain(engine, 0, &batch, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_addresses(engine, 0, NULL, 0, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_addresses(engine, 1, buffer, sizeof buffer, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_addresses(engine, 0, buffer, 0, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_addresses(engine, 0, buffer, 9, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT,
          klatsch_engine_addresses(engine, 0, buffer, sizeof buffer, misaligned, &error));
}

// A struct of a program that was compiled with another version's header: too small is refused, and of a larger one
// only what this version knows is written.
static void figures_fit_in_the_struct_that_they_are_given(klatsch_engine_t *engine)
{
    struct {
        klatsch_stats_t known;
        unsigned char newer[64];
    } place, untouched;
    static const uint32_t too_small[] = { 0, 1, 4, 8, sizeof(klatsch_stats_t) - 1 };
    memset(&place, 0x77, sizeof place);
    for (size_t i = 0; i < sizeof too_small / sizeof *too_small; i++) {
        place.known.size = too_small[i];
        untouched = place;
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_stats(engine, &place.known, &error));
        CHECK(memcmp(&place, &untouched, sizeof place) == 0);
    }
    memset(&untouched, 0x77, sizeof untouched);
    static const uint32_t large[] = { sizeof(klatsch_stats_t), sizeof place, UINT32_MAX };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        memset(&place, 0x77, sizeof place);
        place.known.size = large[i];
        OK(klatsch_engine_stats(engine, &place.known, &error));
        CHECK(place.known.size == sizeof(klatsch_stats_t));
        CHECK(KLATSCH_HAS(&place.known, klatsch_stats_t, slowest));
        CHECK(place.known.connection_count == 0 && place.known.slowest_count == 0);
        CHECK(place.known.slowest[7].lagging_ms == 0);
        CHECK(memcmp(place.newer, untouched.newer, sizeof place.newer) == 0);
    }
}

// A page that ends where memory ends: one byte too many is a crash.
static void nothing_is_read_past_a_length(klatsch_engine_t *engine)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    char *end = pages + page;
    memcpy(end - 5, "lobby", 5);
    OK(klatsch_engine_broadcast(engine, end - 5, 5, end - 1, 1, NULL, &error));
    OK(klatsch_engine_tell_room(engine, end - 5, 5, KLATSCH_PAYLOAD_TEXT, end - 5, 5, &error));
    end[-1] = '\0';
    OK(klatsch_engine_broadcast(engine, end - 5, KLATSCH_NUL_TERMINATED, end - 5, KLATSCH_NUL_TERMINATED, NULL,
                                &error));
    munmap(pages, 2 * page);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    klatsch_options_t *other = klatsch_options_new(), *freed = klatsch_options_new();
    klatsch_error_t *kept = NULL;
    klatsch_options_free(freed);
    // Never made, freed, beside one, and far away. Another type's handle is tried where it is another.
    void *none[] = { NULL, (void *)1, (void *)8, freed, (void *)((uintptr_t)other + 1),
                     (void *)((uintptr_t)other + 16), (void *)UINTPTR_MAX };
    bad_handle_count = sizeof none / sizeof *none;
    memcpy(bad_handles, none, sizeof none);
    options_refuse_what_are_no_options();
    lists_and_errors_that_are_none_are_empty();
    an_engine_refuses_what_is_no_engine();
    CHECK(klatsch_options_history(NULL, 1) == KLATSCH_INVALID_ARGUMENT);
    CHECK(klatsch_engine_new(other, NULL, &kept) == KLATSCH_INVALID_ARGUMENT);
    bad_handles[bad_handle_count++] = kept;
    options_refuse_what_are_no_options();
    an_engine_refuses_what_is_no_engine();
    bad_handles[bad_handle_count - 1] = other;
    lists_and_errors_that_are_none_are_empty();
    CHECK(klatsch_error_code(kept) == KLATSCH_INVALID_ARGUMENT);
    klatsch_error_free(kept);

    options_refuse_bad_text_and_remember_the_first_failure(other);
    klatsch_options_free(other);
    values_are_checked_when_the_engine_is_made();

    klatsch_engine_t *engine = engine_with(NULL);
    OK(klatsch_engine_start(engine, &error));
    a_running_engine_refuses_bad_arguments(engine);
    figures_fit_in_the_struct_that_they_are_given(engine);
    nothing_is_read_past_a_length(engine);
    OK(klatsch_engine_free(engine));
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
