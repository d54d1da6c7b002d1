// What the test programs share: checks that end the program aloud, and a record of events to wait for.
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <klatsch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), exit(1)))

// The place for errors, one for each thread.
static _Thread_local klatsch_error_t *error;

#define OK(call) check_code((call), KLATSCH_OK, #call, __FILE__, __LINE__)
#define FAILS(code, call) check_code((call), (code), #call, __FILE__, __LINE__)

// A call that takes `&error` has put an error there if and only if it failed, with the same code and with
// words. One that was given NULL, or takes none, has not.
static inline void check_code(uint32_t code, uint32_t want, const char *call, const char *file, int line)
{
    int is_right = code == want;
    if (error) {
        is_right = is_right && code != KLATSCH_OK && klatsch_error_code(error) == code
            && strlen(klatsch_error_message(error)) > 5;
    }
    if (!is_right) {
        fprintf(stderr, "%s:%d: %s answered %" PRIu32 ", not %" PRIu32 ": %s\n", file, line, call, code, want,
                error ? klatsch_error_message(error) : "(no words)");
        exit(1);
    }
    klatsch_error_free(error);
    error = NULL;
}

// Ends a program that hangs, with SIGALRM.
#define DEADLINE_SECONDS 60

// An engine on a free port. `set` may set options first.
static inline klatsch_engine_t *engine_with(void (*set)(klatsch_options_t *))
{
    klatsch_engine_t *engine = NULL;
    klatsch_options_t *options = klatsch_options_new();
    CHECK(options);
    OK(klatsch_options_listen(options, KLATSCH_TEXT("127.0.0.1:0")));
    OK(klatsch_options_limits(options, KLATSCH_TEXT("load-test")));
    if (set)
        set(options);
    OK(klatsch_engine_new(options, &engine, &error));
    CHECK(engine);
    klatsch_options_free(options);
    return engine;
}

static inline int port_of(klatsch_engine_t *engine)
{
    char address[KLATSCH_ADDRESS_BYTES];
    OK(klatsch_engine_addresses(engine, 0, address, sizeof address, NULL, &error));
    return atoi(strrchr(address, ':') + 1);
}

// What a callback heard, in order.
struct heard {
    uint32_t kind;
    uint64_t connection, question, member_count;
    uint64_t connection_count, sent_count, queued_count, lagging_count;
    klatsch_position_t position;
    uint32_t subject, code, close_code, payload_kind;
    size_t data_length;
    char room[80], name[140], text[256];
};

struct record {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    size_t count, read, destroyed;
    struct heard heard[4096];
};

static inline struct record *record_new(void)
{
    struct record *record = calloc(1, sizeof *record);
    CHECK(record);
    pthread_mutex_init(&record->lock, NULL);
    pthread_cond_init(&record->grown, NULL);
    return record;
}

static inline void copy_text(char *to, size_t capacity, klatsch_text_t text)
{
    if (text.bytes) {
        CHECK(text.bytes[text.length] == '\0');
        snprintf(to, capacity, "%s", text.bytes);
    }
}

// A klatsch_on_event_t.
static inline void record_event(void *user_data, const klatsch_event_t *event)
{
    struct record *record = user_data;
    CHECK(event->size >= sizeof *event);
    CHECK(KLATSCH_HAS(event, klatsch_event_t, header_count));
    pthread_mutex_lock(&record->lock);
    CHECK(record->destroyed == 0);
    CHECK(record->count < sizeof record->heard / sizeof *record->heard);
    struct heard *heard = &record->heard[record->count++];
    heard->kind = event->kind;
    heard->connection = event->connection;
    heard->question = event->question;
    heard->member_count = event->member_count;
    heard->connection_count = event->connection_count;
    heard->sent_count = event->sent_count;
    heard->queued_count = event->queued_count;
    heard->lagging_count = event->lagging_count;
    heard->position = event->position;
    heard->subject = event->subject;
    heard->code = event->code;
    heard->close_code = event->close_code;
    heard->payload_kind = event->payload_kind;
    heard->data_length = event->data_length;
    copy_text(heard->room, sizeof heard->room, event->room);
    copy_text(heard->name, sizeof heard->name, event->name);
    copy_text(heard->text, sizeof heard->text, event->text);
    if (event->data)
        memcpy(heard->text, event->data,
               event->data_length < sizeof heard->text ? event->data_length : sizeof heard->text - 1);
    pthread_cond_broadcast(&record->grown);
    pthread_mutex_unlock(&record->lock);
}

// A klatsch_destroy_t. The record stays, to be looked at.
static inline void record_destroy(void *user_data)
{
    struct record *record = user_data;
    pthread_mutex_lock(&record->lock);
    record->destroyed++;
    pthread_mutex_unlock(&record->lock);
}

// Waits for the next event of a kind, passing over others. alarm() is the deadline.
static inline struct heard next_heard(struct record *record, uint32_t kind)
{
    pthread_mutex_lock(&record->lock);
    for (;;) {
        while (record->read == record->count)
            pthread_cond_wait(&record->grown, &record->lock);
        struct heard heard = record->heard[record->read++];
        if (heard.kind == kind) {
            pthread_mutex_unlock(&record->lock);
            return heard;
        }
    }
}

static inline size_t count_heard(struct record *record, uint32_t kind)
{
    size_t count = 0;
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < record->count; i++)
        count += record->heard[i].kind == kind;
    pthread_mutex_unlock(&record->lock);
    return count;
}

static inline void record_free(struct record *record)
{
    pthread_mutex_destroy(&record->lock);
    pthread_cond_destroy(&record->grown);
    free(record);
}

#endif
