"""What every Python client shares: the messages, the deadlines, the last line. README.md says what is checked."""

import os
import ssl
import sys
import threading
import traceback

TEXT = "Grüße, 世界 – привет 👋🏽"
BYTES = bytes(range(256))
BIG = bytes((at * 31 + (at >> 8)) & 255 for at in range(1 << 20))
PART_BYTES = 65_536
PARTS = [BIG[at : at + PART_BYTES] for at in range(0, len(BIG), PART_BYTES)]
TOO_LONG = b"x" * 100_000
PING = b"are you there?"
CLOSE = (4001, "tschüs")
WAIT_S = 15
ALL_S = 60


def tls():
    """The context that trusts the given authority, or None without one."""
    return ssl.create_default_context(cafile=sys.argv[3]) if len(sys.argv) > 3 else None


def same(got, wanted, what):
    if got != wanted:
        short = repr(got)[:200]
        raise AssertionError(f"{what}: {short} instead of {repr(wanted)[:200]}")


def closed_for_its_length(code, reason):
    same(code, 1009, "the code of a message too long")
    if "max_message_bytes" not in reason:
        raise AssertionError(f"the reason does not name the limit: {reason!r}")
    return "closed:1009"


def play(name, modes, talk, be_closed):
    """Plays both halves in each mode; `talk(url, mode)` gives the checks that it made, `be_closed(url, mode)` one."""
    watch = threading.Timer(ALL_S, lambda: fail(name, f"not done in {ALL_S} s"))
    watch.daemon = True
    watch.start()
    try:
        checks = []
        for mode in modes:
            checks += [f"{mode}:", *talk(sys.argv[1], mode), be_closed(sys.argv[2], mode)]
        print("ok", name, *checks, flush=True)
    except BaseException:
        fail(name, traceback.format_exc())


def fail(name, words):
    print(f"{name}: {words}", file=sys.stderr, flush=True)
    os._exit(1)
