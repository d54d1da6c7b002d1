// A host with SIGPIPE at its default survives dead sockets, and signals for the host go to the host's thread.
#include "client.h"

#include <signal.h>

static void a_dead_socket_does_not_kill_the_host(void)
{
    struct record *record = record_new();
    klatsch_engine_t *engine = engine_with(NULL);
    struct client clients[20];
    OK(klatsch_engine_on_event(engine, record_event, record, NULL, &error));
    OK(klatsch_engine_start(engine, &error));
    for (int i = 0; i < 20; i++) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        client_join(&clients[i], port_of(engine), "lobby", name);
        CHECK(setsockopt(clients[i].socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    }
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 20; k++)
            OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("anybody there?"), NULL,
                                        &error));
        client_close(&clients[i]);
    }
    for (int i = 0; i < 20; i++)
        next_heard(record, KLATSCH_EVENT_DISCONNECTED);
    OK(klatsch_engine_broadcast(engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("nobody"), NULL, &error));
    OK(klatsch_engine_free(engine));
    record_free(record);
}

static void check_mask(void *user_data, const klatsch_event_t *event)
{
    sigset_t mask;
    (void)event;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    CHECK(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT) && sigismember(&mask, SIGUSR1));
    CHECK(!sigismember(&mask, SIGSEGV));
    *(int *)user_data += 1;
}

static void the_callbacks_thread_takes_no_signal_of_the_hosts(void)
{
    klatsch_engine_t *engine = engine_with(NULL);
    sigset_t before, after;
    int calls = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    OK(klatsch_engine_on_event(engine, check_mask, &calls, NULL, &error));
    OK(klatsch_engine_start(engine, &error));
    OK(klatsch_engine_free(engine));
    CHECK(calls == 2);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++)
        CHECK(sigismember(&before, signal) == sigismember(&after, signal));
}

static void no_handler_is_installed(void)
{
    for (int signal = 1; signal < 32; signal++) {
        struct sigaction action;
        CHECK(sigaction(signal, NULL, &action) == 0);
        CHECK(action.sa_handler == SIG_DFL);
    }
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    // Under a test runner that is written in Rust SIGPIPE may come in ignored.
    signal(SIGPIPE, SIG_DFL);
    a_dead_socket_does_not_kill_the_host();
    the_callbacks_thread_takes_no_signal_of_the_hosts();
    no_handler_is_installed();
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
