// A WebSocket client of a screenful, for tests: one frame out, one frame in (RFC 6455, section 5).
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9 };

struct client {
    int socket;
    unsigned char frame[70000]; // the last frame's payload, with a NUL behind it
    size_t length;
};

static inline int tcp_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct timeval deadline = { .tv_sec = 20 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static inline void read_all(int fd, void *to, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = recv(fd, (char *)to + done, length - done, 0);
        CHECK(count > 0);
        done += (size_t)count;
    }
}

static inline int request_of(char *request, size_t capacity, int port, const char *target, const char *more)
{
    return snprintf(request, capacity,
                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                    target, port, more);
}

// Reads the answer's head, gives its status.
static inline int handshake_status(int fd)
{
    char head[4096];
    size_t length = 0;
    do {
        CHECK(length + 1 < sizeof head);
        read_all(fd, head + length++, 1);
        head[length] = '\0';
    } while (length < 4 || strcmp(head + length - 4, "\r\n\r\n") != 0);
    CHECK(strncmp(head, "HTTP/1.1 ", 9) == 0);
    return atoi(head + 9);
}

// Opens a WebSocket; gives the status, 101 when it is open.
static inline int client_open(struct client *client, int port, const char *target, const char *more_headers)
{
    char request[1024];
    int length = request_of(request, sizeof request, port, target, more_headers);
    client->socket = tcp_connect(port);
    client->length = 0;
    CHECK(send(client->socket, request, (size_t)length, MSG_NOSIGNAL) == length);
    return handshake_status(client->socket);
}

static inline void client_send(struct client *client, int opcode, const void *data, size_t length)
{
    static const unsigned char mask[4] = { 0x12, 0x34, 0x56, 0x78 };
    unsigned char frame[1100] = { (unsigned char)(0x80 | opcode) };
    size_t head = 2;
    CHECK(length <= 1024);
    if (length < 126) {
        frame[1] = (unsigned char)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
        head = 4;
    }
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < length; i++)
        frame[head + 4 + i] = ((const unsigned char *)data)[i] ^ mask[i % 4];
    CHECK(send(client->socket, frame, head + 4 + length, MSG_NOSIGNAL) == (ssize_t)(head + 4 + length));
}

static inline void client_say(struct client *client, const char *text)
{
    client_send(client, FRAME_TEXT, text, strlen(text));
}

// Reads a frame that is no ping; gives its opcode.
static inline int client_read(struct client *client)
{
    int opcode;
    do {
        unsigned char head[2], longer[8];
        read_all(client->socket, head, 2);
        opcode = head[0] & 15;
        client->length = head[1] & 127;
        size_t more = client->length == 126 ? 2 : client->length == 127 ? 8 : 0;
        if (more) {
            client->length = 0;
            read_all(client->socket, longer, more);
            for (size_t i = 0; i < more; i++)
                client->length = client->length << 8 | longer[i];
        }
        CHECK(client->length < sizeof client->frame);
        read_all(client->socket, client->frame, client->length);
        client->frame[client->length] = '\0';
    } while (opcode == FRAME_PING);
    return opcode;
}

// Reads until a text has `part` in it.
static inline void client_hears(struct client *client, const char *part)
{
    do {
        CHECK(client_read(client) == FRAME_TEXT);
    } while (!strstr((char *)client->frame, part));
}

// Reads until the connection is closed; gives the close code.
static inline int client_closed(struct client *client)
{
    while (client_read(client) != FRAME_CLOSE) {
    }
    CHECK(client->length >= 2);
    return client->frame[0] << 8 | client->frame[1];
}

// Comes into a room under a name.
static inline void client_join(struct client *client, int port, const char *room, const char *name)
{
    char target[128];
    snprintf(target, sizeof target, "/?room=%s", room);
    CHECK(client_open(client, port, target, "") == 101);
    client_say(client, name);
    client_hears(client, "{\"type\":\"color\",\"data\":\"");
}

static inline void client_close(struct client *client)
{
    close(client->socket);
}

#endif
