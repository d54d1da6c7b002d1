// The part of host.c that says who may be where, and do what there. Included there, behind what it stands on.
#ifndef HOST_PEOPLE_H
#define HOST_PEOPLE_H

static void do_tell_user(char **field)
{
    just_reply(klatsch_engine_tell_user(engine, TEXT(field[0]), TEXT(field[1]), &error));
}

static void do_join(char **field)
{
    just_reply(klatsch_engine_join(engine, TEXT(field[0]), TEXT(field[1]), &error));
}

static void do_leave(char **field)
{
    just_reply(klatsch_engine_leave(engine, TEXT(field[0]), TEXT(field[1]), &error));
}

// The number of a name in a list that ends with NULL, counted from 1; 0: it is not there.
static uint32_t place_of(const char *name, const char *const *names)
{
    for (uint32_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return i + 1;
    return 0;
}

static uint32_t role_of(const char *name)
{
    static const char *const ROLES[] = { "owner", "moderator", "member", "guest", NULL };
    return place_of(name, ROLES);
}

static uint64_t seconds_of(const char *field)
{
    return *field ? number(field) : KLATSCH_FOR_GOOD;
}

static void do_moderate(char **field)
{
    static const char *const ACTS[] = { "kick", "mute", "ban", "unban", "slow", "topic", "role", "clear", NULL };
    klatsch_moderation_t act = { .size = sizeof act, .act = place_of(field[1], ACTS) };
    klatsch_position_t position = { 0, 0 };
    if (*field[2])
        act.user = (klatsch_text_t){ TEXT(field[2]) };
    act.seconds = seconds_of(field[3]);
    act.topic = (klatsch_text_t){ TEXT(field[3]) };
    act.role = role_of(field[3]);
    klatsch_code_t code = klatsch_engine_moderate(engine, TEXT(field[0]), &act, &position, &error);
    reply_position(code, position);
}

static uint32_t choice(const char *field)
{
    return !*field ? KLATSCH_AS_IT_IS : strcmp(field, "true") == 0 ? KLATSCH_YES : KLATSCH_NO;
}

static void do_set_room(char **field)
{
    klatsch_room_options_t set = { .size = sizeof set, .is_private = choice(field[1]), .is_read_only = choice(field[2]) };
    set.max_member_count = *field[3] && number(field[3]) == 0 ? KLATSCH_NO_LIMIT : number(field[3]);
    set.history_kept = number(field[4]);
    just_reply(klatsch_engine_set_room(engine, TEXT(field[0]), &set, &error));
}

// Reads USER NAME ROLE ROOMS EXPIRES_AT_MS, with commas between the rooms, which are cut apart in place.
static klatsch_admission_t admission_of(char **field, klatsch_text_t *rooms)
{
    klatsch_admission_t admission = {
        .size = sizeof admission, .role = role_of(field[2]), .user = { TEXT(field[0]) }, .name = { TEXT(field[1]) },
        .rooms = rooms, .expires_at_ms = number(field[4]),
    };
    for (char *rest = field[3], *room; *field[3] && admission.room_count < MAX_ROOMS && (room = strsep(&rest, ","));)
        rooms[admission.room_count++] = (klatsch_text_t){ TEXT(room) };
    return admission;
}

static void do_ticket(char **field)
{
    char ticket[KLATSCH_TICKET_BYTES];
    klatsch_text_t rooms[MAX_ROOMS];
    klatsch_admission_t admission = admission_of(field + 1, rooms);
    klatsch_code_t code = klatsch_engine_ticket(engine, &admission, number(field[0]), ticket, sizeof ticket, &error);
    reply(code);
    if (code == KLATSCH_OK)
        put_name(ticket);
    end();
}

static void do_ban(char **field)
{
    just_reply(klatsch_engine_ban(engine, TEXT(field[0]), seconds_of(field[1]), &error));
}

static void do_ban_address(char **field)
{
    just_reply(klatsch_engine_ban_address(engine, TEXT(field[0]), seconds_of(field[1]), &error));
}

#endif
