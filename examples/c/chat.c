// A chat server inside your own program: it prints what happens and welcomes everybody.
// ffi/package.sh out && cc examples/c/chat.c -Iout/include out/lib/libklatsch.a -lgcc_s -lm -o chat && ./chat

#include <inttypes.h>
#include <klatsch.h>
#include <signal.h>
#include <stdio.h>

static int failed(klatsch_error_t *error)
{
    fprintf(stderr, "%s\n", klatsch_error_message(error));
    klatsch_error_free(error);
    return 1;
}

static void on_event(void *user_data, const klatsch_event_t *event)
{
    klatsch_engine_t *engine = *(klatsch_engine_t **)user_data;
    klatsch_error_t *error = NULL;
    const char *room = event->room.bytes, *name = event->name.bytes;
    char welcome[160];
    if (event->kind == KLATSCH_EVENT_JOINED) {
        printf("+ %s joined %s (%" PRIu64 " here)\n", name, room, event->member_count);
        snprintf(welcome, sizeof welcome, "Welcome, %s!", name);
        if (klatsch_engine_broadcast(engine, room, KLATSCH_NUL_TERMINATED, welcome, KLATSCH_NUL_TERMINATED,
                                     NULL, &error) != KLATSCH_OK)
            failed(error);
    } else if (event->kind == KLATSCH_EVENT_LEFT) {
        printf("- %s left %s (%" PRIu64 " here)\n", name, room, event->member_count);
    } else if (event->kind == KLATSCH_EVENT_MESSAGE) {
        printf("%s %s: %s\n", room, name, event->text.bytes);
    } else if (event->kind == KLATSCH_EVENT_STOPPED) {
        puts("stopped");
    }
}

int main(int argc, char **argv)
{
    klatsch_engine_t *engine = NULL;
    klatsch_error_t *error = NULL;
    char address[KLATSCH_ADDRESS_BYTES];
    int status = 0, received;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);

    klatsch_options_t *options = klatsch_options_new();
    klatsch_options_listen(options, argc > 1 ? argv[1] : "127.0.0.1:1337", KLATSCH_NUL_TERMINATED);
    if (klatsch_engine_new(options, &engine, &error) != KLATSCH_OK
        || klatsch_engine_on_event(engine, on_event, &engine, NULL, &error) != KLATSCH_OK
        || klatsch_engine_start(engine, &error) != KLATSCH_OK
        || klatsch_engine_addresses(engine, 0, address, sizeof address, NULL, &error) != KLATSCH_OK) {
        status = failed(error);
    } else {
        printf("listening on http://%s\n", address);
        sigwait(&ends, &received);
        if (klatsch_engine_stop(engine, 5000, &error) != KLATSCH_OK)
            status = failed(error);
    }
    klatsch_engine_free(engine);
    klatsch_options_free(options);
    return status;
}
