// start, stop, start again; two engines; stop and free inside a callback; the destructor.
#include "client.h"

#include <dirent.h>
#include <sched.h>

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *entries = opendir(folder);
    CHECK(entries);
    while (readdir(entries))
        count++;
    closedir(entries);
    return count;
}

static void no_thread_and_no_descriptor_is_left(void)
{
    struct record *record = record_new();
    struct client ann;
    int fd = -1;
    size_t descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    for (int by_callback = 0; by_callback < 2; by_callback++) {
        klatsch_engine_t *engine = engine_with(NULL);
        if (by_callback)
            OK(klatsch_engine_on_event(engine, record_event, record, NULL, &error));
        else
            OK(klatsch_engine_event_fd(engine, &fd, &error));
        OK(klatsch_engine_start(engine, &error));
        CHECK(count_entries("/proc/self/task") > threads);
        client_join(&ann, port_of(engine), "lobby", "Ann");
        OK(klatsch_engine_stop(engine, 0, &error));
        // A thread that has been waited for stays in this list for a moment more. alarm() is the deadline.
        while (count_entries("/proc/self/task") != threads)
            sched_yield();
        client_close(&ann);
        // The descriptor for the events, where there is one, stays until the engine is freed.
        CHECK(count_entries("/proc/self/fd") == descriptors + (by_callback ? 0 : 1));
        OK(klatsch_engine_free(engine));
        CHECK(count_entries("/proc/self/fd") == descriptors);
    }
    record_free(record);
}

static void *stop_soon(void *engine)
{
    OK(klatsch_engine_stop(engine, 0, &error));
    return NULL;
}

struct stopper {
    klatsch_engine_t *engine;
    struct record *record;
};

static void stop_inside(void *user_data, const klatsch_event_t *event)
{
    struct stopper *stopper = user_data;
    FAILS(KLATSCH_DEADLOCK, klatsch_engine_stop(stopper->engine, 0, &error));
    FAILS(KLATSCH_DEADLOCK, klatsch_engine_free(stopper->engine));
    record_event(stopper->record, event);
}

static void destroy_stopper(void *user_data)
{
    struct stopper *stopper = user_data;
    // The engine is gone by now: what is called with it is refused.
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_stop(stopper->engine, 0, &error));
    record_destroy(stopper->record);
}

