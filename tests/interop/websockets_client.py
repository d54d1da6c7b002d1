"""Python's websockets as a client.

Run: python websockets_client.py ECHO_URL SMALL_URL [CA_FILE]
"""

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from scenario import BIG, BYTES, CLOSE, PARTS, PING, TEXT, TOO_LONG, WAIT_S, closed_for_its_length, play, same, tls


def opened(url, mode):
    compression = "deflate" if mode == "deflate" else None
    limits = {"open_timeout": WAIT_S, "close_timeout": WAIT_S, "max_size": None}
    return connect(url, ssl=tls(), compression=compression, **limits)


def talk(url, mode):
    with opened(url, mode) as connection:
        agreed = [extension.name for extension in connection.protocol.extensions]
        same(agreed, ["permessage-deflate"] if mode == "deflate" else [], "the extensions")
        connection.send(TEXT)
        same(connection.recv(WAIT_S), TEXT, "the text")
        connection.send(BYTES)
        same(connection.recv(WAIT_S), BYTES, "the bytes")
        connection.send(PARTS)
        same(connection.recv(WAIT_S), BIG, "the mebibyte")
        same(connection.ping(PING).wait(WAIT_S), True, "the pong")
        connection.close(*CLOSE)
        same(connection.close_code, CLOSE[0], "the echoed code")
        return [*(["agreed"] if agreed else []), "text", "binary", f"1MiB/{len(PARTS)}", "ping", "close:4001"]


def be_closed(url, mode):
    with opened(url, mode) as connection:
        try:
            connection.send(TOO_LONG)
            connection.recv(WAIT_S)
        except ConnectionClosed as closed:
            return closed_for_its_length(closed.rcvd.code, closed.rcvd.reason)
        raise AssertionError("a message too long was answered")


play("websockets", ["plain", "deflate"], talk, be_closed)
