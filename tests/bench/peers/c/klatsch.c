// This engine in a C program: klatsch-c PORT

#include <klatsch.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    klatsch_engine_t *engine = NULL;
    klatsch_error_t *error = NULL;
    char address[64];
    int received, status = 0;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    snprintf(address, sizeof address, "127.0.0.1:%s", argc > 1 ? argv[1] : "0");

    klatsch_options_t *options = klatsch_options_new();
    klatsch_options_listen(options, address, KLATSCH_NUL_TERMINATED);
    klatsch_options_limits(options, KLATSCH_TEXT("load-test"));
    klatsch_options_max_handshake_count(options, 4096);
    if (klatsch_engine_new(options, &engine, &error) != KLATSCH_OK
        || klatsch_engine_start(engine, &error) != KLATSCH_OK) {
        fprintf(stderr, "%s\n", klatsch_error_message(error));
        klatsch_error_free(error);
        status = 1;
    } else {
        sigwait(&ends, &received);
    }
    klatsch_engine_free(engine);
    klatsch_options_free(options);
    return status;
}
