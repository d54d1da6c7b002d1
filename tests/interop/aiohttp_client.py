"""Python's aiohttp as a client. It cannot split a message.

Run: python aiohttp_client.py ECHO_URL SMALL_URL [CA_FILE]
"""

import asyncio

import aiohttp
from aiohttp import WSMsgType

from scenario import BIG, BYTES, CLOSE, PING, TEXT, TOO_LONG, WAIT_S, closed_for_its_length, play, same, tls


def opened(session, url, mode):
    compress = 15 if mode == "deflate" else 0
    # autoping and autoclose off: the pong and the close frame are shown to us.
    return session.ws_connect(url, compress=compress, autoping=False, autoclose=False, max_msg_size=0, ssl=tls() or True)


async def receive(connection):
    return await asyncio.wait_for(connection.receive(), WAIT_S)


async def talk(url, mode):
    async with aiohttp.ClientSession() as session:
        connection = await asyncio.wait_for(opened(session, url, mode), WAIT_S)
        same(bool(connection.compress), mode == "deflate", "permessage-deflate")
        await connection.send_str(TEXT)
        same((await receive(connection)).data, TEXT, "the text")
        await connection.send_bytes(BYTES)
        same((await receive(connection)).data, BYTES, "the bytes")
        await connection.send_bytes(BIG)
        same((await receive(connection)).data, BIG, "the mebibyte")
        await connection.ping(PING)
        pong = await receive(connection)
        same((pong.type, bytes(pong.data)), (WSMsgType.PONG, PING), "the pong")
        code, reason = CLOSE
        await asyncio.wait_for(connection.close(code=code, message=reason.encode()), WAIT_S)
        same(connection.close_code, code, "the close")
        return [*(["agreed"] if connection.compress else []), "text", "binary", "1MiB", "ping", "close:4001"]


async def be_closed(url, mode):
    async with aiohttp.ClientSession() as session:
        connection = await asyncio.wait_for(opened(session, url, mode), WAIT_S)
        await connection.send_bytes(TOO_LONG)
        close = await receive(connection)
        same(close.type, WSMsgType.CLOSE, "the answer to a message too long")
        return closed_for_its_length(close.data, close.extra)


play(
    "aiohttp",
    ["plain", "deflate"],
    lambda url, mode: asyncio.run(talk(url, mode)),
    lambda url, mode: asyncio.run(be_closed(url, mode)),
)
