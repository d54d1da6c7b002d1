// Questions, asked and answered in C: inside the callback, later, wrongly, and not at all.
#include "client.h"

static void ask(klatsch_options_t *options)
{
    OK(klatsch_options_ask_admit(options, true));
    OK(klatsch_options_ask_may_send(options, true));
    OK(klatsch_options_question_timeout_ms(options, 300));
}

struct doorkeeper {
    klatsch_engine_t *engine;
    struct record *record;
};

static int is(klatsch_text_t text, const char *want)
{
    return text.length == strlen(want) && strcmp(text.bytes, want) == 0;
}

static void answer(klatsch_engine_t *engine, uint64_t question, uint32_t verdict, const char *text)
{
    OK(klatsch_engine_answer(engine, question, verdict, text, KLATSCH_NUL_TERMINATED, NULL, &error));
    FAILS(KLATSCH_UNKNOWN_QUESTION,
          klatsch_engine_answer(engine, question, verdict, text, KLATSCH_NUL_TERMINATED, NULL, &error));
}

static void admit(klatsch_engine_t *engine, const klatsch_event_t *event)
{
    const klatsch_text_t *ticket = klatsch_event_header(event, KLATSCH_TEXT("X-Ticket"));
    CHECK(event->dialect == KLATSCH_DIALECT_TUTORIAL && is(event->path, "/"));
    CHECK(event->header_count > 4 && event->headers[0].name.bytes != NULL);
    CHECK(strncmp(event->address.bytes, "127.0.0.1:", 10) == 0);
    CHECK(klatsch_event_header(event, KLATSCH_TEXT("nosuch")) == NULL);
    CHECK(klatsch_event_header(event, NULL, 0) == NULL);
    CHECK(klatsch_event_header(NULL, KLATSCH_TEXT("host")) == NULL);
    if (!ticket) {
        answer(engine, event->question, KLATSCH_REFUSE, "no ticket");
    } else if (is(*ticket, "gold")) {
        CHECK(strstr(event->query.bytes, "vip=1"));
        // What does not fit leaves the question open.
        FAILS(KLATSCH_WRONG_VERDICT, klatsch_engine_answer(engine, event->question, KLATSCH_REWRITE,
                                                           KLATSCH_TEXT("x"), NULL, &error));
        klatsch_admission_t admission = { .size = sizeof admission, .name = { KLATSCH_TEXT(" ") } };
        FAILS(KLATSCH_BAD_NAME,
              klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW_AS, NULL, 0, &admission, &error));
        FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_answer(engine, event->question, 77,
                                                              KLATSCH_TEXT("x"), NULL, &error));
        admission.name = (klatsch_text_t){ KLATSCH_TEXT("Ann") };
        admission.user = (klatsch_text_t){ KLATSCH_TEXT("ann.1") };
        OK(klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW_AS, NULL, 0, &admission, &error));
    } else {
        answer(engine, event->question, KLATSCH_ALLOW, NULL);
    }
}

static void may_send(klatsch_engine_t *engine, const klatsch_event_t *event)
{
    CHECK(is(event->room, "lobby") && event->user.length > 0);
    if (is(event->text, "damn"))
        answer(engine, event->question, KLATSCH_REWRITE, "d***");
    else if (is(event->text, "spam"))
        answer(engine, event->question, KLATSCH_REFUSE, NULL);
    else if (!is(event->text, "later") && !is(event->text, "never"))
        answer(engine, event->question, KLATSCH_ALLOW, NULL);
}

static void keep_the_door(void *user_data, const klatsch_event_t *event)
{
    struct doorkeeper *keeper = user_data;
    if (event->kind == KLATSCH_EVENT_QUESTION && event->subject == KLATSCH_SUBJECT_ADMIT)
        admit(keeper->engine, event);
    if (event->kind == KLATSCH_EVENT_QUESTION && event->subject == KLATSCH_SUBJECT_MAY_SEND)
        may_send(keeper->engine, event);
    record_event(keeper->record, event);
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    struct doorkeeper keeper = { engine_with(ask), record_new() };
    struct client ann, bob, eve;
    struct heard heard;
    OK(klatsch_engine_on_event(keeper.engine, keep_the_door, &keeper, NULL, &error));
    OK(klatsch_engine_start(keeper.engine, &error));
    int port = port_of(keeper.engine);

    CHECK(client_open(&eve, port, "/?room=lobby", "") == 403);
    client_close(&eve);
    CHECK(next_heard(keeper.record, KLATSCH_EVENT_REFUSED).code == KLATSCH_REFUSED);

    CHECK(client_open(&ann, port, "/?room=lobby&vip=1", "X-Ticket: gold\r\n") == 101);
    heard = next_heard(keeper.record, KLATSCH_EVENT_JOINED);
    CHECK(strcmp(heard.name, "Ann") == 0 && strcmp(heard.room, "lobby") == 0);
    CHECK(client_open(&bob, port, "/?room=lobby", "X-Ticket: paper\r\n") == 101);
    client_say(&bob, "Bob");
    client_hears(&bob, "\"color\"");

    client_say(&bob, "hello");
    client_hears(&bob, "\"text\":\"hello\"");
    client_say(&bob, "damn");
    client_hears(&bob, "\"text\":\"d***\"");
    client_say(&bob, "spam");
    client_say(&bob, "never");
    client_say(&bob, "later");
    do {
        heard = next_heard(keeper.record, KLATSCH_EVENT_QUESTION);
    } while (strcmp(heard.text, "later") != 0);
    answer(keeper.engine, heard.question, KLATSCH_ALLOW, NULL);
    // What was refused, and what nobody answered, did not come in between.
    CHECK(client_read(&bob) == FRAME_TEXT && strstr((char *)bob.frame, "\"text\":\"later\""));

    OK(klatsch_engine_free(keeper.engine));
    client_close(&ann);
    client_close(&bob);
    record_free(keeper.record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
