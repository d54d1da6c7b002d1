// Who may be where, and do what there, with clients that speak klatsch.v1: tickets, rooms, moderation, bans, and the
// questions that only they bring.
#include "client.h"

#include <stddef.h>

static klatsch_engine_t *engine;
static struct record *record;
static int port;

static int is(klatsch_text_t text, const char *want)
{
    return text.length == strlen(want) && strcmp(text.bytes, want) == 0;
}

static void ask(klatsch_options_t *options)
{
    OK(klatsch_options_ask_admit(options, true));
    OK(klatsch_options_ask_may_join(options, true));
    OK(klatsch_options_ask_call(options, true));
    OK(klatsch_options_repeat_given_names(options, true));
}

static void admit(const klatsch_event_t *event)
{
    CHECK(event->dialect == KLATSCH_DIALECT_V1 && KLATSCH_HAS(event, klatsch_event_t, message) && !event->message);
    if (!event->token.bytes) {
        CHECK(is(event->name, "Bob"));
        OK(klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW, NULL, 0, NULL, &error));
        return;
    }
    CHECK(is(event->token, "t0k3n") && !event->name.bytes);
    const klatsch_text_t rooms[] = { { KLATSCH_TEXT("den") }, { "lobby", KLATSCH_NUL_TERMINATED } };
    klatsch_admission_t admission = {
        .size = sizeof admission, .role = KLATSCH_ROLE_OWNER, .user = { KLATSCH_TEXT("cy-1") },
        .name = { KLATSCH_TEXT("Cy") }, .rooms = rooms, .room_count = 2, .expires_at_ms = 4102444800000,
    };
    OK(klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW_AS, NULL, 0, &admission, &error));
}

static void call(const klatsch_event_t *event)
{
    CHECK(event->user.length > 0 && event->name.length > 0 && event->data[event->data_length] == '\0');
    if (is(event->method, "weather")) {
        CHECK(strcmp((const char *)event->data, "[\"Wien\"]") == 0);
        FAILS(KLATSCH_WRONG_VERDICT,
              klatsch_engine_answer(engine, event->question, KLATSCH_ALLOW, NULL, 0, NULL, &error));
        OK(klatsch_engine_answer(engine, event->question, KLATSCH_ANSWER, KLATSCH_TEXT("{\"degrees\":-3.5}"), NULL,
                                 &error));
    } else {
        OK(klatsch_engine_answer(engine, event->question, KLATSCH_REFUSE, KLATSCH_TEXT("not that"), NULL, &error));
    }
}

static void on_event(void *user_data, const klatsch_event_t *event)
{
    if (event->kind == KLATSCH_EVENT_QUESTION) {
        switch (event->subject) {
        case KLATSCH_SUBJECT_ADMIT: admit(event); break;
        case KLATSCH_SUBJECT_MAY_JOIN:
            CHECK(event->user.length > 0 && event->name.length > 0);
            OK(klatsch_engine_answer(engine, event->question, is(event->room, "attic") ? KLATSCH_REFUSE : KLATSCH_ALLOW,
                                     KLATSCH_TEXT("full"), NULL, &error));
            break;
        case KLATSCH_SUBJECT_CALL: call(event); break;
        default: CHECK(false);
        }
    }
    if (event->kind == KLATSCH_EVENT_MESSAGE && is(event->room, "den")) {
        CHECK(event->message && event->message->text.bytes == event->text.bytes);
        CHECK(is(event->message->mid, "a-1") && is(event->message->data, "{\"x\":[1, 2]}"));
        CHECK(event->message->revision == 0 && !event->message->is_deleted && !event->message->reactions);
    }
    if (event->kind == KLATSCH_EVENT_AWAY)
        CHECK(is(event->user, "cy-1") && is(event->message->name, "Bob") && is(event->text, "psst"));
    record_event(user_data, event);
}

