// Events without a callback: a descriptor for poll(2), and drain.
#include "client.h"

#include <fcntl.h>
#include <poll.h>

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    return poll(&wait, 1, timeout_ms) == 1 && (wait.revents & POLLIN);
}

// Waits with poll until an event of that kind is drained, `limit` at a time.
static void wait_for(klatsch_engine_t *engine, int fd, uint32_t kind, size_t limit)
{
    int found = 0;
    while (!found) {
        klatsch_batch_t *batch = NULL;
        CHECK(is_readable(fd, 20000));
        OK(klatsch_engine_drain(engine, limit, &batch, &error));
        CHECK(klatsch_batch_count(batch) <= limit);
        for (size_t i = 0; i < klatsch_batch_count(batch); i++)
            found |= klatsch_batch_at(batch, i)->kind == kind;
        CHECK(klatsch_batch_at(batch, klatsch_batch_count(batch)) == NULL);
        klatsch_batch_free(batch);
    }
}

static void the_descriptor_is_readable_as_long_as_events_wait(void)
{
    klatsch_engine_t *engine = engine_with(NULL);
    klatsch_batch_t *batch = NULL;
    struct client ann;
    int fd = -1, same = -1;
    OK(klatsch_engine_event_fd(engine, &fd, &error));
    OK(klatsch_engine_event_fd(engine, &same, &error));
    CHECK(fd >= 0 && same == fd);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(!is_readable(fd, 0));
    FAILS(KLATSCH_EVENTS_TAKEN, klatsch_engine_on_event(engine, record_event, NULL, NULL, &error));

    OK(klatsch_engine_start(engine, &error));
    wait_for(engine, fd, KLATSCH_EVENT_STARTED, 64);
    client_join(&ann, port_of(engine), "lobby", "Ann");
    wait_for(engine, fd, KLATSCH_EVENT_JOINED, 64);
    OK(klatsch_engine_drain(engine, 64, &batch, &error));
    CHECK(klatsch_batch_count(batch) == 0 && batch != NULL);
    klatsch_batch_free(batch);
    CHECK(!is_readable(fd, 0));

    // One at a time: what is left over keeps it readable.
    for (int i = 0; i < 3; i++)
        OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("again"), NULL, &error));
    for (int i = 0; i < 3; i++)
        wait_for(engine, fd, KLATSCH_EVENT_MESSAGE, 1);
    OK(klatsch_engine_stop(engine, 0, &error));
    wait_for(engine, fd, KLATSCH_EVENT_STOPPED, 2);
    OK(klatsch_engine_start(engine, &error));
    wait_for(engine, fd, KLATSCH_EVENT_STARTED, 2);
    OK(klatsch_engine_free(engine));
    CHECK(fcntl(fd, F_GETFD) == -1);
    client_close(&ann);
}

static void a_batch_lives_longer_than_its_engine(void)
{
    klatsch_engine_t *engine = engine_with(NULL);
    klatsch_batch_t *batch = NULL;
    // No descriptor: the first drain takes the events.
    OK(klatsch_engine_drain(engine, 1, &batch, &error));
    CHECK(klatsch_batch_count(batch) == 0);
    klatsch_batch_free(batch);
    OK(klatsch_engine_start(engine, &error));
    OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("hello"), NULL, &error));
    OK(klatsch_engine_stop(engine, 0, &error));
    OK(klatsch_engine_drain(engine, 100, &batch, &error));
    OK(klatsch_engine_free(engine));

    CHECK(klatsch_batch_count(batch) == 3);
    const klatsch_event_t *started = klatsch_batch_at(batch, 0);
    const klatsch_event_t *message = klatsch_batch_at(batch, 1);
    CHECK(started->kind == KLATSCH_EVENT_STARTED && started->address_count == 1);
    CHECK(strncmp(started->addresses[0].bytes, "127.0.0.1:", 10) == 0);
    CHECK(started->room.bytes == NULL && started->room.length == 0 && started->connection == 0);
    CHECK(message->kind == KLATSCH_EVENT_MESSAGE && message->connection == 0);
    CHECK(strcmp(message->room.bytes, "lobby") == 0 && message->room.length == 5);
    CHECK(strcmp(message->user.bytes, "host") == 0 && strcmp(message->name.bytes, "Host") == 0);
    CHECK(strcmp(message->color.bytes, "black") == 0 && strcmp(message->text.bytes, "hello") == 0);
    CHECK(message->position.offset == 1 && message->position.epoch > 0 && message->at_ms > 0);
    CHECK(klatsch_batch_at(batch, 2)->kind == KLATSCH_EVENT_STOPPED);
    klatsch_batch_free(batch);
    CHECK(klatsch_batch_count(batch) == 0 && klatsch_batch_at(batch, 0) == NULL);
    klatsch_batch_free(batch);
}

static void a_full_queue_says_how_many_events_were_missed(void)
{
    klatsch_options_t *options = klatsch_options_new();
    klatsch_engine_t *engine = NULL;
    klatsch_batch_t *batch = NULL;
    uint64_t missed = 0, messages = 0;
    OK(klatsch_options_listen(options, KLATSCH_TEXT("127.0.0.1:0")));
    OK(klatsch_options_event_queue_count(options, 16));
    OK(klatsch_engine_new(options, &engine, &error));
    klatsch_options_free(options);
    OK(klatsch_engine_drain(engine, 1, &batch, &error));
    klatsch_batch_free(batch);
    OK(klatsch_engine_start(engine, &error));
    for (int i = 0; i < 100; i++)
        OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("x"), NULL, &error));
    OK(klatsch_engine_stop(engine, 0, &error));
    OK(klatsch_engine_drain(engine, 1000, &batch, &error));
    for (size_t i = 0; i < klatsch_batch_count(batch); i++) {
        missed += klatsch_batch_at(batch, i)->missed_count;
        messages += klatsch_batch_at(batch, i)->kind == KLATSCH_EVENT_MESSAGE;
    }
    CHECK(missed > 0 && missed + messages >= 100);
    klatsch_batch_free(batch);
    OK(klatsch_engine_free(engine));
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    the_descriptor_is_readable_as_long_as_events_wait();
    a_batch_lives_longer_than_its_engine();
    a_full_queue_says_how_many_events_were_missed();
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
