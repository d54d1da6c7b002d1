"""Runs Autobahn's cases against an echo server and prints one line for each:
case, verdict, verdict on the closing handshake, and the smallest set it is in.

Run: python run.py ws://127.0.0.1:9001 quick|full
Needs kosoku, a port of the Autobahn test suite, from PyPI. What is not as it should be goes to standard error,
in the suite's own words.
"""

import asyncio
import fnmatch
import os
import sys

from kosoku import FailureError, run_fuzzingclient

# Connections that are tested at the same time.
CONCURRENCY = 8
# One group may take so long, in seconds: a server that hangs is found, not waited for.
GROUP_TIMEOUT_S = 600

CORE = [f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 10)]
# Section 9 measures: 9.1 and 9.2 one large message, 9.3 and 9.4 the same in fragments of growing size, 9.5 and 9.6 in
# pieces of growing size, 9.7 and 9.8 a thousand small ones. The quick set leaves out the megabytes.
LIMITS_QUICK = [["9.1.1", "9.1.2", "9.2.1", "9.2.2", "9.3.8", "9.4.8", "9.5.5", "9.6.5", "9.7.1", "9.8.1"]]
LIMITS_FULL = [[f"9.{part}.*"] for part in range(1, 9)]
# Compression: 1 to 6 are messages of 16 bytes to 8 KiB, 11 is one in fragments.
COMPRESSED = [f"12.{part}" for part in range(1, 6)] + [f"13.{part}" for part in range(1, 8)]
COMPRESSED_QUICK = [[f"{group}.{case}" for case in (1, 2, 3, 4, 5, 6, 11)] for group in COMPRESSED]
COMPRESSED_FULL = [[f"{group}.*"] for group in COMPRESSED]

SETS = {
    "quick": [[group] for group in CORE] + LIMITS_QUICK + COMPRESSED_QUICK,
    "full": [[group] for group in CORE] + LIMITS_FULL + COMPRESSED_FULL,
}



def tell(results):
    for result in results:
        case = result.case_id
        print(case, result.behavior.value, result.behavior_close.value, smallest_set(case))
        if not result.passed or result.behavior.value not in ("OK", "INFORMATIONAL"):
            print(f"{case}: {result.result} | {result.result_close}", file=sys.stderr)
    sys.stdout.flush()


def smallest_set(case):
    patterns = [pattern for group in SETS["quick"] for pattern in group]
    return "quick" if any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns) else "full"


async def run(url, groups):
    for group in groups:
        try:
            running = run_fuzzingclient(url, group, None, concurrency=CONCURRENCY)
            results = await asyncio.wait_for(running, GROUP_TIMEOUT_S)
        except FailureError as error:
            results = error.results
        tell(results)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], SETS[sys.argv[2]]))
    sys.stdout.flush()
    # The library may abort while the interpreter shuts down, when everything is done and told.
    os._exit(0)
