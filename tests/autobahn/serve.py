"""Is the server of Autobahn's cases for a client under test, and then prints one line for each as run.py does.

Run: python serve.py quick|full
The first line is the address. The client asks /getCaseCount, goes through /runCase?case=N&agent=NAME for N from 1, and
ends the run by /updateReports?agent=NAME.
"""

import asyncio
import os
import sys

from kosoku import FailureError, run_fuzzingserver
from run import SETS, tell


async def serve(groups):
    cases = [pattern for group in groups for pattern in group]
    async with run_fuzzingserver(cases, host="127.0.0.1", port=0) as server:
        print(f"ws://{server.address}:{server.port}", flush=True)
        try:
            results = await server.get_result()
        except FailureError as error:
            results = error.results
        tell(results)


if __name__ == "__main__":
    asyncio.run(serve(SETS[sys.argv[1]]))
    sys.stdout.flush()
    # As in run.py.
    os._exit(0)
