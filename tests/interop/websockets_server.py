"""Python's websockets as a server: sends every message back, and closes with 4002 when it is asked to.

Run: python websockets_server.py plain|deflate; it prints its address.
"""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(connection):
    try:
        async for message in connection:
            if message == "close":
                await connection.close(4002, "tschüs")
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass  # With its code, which is the client's to look at.


async def main():
    compression = "deflate" if sys.argv[1] == "deflate" else None
    async with serve(echo, "127.0.0.1", 0, compression=compression, max_size=2 << 20) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"ws://127.0.0.1:{port}/", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