static void an_engine_can_be_stopped_and_started_again(void)
{
    struct record *record = record_new();
    klatsch_engine_t *engine = engine_with(NULL);
    OK(klatsch_engine_stop(engine, 0, &error));
    OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    for (int round = 0; round < 3; round++) {
        struct client ann;
        OK(klatsch_engine_start(engine, &error));
        FAILS(KLATSCH_ALREADY_RUNNING, klatsch_engine_start(engine, &error));
        FAILS(KLATSCH_ALREADY_RUNNING,
              klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
        next_heard(record, KLATSCH_EVENT_STARTED);
        client_join(&ann, port_of(engine), "lobby", "Ann");
        CHECK(next_heard(record, KLATSCH_EVENT_JOINED).member_count == 1);
        // Ann does not answer the close frame: the grace passes.
        OK(klatsch_engine_stop(engine, 50, &error));
        // The last callback has returned.
        CHECK(record->heard[record->count - 1].kind == KLATSCH_EVENT_STOPPED);
        CHECK(count_heard(record, KLATSCH_EVENT_STOPPED) == (size_t)round + 1);
        CHECK(client_closed(&ann) == 1001);
        client_close(&ann);
        OK(klatsch_engine_stop(engine, 0, &error));
        FAILS(KLATSCH_NOT_RUNNING, klatsch_engine_broadcast_all(engine, KLATSCH_TEXT("x"), &error));
    }
    CHECK(record->destroyed == 0);
    OK(klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    record_free(record);
}

static void two_engines_know_nothing_of_each_other(void)
{
    struct record *records[2] = { record_new(), record_new() };
    klatsch_engine_t *engines[2] = { engine_with(NULL), engine_with(NULL) };
    struct client clients[2];
    for (int i = 0; i < 2; i++) {
        OK(klatsch_engine_on_event(engines[i], record_event, records[i], record_destroy, &error));
        OK(klatsch_engine_start(engines[i], &error));
        client_join(&clients[i], port_of(engines[i]), "lobby", i ? "Bob" : "Ann");
    }
    OK(klatsch_engine_broadcast(engines[0], KLATSCH_TEXT("lobby"), KLATSCH_TEXT("first"), NULL, &error));
    OK(klatsch_engine_broadcast(engines[1], KLATSCH_TEXT("lobby"), KLATSCH_TEXT("second"), NULL, &error));
    OK(klatsch_engine_free(engines[0]));
    client_hears(&clients[1], "\"second\"");
    CHECK(records[0]->destroyed == 1 && records[1]->destroyed == 0);
    CHECK(strcmp(next_heard(records[0], KLATSCH_EVENT_MESSAGE).text, "first") == 0);
    CHECK(strcmp(next_heard(records[1], KLATSCH_EVENT_MESSAGE).text, "second") == 0);
    OK(klatsch_engine_free(engines[1]));
    for (int i = 0; i < 2; i++) {
        client_close(&clients[i]);
        record_free(records[i]);
    }
}

static void stop_and_free_inside_a_callback_answer_deadlock(void)
{
    struct stopper stopper = { engine_with(NULL), record_new() };
    struct client ann;
    OK(klatsch_engine_on_event(stopper.engine, stop_inside, &stopper, destroy_stopper, &error));
    OK(klatsch_engine_start(stopper.engine, &error));
    client_join(&ann, port_of(stopper.engine), "lobby", "Ann");
    next_heard(stopper.record, KLATSCH_EVENT_JOINED);
    OK(klatsch_engine_free(stopper.engine));
    CHECK(count_heard(stopper.record, KLATSCH_EVENT_STOPPED) == 1);
    CHECK(stopper.record->destroyed == 1);
    client_close(&ann);
    record_free(stopper.record);
}

static void a_second_stop_shortens_the_first_ones_grace(void)
{
    klatsch_engine_t *engine = engine_with(NULL);
    struct client ann;
    pthread_t thread;
    OK(klatsch_engine_start(engine, &error));
    client_join(&ann, port_of(engine), "lobby", "Ann");
    // Ann answers no close frame: the first stop alone would last beyond the program's deadline.
    CHECK(pthread_create(&thread, NULL, stop_soon, engine) == 0);
    OK(klatsch_engine_stop(engine, 10u * 60 * 1000, &error));
    pthread_join(thread, NULL);
    OK(klatsch_engine_free(engine));
    client_close(&ann);
}

static void the_data_is_destroyed_once_and_only_by_the_engine_that_took_it(void)
{
    struct record *record = record_new();
    klatsch_engine_t *engine = engine_with(NULL);
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_on_event(engine, NULL, record, record_destroy, &error));
    OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    FAILS(KLATSCH_EVENTS_TAKEN, klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
    CHECK(record->destroyed == 0);
    OK(klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_free(engine));
    CHECK(record->destroyed == 1);
    record_free(record);
}

static void an_address_in_use_is_an_error_and_the_engine_stays_usable(void)
{
    klatsch_engine_t *first = engine_with(NULL), *second = NULL;
    klatsch_options_t *options = klatsch_options_new();
    struct record *record = record_new();
    char address[KLATSCH_ADDRESS_BYTES];
    OK(klatsch_engine_start(first, &error));
    OK(klatsch_engine_addresses(first, 0, address, sizeof address, NULL, &error));
    OK(klatsch_options_listen(options, address, KLATSCH_NUL_TERMINATED));
    OK(klatsch_engine_new(options, &second, &error));
    OK(klatsch_engine_on_event(second, record_event, record, record_destroy, &error));
    FAILS(KLATSCH_CANNOT_LISTEN, klatsch_engine_start(second, &error));
    OK(klatsch_engine_free(first));
    OK(klatsch_engine_start(second, &error));
    next_heard(record, KLATSCH_EVENT_STARTED);
    OK(klatsch_engine_free(second));
    klatsch_options_free(options);
    record_free(record);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    an_engine_can_be_stopped_and_started_again();
    two_engines_know_nothing_of_each_other();
    stop_and_free_inside_a_callback_answer_deadlock();
    a_second_stop_shortens_the_first_ones_grace();
    the_data_is_destroyed_once_and_only_by_the_engine_that_took_it();
    an_address_in_use_is_an_error_and_the_engine_stays_usable();
    no_thread_and_no_descriptor_is_left();
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
