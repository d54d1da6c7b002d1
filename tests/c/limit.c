// The limit of messages that is set here is the limit that is kept: one byte less, the limit, one byte more; in one
// frame, in fragments, compressed.
#include "client.h"

static uint64_t max_bytes;

static void set_limit(klatsch_options_t *options)
{
    OK(klatsch_options_max_message_bytes(options, max_bytes));
    OK(klatsch_options_raw(options, KLATSCH_TEXT("/raw"), KLATSCH_TEXT("")));
}

// Sends a masked frame of any length.
static void send_frame(struct client *client, int first, const unsigned char *data, size_t length)
{
    unsigned char *frame = calloc(1, length + 14);
    size_t head = length < 126 ? 2 : length < 65536 ? 4 : 10;
    CHECK(frame);
    frame[0] = (unsigned char)first;
    frame[1] = (unsigned char)(0x80 | (head == 2 ? length : head == 4 ? 126 : 127));
    for (size_t at = head, rest = length; at > 2; rest >>= 8)
        frame[--at] = (unsigned char)rest;
    // The mask is zero.
    memcpy(frame + head + 4, data, length);
    CHECK(send(client->socket, frame, head + 4 + length, MSG_NOSIGNAL) == (ssize_t)(head + 4 + length));
    free(frame);
}

struct bits {
    unsigned char *bytes;
    size_t count;
};

static void put(struct bits *bits, unsigned value, int width)
{
    // The first bit of a Huffman code is its highest (RFC 1951, section 3.1.1).
    while (width-- > 0) {
        if (value >> width & 1)
            bits->bytes[bits->count / 8] |= (unsigned char)(1 << bits->count % 8);
        bits->count++;
    }
}

// So many times the letter a, compressed with the fixed codes of RFC 1951, section 3.2.6. Gives the length.
static size_t deflate_letters(unsigned char *to, size_t length)
{
    struct bits bits = { to, 0 };
    size_t rest = length - 1;
    put(&bits, 2, 3);    // not the last block; fixed codes, whose number has its lowest bit first
    put(&bits, 0x91, 8); // the letter
    for (; rest >= 258; rest -= 258)
        put(&bits, 0xC5 << 5, 13); // 258 bytes as the one before
    for (; rest >= 3; rest -= 3)
        put(&bits, 1 << 5, 12); // 3 bytes
    for (; rest > 0; rest--)
        put(&bits, 0x91, 8);
    put(&bits, 0, 7 + 3); // the end, and an empty block whose length RFC 7692, section 7.2.1 takes off
    return (bits.count + 7) / 8;
}

enum way { WHOLE, FRAGMENTS, COMPRESSED, COMPRESSED_FRAGMENTS };

static void is_kept(klatsch_engine_t *engine, struct record *record, size_t length, enum way way)
{
    const char *offer = way < COMPRESSED ? "" : "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    unsigned char *data = calloc(1, length + 16);
    size_t size = length;
    struct client client;
    CHECK(data);
    if (way < COMPRESSED)
        memset(data, 'a', length);
    else
        size = deflate_letters(data, length);
    CHECK(client_open(&client, port_of(engine), "/raw", offer) == 101);
    int first = way < COMPRESSED ? FRAME_BINARY : FRAME_BINARY | 0x40;
    if (way == WHOLE || way == COMPRESSED) {
        send_frame(&client, 0x80 | first, data, size);
    } else {
        send_frame(&client, first, data, size / 3);
        send_frame(&client, 0, data, 0);
        send_frame(&client, 0x80, data + size / 3, size - size / 3);
    }
    if (length <= max_bytes) {
        struct heard heard = next_heard(record, KLATSCH_EVENT_RECEIVED);
        CHECK(heard.data_length == length && heard.payload_kind == KLATSCH_PAYLOAD_BINARY && heard.text[0] == 'a');
    } else {
        // And nothing was received: what is received next has another length.
        CHECK(client_closed(&client) == 1009);
    }
    client_close(&client);
    free(data);
}

int main(void)
{
    static const uint64_t limits[] = { 125, 1000, 65536 };
    alarm(DEADLINE_SECONDS);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        max_bytes = limits[i];
        struct record *record = record_new();
        klatsch_engine_t *engine = engine_with(set_limit);
        OK(klatsch_engine_on_event(engine, record_event, record, record_destroy, &error));
        OK(klatsch_engine_start(engine, &error));
        for (size_t length = max_bytes - 1; length <= max_bytes + 1; length++)
            for (enum way way = WHOLE; way <= COMPRESSED_FRAGMENTS; way++)
                is_kept(engine, record, length, way);
        OK(klatsch_engine_free(engine));
        free(record);
    }
    CHECK(klatsch_handle_count() == 0);
    return 0;
}
