// A forked child is told so by every call; its parent goes on; an engine of its own works.
#include "client.h"

#include <sys/wait.h>

int main(void)
{
    alarm(DEADLINE_SECONDS);
    klatsch_engine_t *engine = engine_with(NULL);
    klatsch_options_t *options = klatsch_options_new();
    klatsch_error_t *old = NULL;
    struct record *record = record_new();
    struct client ann;
    int status = 0;
    CHECK(klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("x"), &old) == KLATSCH_NOT_RUNNING);
    OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    OK(klatsch_engine_start(engine, &error));
    client_join(&ann, port_of(engine), "lobby", "Ann");

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        uint64_t count = 0;
        size_t address_count = 0;
        FAILS(KLATSCH_FORKED, klatsch_engine_start(engine, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_stop(engine, 0, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("x"), &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_member_count(engine, KLATSCH_TEXT("lobby"), &count, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_addresses(engine, 0, NULL, 0, &address_count, &error));
        klatsch_stats_t stats = { .size = sizeof stats };
        FAILS(KLATSCH_FORKED, klatsch_engine_stats(engine, &stats, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_reload_tls(engine, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_adopt_fd(engine, 0, NULL, 0, &error));
        FAILS(KLATSCH_FORKED, klatsch_engine_free(engine));
        FAILS(KLATSCH_FORKED, klatsch_options_history(options, 1));
        klatsch_options_free(options);
        CHECK(klatsch_error_code(old) == KLATSCH_OK);
        CHECK(record->destroyed == 0);

        engine = engine_with(NULL);
        OK(klatsch_engine_start(engine, &error));
        struct client bob;
        client_join(&bob, port_of(engine), "lobby", "Bob");
        client_close(&bob);
        OK(klatsch_engine_free(engine));
        CHECK(klatsch_handle_count() == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("still here"), NULL, &error));
    client_hears(&ann, "still here");
    OK(klatsch_options_history(options, 1));
    klatsch_options_free(options);
    klatsch_error_free(old);
    OK(klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    client_close(&ann);
    record_free(record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