static void hello(struct client *client, const char *fields)
{
    char text[400];
    CHECK(client_open(client, port, "/", "Sec-WebSocket-Protocol: klatsch.v1\r\n") == 101);
    snprintf(text, sizeof text, "{\"id\":1,\"do\":\"hello\",%s}", fields);
    client_say(client, text);
    client_hears(client, "{\"id\":1,");
}

static void a_host_lets_people_in(struct client *ann, struct client *bob, struct client *cy)
{
    char ticket[KLATSCH_TICKET_BYTES], fields[KLATSCH_TICKET_BYTES + 20];
    klatsch_admission_t admission = {
        .size = sizeof admission, .role = KLATSCH_ROLE_MODERATOR, .user = { "ann-1", KLATSCH_NUL_TERMINATED },
        .name = { KLATSCH_TEXT("Ann") },
    };
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, NULL, 1000, ticket, sizeof ticket, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &admission, 1000, NULL, sizeof ticket, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &admission, 1000, ticket, 63, &error));
    klatsch_admission_t wrong = admission;
    wrong.role = 5;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong = admission;
    wrong.size = sizeof wrong - 1;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong = admission;
    wrong.name = (klatsch_text_t){ NULL, 0 };
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong = admission;
    wrong.name = (klatsch_text_t){ "\xff", 1 };
    FAILS(KLATSCH_INVALID_UTF8, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong = admission;
    wrong.room_count = 1;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong.room_count = SIZE_MAX;
    wrong.rooms = &wrong.name;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));
    wrong.room_count = 1;
    wrong.rooms = (const klatsch_text_t *)((const char *)wrong.rooms + 1);
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ticket(engine, &wrong, 1000, ticket, sizeof ticket, &error));

    OK(klatsch_engine_ticket(engine, &admission, 60000, ticket, sizeof ticket, &error));
    CHECK(strlen(ticket) >= 32);
    snprintf(fields, sizeof fields, "\"token\":\"%s\"", ticket);
    hello(ann, fields);
    CHECK(strstr((char *)ann->frame, "\"user\":\"ann-1\""));
    hello(bob, "\"name\":\"Bob\"");
    hello(cy, "\"token\":\"t0k3n\"");
    CHECK(strstr((char *)cy->frame, "\"user\":\"cy-1\"") && strstr((char *)cy->frame, "\"expires_at\":4102444800000"));
}

static void a_host_says_who_is_where(struct client *ann, struct client *bob)
{
    klatsch_members_t *members = NULL;
    klatsch_room_options_t options = { .size = sizeof options, .is_private = KLATSCH_YES, .history_kept = 100 };
    OK(klatsch_engine_set_room(engine, KLATSCH_TEXT("den"), &options, &error));
    client_say(bob, "{\"id\":2,\"do\":\"join\",\"room\":\"den\"}");
    client_hears(bob, "\"name\":\"not_allowed\"");
    client_say(bob, "{\"id\":3,\"do\":\"join\",\"room\":\"attic\"}");
    client_hears(bob, "\"message\":\"full\"");
    options = (klatsch_room_options_t){ .size = sizeof options, .is_private = KLATSCH_NO, .is_read_only = 3 };
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_set_room(engine, KLATSCH_TEXT("den"), &options, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_set_room(engine, KLATSCH_TEXT("den"), NULL, &error));

    OK(klatsch_engine_join(engine, KLATSCH_TEXT("den"), KLATSCH_TEXT("ann-1"), &error));
    client_hears(ann, "\"on\":\"joined\",\"room\":\"den\"");
    OK(klatsch_engine_members(engine, KLATSCH_TEXT("den"), &members, &error));
    CHECK(klatsch_members_count(members) == 2);
    for (size_t i = 0; i < 2; i++) {
        const klatsch_member_t *member = klatsch_members_at(members, i);
        CHECK(member->role == (is(member->user, "cy-1") ? KLATSCH_ROLE_OWNER : KLATSCH_ROLE_MODERATOR));
    }
    klatsch_members_free(members);
    OK(klatsch_engine_tell_user(engine, KLATSCH_TEXT("ann-1"), KLATSCH_TEXT("at noon"), &error));
    client_hears(ann, "{\"on\":\"tell\",\"data\":\"at noon\"}");
    FAILS(KLATSCH_UNKNOWN_USER, klatsch_engine_tell_user(engine, KLATSCH_TEXT("eve"), KLATSCH_TEXT("x"), &error));
}

