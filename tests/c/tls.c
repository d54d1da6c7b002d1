// Listeners that speak TLS, and certificates that are read again.
#include "client.h"

// For localhost; nobody trusts it.
static const char CERT[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBmzCCAUGgAwIBAgIULvXY78YL3JEO2IkAaMDj+WZImMswCgYIKoZIzj0EAwIw\n"
                           "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE0NDU0M1oYDzIxMjYxMDI5\n"
                           "MTQ0NTQzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
                           "PQMBBwNCAAR7uMP5FidKiB1DHQ4XWH6dKI/IJ3bRNX79bhjkrOq2OGB3VaCqkjLO\n"
                           "cnYLJNiSfnWyCZ99RMg3H9dXti6izcluo28wbTAdBgNVHQ4EFgQUefcsAqP6Jdzp\n"
                           "aD6wo7NajTNlSsUwHwYDVR0jBBgwFoAUefcsAqP6JdzpaD6wo7NajTNlSsUwDwYD\n"
                           "VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI\n"
                           "zj0EAwIDSAAwRQIgYezEgrBpNn8S6dvYPLXH48fYbr2wh6NCfg/MaxpcqzgCIQCw\n"
                           "/uJf+M5/mWg8WACsVo8oEjfk0pc7527VTzPJPGvrTQ==\n"
                           "-----END CERTIFICATE-----\n";
static const char KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgg6/zeTEoxfzcLc1C\n"
                          "a+uG3WoXDrXrB9coWf0y0QBuQtihRANCAAR7uMP5FidKiB1DHQ4XWH6dKI/IJ3bR\n"
                          "NX79bhjkrOq2OGB3VaCqkjLOcnYLJNiSfnWyCZ99RMg3H9dXti6izclu\n"
                          "-----END PRIVATE KEY-----\n";

static void set_pem(klatsch_options_t *options)
{
    OK(klatsch_options_tls_pem(options, CERT, KLATSCH_NUL_TERMINATED, KEY, KLATSCH_NUL_TERMINATED));
}

static void set_missing_files(klatsch_options_t *options)
{
    OK(klatsch_options_tls_files(options, KLATSCH_TEXT("/nowhere/cert.pem"), KLATSCH_TEXT("/nowhere/key.pem")));
}

static void tls_is_spoken_and_nothing_else(void)
{
    klatsch_engine_t *engine = engine_with(set_pem);
    FAILS(KLATSCH_NOT_RUNNING, klatsch_engine_reload_tls(engine, &error));
    OK(klatsch_engine_start(engine, &error));
    OK(klatsch_engine_reload_tls(engine, &error));
    struct client plain;
    CHECK(client_open(&plain, port_of(engine), "/", "") == 400);
    client_close(&plain);
    // A record that is none of TLS's: the answer is an alert, a record of type 21.
    unsigned char answer = 0, record[8] = { 99, 3, 1, 0, 3, 1, 2, 3 };
    int fd = tcp_connect(port_of(engine));
    CHECK(send(fd, record, sizeof record, MSG_NOSIGNAL) == (ssize_t)sizeof record);
    read_all(fd, &answer, 1);
    CHECK(answer == 21);
    close(fd);
    OK(klatsch_engine_free(engine));
}

static void missing_files_fail_the_start_by_their_names(void)
{
    klatsch_engine_t *engine = engine_with(set_missing_files);
    klatsch_error_t *failure = NULL;
    CHECK(klatsch_engine_start(engine, &failure) == KLATSCH_INVALID_OPTION);
    CHECK(strstr(klatsch_error_message(failure), "/nowhere/cert.pem"));
    klatsch_error_free(failure);
    OK(klatsch_engine_free(engine));
}

static void there_is_nothing_to_reload_without_tls(void)
{
    klatsch_engine_t *engine = engine_with(NULL);
    OK(klatsch_engine_start(engine, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_reload_tls(engine, &error));
    OK(klatsch_engine_free(engine));
}

int main(void)
{
    tls_is_spoken_and_nothing_else();
    missing_files_fail_the_start_by_their_names();
    there_is_nothing_to_reload_without_tls();
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
