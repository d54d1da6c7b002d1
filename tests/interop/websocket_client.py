"""Python's websocket-client as a client. It has no permessage-deflate.

Run: python websocket_client.py ECHO_URL SMALL_URL [CA_FILE]
"""

import struct
import sys

import websocket
from websocket import ABNF

from scenario import BIG, BYTES, CLOSE, PARTS, PING, TEXT, TOO_LONG, WAIT_S, closed_for_its_length, play, same


def opened(url):
    options = {"ca_certs": sys.argv[3]} if len(sys.argv) > 3 else {}
    return websocket.create_connection(url, timeout=WAIT_S, sslopt=options)


def close_frame(connection):
    opcode, frame = connection.recv_data_frame(control_frame=True)
    same(opcode, ABNF.OPCODE_CLOSE, "the opcode")
    return struct.unpack("!H", frame.data[:2])[0], frame.data[2:].decode()


def talk(url, mode):
    connection = opened(url)
    connection.send(TEXT)
    same(connection.recv(), TEXT, "the text")
    connection.send_binary(BYTES)
    same(connection.recv(), BYTES, "the bytes")
    for at, part in enumerate(PARTS):
        opcode = ABNF.OPCODE_CONT if at else ABNF.OPCODE_BINARY
        connection.send_frame(ABNF.create_frame(part, opcode, int(at == len(PARTS) - 1)))
    same(connection.recv(), BIG, "the mebibyte")
    connection.ping(PING)
    opcode, frame = connection.recv_data_frame(control_frame=True)
    same((opcode, frame.data), (ABNF.OPCODE_PONG, PING), "the pong")
    code, reason = CLOSE
    connection.send_close(code, reason.encode())
    same(close_frame(connection)[0], code, "the echoed code")
    connection.shutdown()
    # The one client here that can say what no text may hold.
    connection = opened(url)
    connection.send_frame(ABNF.create_frame(b"\xc3\x28", ABNF.OPCODE_TEXT))
    same(close_frame(connection)[0], 1007, "the code of a text that is not UTF-8")
    return ["text", "binary", f"1MiB/{len(PARTS)}", "ping", "close:4001", "closed:1007"]


def be_closed(url, mode):
    connection = opened(url)
    connection.send_binary(TOO_LONG)
    return closed_for_its_length(*close_frame(connection))


play("websocket-client", ["plain"], talk, be_closed)