static void a_message_has_what_only_some_have(struct client *ann)
{
    klatsch_messages_t *messages = NULL;
    client_say(ann, "{\"id\":2,\"do\":\"send\",\"room\":\"den\",\"mid\":\"a-1\",\"text\":\"one\",\"data\":{\"x\":[1, 2]}}");
    client_hears(ann, "{\"id\":2,\"ok\"");
    client_say(ann, "{\"id\":3,\"do\":\"react\",\"room\":\"den\",\"offset\":1,\"mid\":\"a-2\",\"emoji\":\"\xF0\x9F\x91\x8D\","
                    "\"add\":true}");
    client_hears(ann, "{\"id\":3,\"ok\"");
    client_say(ann, "{\"id\":4,\"do\":\"edit\",\"room\":\"den\",\"offset\":1,\"mid\":\"a-3\",\"text\":\"two\"}");
    client_hears(ann, "{\"id\":4,\"ok\"");
    next_heard(record, KLATSCH_EVENT_MESSAGE);
    OK(klatsch_engine_history(engine, KLATSCH_TEXT("den"), 0, 9, &messages, &error));
    CHECK(klatsch_messages_count(messages) == 1);
    const klatsch_message_t *message = klatsch_messages_at(messages, 0);
    CHECK(is(message->text, "two") && is(message->mid, "a-1") && is(message->data, "{\"x\":[1, 2]}"));
    CHECK(message->revision == 1 && message->reply_to == 0 && !message->is_deleted && message->reaction_count == 1);
    CHECK(is(message->reactions[0].emoji, "\xF0\x9F\x91\x8D") && message->reactions[0].user_count == 1);
    CHECK(is(message->reactions[0].users[0], "ann-1"));
    klatsch_messages_free(messages);
}

static void a_host_moderates(struct client *ann)
{
    klatsch_position_t position = { 0, 0 };
    klatsch_messages_t *messages = NULL;
    klatsch_moderation_t act = { .size = sizeof act, .act = KLATSCH_MODERATION_TOPIC, .topic = { KLATSCH_TEXT("tea") } };
    const struct {
        klatsch_moderation_t act;
        const char *seen;
    } acts[] = {
        { { .act = KLATSCH_MODERATION_TOPIC, .topic = { KLATSCH_TEXT("tea") } }, "\"act\":\"topic\",\"value\":\"tea\"" },
        { { .act = KLATSCH_MODERATION_SLOW, .seconds = 7 }, "\"act\":\"slow\",\"value\":7" },
        { { .act = KLATSCH_MODERATION_SLOW }, "\"act\":\"slow\",\"value\":0" },
        { { .act = KLATSCH_MODERATION_MUTE, .user = { KLATSCH_TEXT("eve") }, .seconds = 5 },
          "\"act\":\"mute\",\"user\":\"eve\",\"seconds\":5" },
        { { .act = KLATSCH_MODERATION_BAN, .user = { KLATSCH_TEXT("eve") }, .seconds = KLATSCH_FOR_GOOD },
          "\"act\":\"ban\",\"user\":\"eve\",\"at\"" },
        { { .act = KLATSCH_MODERATION_UNBAN, .user = { KLATSCH_TEXT("eve") } }, "\"act\":\"unban\",\"user\":\"eve\"" },
        { { .act = KLATSCH_MODERATION_ROLE, .user = { KLATSCH_TEXT("eve") }, .role = KLATSCH_ROLE_GUEST },
          "\"act\":\"role\",\"user\":\"eve\",\"value\":\"guest\"" },
        { { .act = KLATSCH_MODERATION_CLEAR, .user = { KLATSCH_TEXT("ann-1") } }, "\"act\":\"clear\",\"user\":\"ann-1\"" },
        { { .act = KLATSCH_MODERATION_CLEAR }, "\"act\":\"clear\",\"at\"" },
        { { .act = KLATSCH_MODERATION_KICK, .user = { KLATSCH_TEXT("cy-1") } }, "\"act\":\"kick\",\"user\":\"cy-1\"" },
    };
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        act = acts[i].act;
        act.size = sizeof act;
        OK(klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &act, &position, &error));
        CHECK(position.offset == 4 + i);
        client_hears(ann, "\"on\":\"moderation\"");
        CHECK(strstr((char *)ann->frame, acts[i].seen));
    }
    OK(klatsch_engine_history(engine, KLATSCH_TEXT("den"), 0, 9, &messages, &error));
    CHECK(klatsch_messages_at(messages, 0)->is_deleted && klatsch_messages_at(messages, 0)->text.length == 0);
    klatsch_messages_free(messages);

    FAILS(KLATSCH_UNKNOWN_USER, klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &act, NULL, &error));
    FAILS(KLATSCH_UNKNOWN_ROOM, klatsch_engine_moderate(engine, KLATSCH_TEXT("nosuch"), &act, NULL, &error));
    act.user = (klatsch_text_t){ NULL, 0 };
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &act, NULL, &error));
    act.act = 9;
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &act, NULL, &error));
    act = (klatsch_moderation_t){ .size = sizeof act, .act = KLATSCH_MODERATION_ROLE, .user = { KLATSCH_TEXT("eve") } };
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), &act, NULL, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_moderate(engine, KLATSCH_TEXT("den"), NULL, NULL, &error));
}

