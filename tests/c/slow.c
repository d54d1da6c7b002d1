// What a host finds out about those who read too slowly: receipts of its broadcasts, and the engine's figures.
#include "client.h"

enum { TEXT_BYTES = 16000 };

static void with_receipts(klatsch_options_t *options)
{
    OK(klatsch_options_receipts(options, true));
    OK(klatsch_options_shard_count(options, 2));
    OK(klatsch_options_lag_bytes(options, 65536));
    OK(klatsch_options_history(options, 0));
    OK(klatsch_options_memory_bytes(options, (uint64_t)1 << 40));
}

static klatsch_stats_t stats_of(klatsch_engine_t *engine)
{
    klatsch_stats_t stats = { .size = sizeof stats };
    OK(klatsch_engine_stats(engine, &stats, &error));
    CHECK(stats.size == sizeof stats && stats.slowest_count <= 8);
    return stats;
}

static void a_broadcast_has_one_receipt(klatsch_engine_t *engine, struct record *record, int port)
{
    struct client ann, bob;
    klatsch_position_t position = { 0, 0 };
    client_join(&ann, port, "den", "Ann");
    client_join(&bob, port, "den", "Bob");
    OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("den"), KLATSCH_TEXT("hello"), &position, &error));
    struct heard heard = next_heard(record, KLATSCH_EVENT_RECEIPT);
    CHECK(strcmp(heard.room, "den") == 0 && heard.position.offset == 1);
    CHECK(heard.position.epoch == position.epoch && position.offset == 1);
    CHECK(heard.connection_count == 2 && heard.sent_count == 2);
    CHECK(heard.queued_count == 0 && heard.lagging_count == 0);
    client_hears(&ann, "hello");
    client_hears(&bob, "hello");

    klatsch_stats_t stats = stats_of(engine);
    CHECK(stats.connection_count == 2 && stats.handshake_count == 0 && stats.room_count == 1);
    CHECK(stats.lagging_count == 0 && stats.too_slow_count == 0 && stats.waiting_bytes == 0);
    CHECK(stats.slowest_count == 0 && stats.history_bytes > 5 && stats.memory_bytes >= 1024);
    client_close(&ann);
    client_close(&bob);
}

static void who_lags_is_counted_and_named(klatsch_engine_t *engine, struct record *record, int port)
{
    static char text[TEXT_BYTES];
    struct client slow;
    struct heard heard;
    memset(text, 'x', sizeof text);
    client_join(&slow, port, "lobby", "Slow");
    int little = 4096;
    CHECK(setsockopt(slow.socket, SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
    uint64_t connection = 0;
    do {
        heard = next_heard(record, KLATSCH_EVENT_NAMED);
        connection = heard.connection;
    } while (strcmp(heard.name, "Slow") != 0);
    // It never reads: first the system keeps what it is sent, then the engine does, then it lags.
    do {
        OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), text, sizeof text, NULL, &error));
        heard = next_heard(record, KLATSCH_EVENT_RECEIPT);
        CHECK(heard.connection_count == 1);
        CHECK(heard.sent_count + heard.queued_count + heard.lagging_count == 1);
    } while (heard.lagging_count == 0);
    // The figures are a moment old.
    klatsch_stats_t stats = stats_of(engine);
    while (stats.slowest_count == 0 || stats.lagging_count == 0) {
        usleep(5000);
        stats = stats_of(engine);
    }
    CHECK(stats.slowest[0].connection == connection && stats.slowest[0].waiting_bytes > 0);
    CHECK(stats.slowest[1].connection == 0 && stats.lagging_count == 1);
    CHECK(stats.waiting_bytes >= stats.slowest[0].waiting_bytes && stats.sent_bytes > TEXT_BYTES);
    CHECK(stats.received_bytes > 0 && stats.history_bytes > TEXT_BYTES);
    client_close(&slow);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    klatsch_engine_t *engine = engine_with(with_receipts);
    struct record *record = record_new();
    klatsch_stats_t stats = { .size = sizeof stats };
    OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    FAILS(KLATSCH_NOT_RUNNING, klatsch_engine_stats(engine, &stats, &error));
    OK(klatsch_engine_start(engine, &error));
    int port = port_of(engine);
    a_broadcast_has_one_receipt(engine, record, port);
    who_lags_is_counted_and_named(engine, record, port);
    OK(klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    record_free(record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
