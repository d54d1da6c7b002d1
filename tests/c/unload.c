// Two copies of the library in one process, side by side, unloaded and loaded again. The arguments are their
// files.
#include <dlfcn.h>
#include <klatsch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), exit(1)))

// C has no conversion from an object's pointer to a function's; POSIX promises that this works.
#define LOAD(copy, function) \
    do { \
        void *symbol = dlsym((copy)->library, #function); \
        CHECK(symbol); \
        memcpy(&(copy)->function, &symbol, sizeof symbol); \
    } while (0)

struct copy {
    void *library;
    klatsch_options_t *(*klatsch_options_new)(void);
    klatsch_code_t (*klatsch_options_listen)(klatsch_options_t *, const char *, size_t);
    void (*klatsch_options_free)(klatsch_options_t *);
    klatsch_code_t (*klatsch_engine_new)(const klatsch_options_t *, klatsch_engine_t **, klatsch_error_t **);
    klatsch_code_t (*klatsch_engine_on_event)(klatsch_engine_t *, klatsch_on_event_t, void *, klatsch_destroy_t,
                                              klatsch_error_t **);
    klatsch_code_t (*klatsch_engine_start)(klatsch_engine_t *, klatsch_error_t **);
    klatsch_code_t (*klatsch_engine_broadcast)(klatsch_engine_t *, const char *, size_t, const char *, size_t,
                                               klatsch_position_t *, klatsch_error_t **);
    klatsch_code_t (*klatsch_engine_free)(klatsch_engine_t *);
    size_t (*klatsch_handle_count)(void);
    klatsch_engine_t *engine;
    int messages;
};

static void on_event(void *user_data, const klatsch_event_t *event)
{
    *(int *)user_data += event->kind == KLATSCH_EVENT_MESSAGE;
}

static void load(struct copy *copy, const char *file)
{
    *copy = (struct copy){ .library = dlopen(file, RTLD_NOW | RTLD_LOCAL) };
    if (!copy->library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(copy->library);
    LOAD(copy, klatsch_options_new);
    LOAD(copy, klatsch_options_listen);
    LOAD(copy, klatsch_options_free);
    LOAD(copy, klatsch_engine_new);
    LOAD(copy, klatsch_engine_on_event);
    LOAD(copy, klatsch_engine_start);
    LOAD(copy, klatsch_engine_broadcast);
    LOAD(copy, klatsch_engine_free);
    LOAD(copy, klatsch_handle_count);
}

static void start(struct copy *copy)
{
    klatsch_options_t *options = copy->klatsch_options_new();
    CHECK(copy->klatsch_options_listen(options, KLATSCH_TEXT("127.0.0.1:0")) == KLATSCH_OK);
    CHECK(copy->klatsch_engine_new(options, &copy->engine, NULL) == KLATSCH_OK);
    copy->klatsch_options_free(options);
    CHECK(copy->klatsch_engine_on_event(copy->engine, on_event, &copy->messages, NULL, NULL) == KLATSCH_OK);
    CHECK(copy->klatsch_engine_start(copy->engine, NULL) == KLATSCH_OK);
}

static void say(struct copy *copy)
{
    CHECK(copy->klatsch_engine_broadcast(copy->engine, KLATSCH_TEXT("lobby"), KLATSCH_TEXT("x"), NULL, NULL)
          == KLATSCH_OK);
}

static void finish(struct copy *copy)
{
    CHECK(copy->klatsch_engine_free(copy->engine) == KLATSCH_OK);
    CHECK(copy->messages == 1 && copy->klatsch_handle_count() == 0);
    CHECK(dlclose(copy->library) == 0);
}

int main(int argc, char **argv)
{
    alarm(60);
    CHECK(argc == 3);
    for (int round = 0; round < 3; round++) {
        struct copy first, second;
        load(&first, argv[1]);
        load(&second, argv[2]);
        start(&first);
        start(&second);
        say(&first);
        finish(&first);
        say(&second);
        finish(&second);
    }
    return 0;
}