int main(void)
{
    alarm(DEADLINE_SECONDS);
    struct client ann, bob, cy;
    engine = engine_with(ask);
    record = record_new();
    OK(klatsch_engine_on_event(engine, on_event, record, NULL, &error));
    OK(klatsch_engine_start(engine, &error));
    port = port_of(engine);

    a_host_lets_people_in(&ann, &bob, &cy);
    a_host_says_who_is_where(&ann, &bob);
    a_message_has_what_only_some_have(&ann);
    a_host_moderates(&ann);

    client_say(&bob, "{\"id\":4,\"do\":\"call\",\"method\":\"weather\",\"data\":[\"Wien\"]}");
    client_hears(&bob, "{\"id\":4,\"ok\":{\"degrees\":-3.5}}");
    client_say(&bob, "{\"id\":5,\"do\":\"call\",\"method\":\"fortune\",\"data\":null}");
    client_hears(&bob, "\"message\":\"not that\"");
    OK(klatsch_engine_leave(engine, KLATSCH_TEXT("den"), KLATSCH_TEXT("ann-1"), &error));
    client_hears(&ann, "\"on\":\"removed\",\"room\":\"den\"");

    OK(klatsch_engine_ban(engine, KLATSCH_TEXT("cy-1"), 60, &error));
    CHECK(client_closed(&cy) == 4002);
    client_say(&bob, "{\"id\":6,\"do\":\"send\",\"to\":\"cy-1\",\"mid\":\"b-1\",\"text\":\"psst\"}");
    client_hears(&bob, "{\"id\":6,");
    OK(klatsch_engine_ban(engine, KLATSCH_TEXT("cy-1"), 0, &error));
    FAILS(KLATSCH_INVALID_ARGUMENT, klatsch_engine_ban_address(engine, KLATSCH_TEXT("127.0.0.1:80"), 1, &error));
    OK(klatsch_engine_ban_address(engine, KLATSCH_TEXT("127.0.0.1"), KLATSCH_FOR_GOOD, &error));
    CHECK(client_closed(&bob) == 4002 && client_closed(&ann) == 4002);

    OK(klatsch_engine_free(engine));
    client_close(&ann);
    client_close(&bob);
    client_close(&cy);
    record_free(record);
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
