"""One measurement in a process of its own: `python measure.py SCENARIO PEER PORT` prints its figures as JSON."""

from __future__ import annotations

import json
import os
import sys

from scenarios import SCENARIOS

if __name__ == "__main__":
    figures = SCENARIOS[sys.argv[1]].measure(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(figures), flush=True)
    # Streams that are still open, and threads that still burn, are not to be waited for.
    os._exit(0)
