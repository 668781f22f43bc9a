"""Every error that the SDK raises, as one tree.

    OllamaError
    ├── ResponseError                the server answered, and said no
    ├── ConnectError                 no connection: nothing listens, name unknown, TLS refused  (also ConnectionError)
    │   └── FleetDown                no server of a fleet could take the call
    ├── WaitTimeout                  a clock ran out                                            (also TimeoutError)
    │   ├── ConnectTimeout           before there was a connection
    │   ├── FirstTimeout             before the first byte of the reply
    │   ├── IdleTimeout              between two bytes of the reply
    │   └── TotalTimeout             before the end of the reply
    ├── StreamBroken                 the reply began and did not end as it should; `.partial` has what arrived
    │   └── ErrorLine                the server reported an error in mid-stream                 (also ResponseError)
    ├── FormatError                  the reply does not fit the type asked for by `format=`         (also ValueError)
    ├── StreamsFailed                some of the streams given to `merge` failed
    ├── FleetBusy                    too many calls wait for a server of a fleet
    ├── UsageError                   the program that calls is at fault
    │   ├── RequestError             a wrong argument                                           (also ValueError)
    │   ├── ClosedError              the client or the stream was closed
    │   ├── ConcurrentUseError       a second consumer for one stream
    │   └── ForkedError              a stream of the parent process used in a forked child
    └── HubError                     the hub cannot serve: the interpreter exits, or a bug of the SDK

Runs on any thread. May not import anything of the package. Each error keeps its facts as attributes, builds its text
from them, and can be pickled. The files below sort them by whose fault they are; each error says that it lives here.
"""

from __future__ import annotations

from ollama_sync.errors._base import HubError, OllamaError
from ollama_sync.errors._many import FleetBusy, FleetDown, StreamsFailed
from ollama_sync.errors._server import (
    ConnectError,
    ErrorLine,
    FormatError,
    ResponseError,
    StreamBroken,
)
from ollama_sync.errors._usage import (
    ClosedError,
    ConcurrentUseError,
    ForkedError,
    RequestError,
    UsageError,
)
from ollama_sync.errors._waits import (
    ConnectTimeout,
    FirstTimeout,
    IdleTimeout,
    TotalTimeout,
    WaitTimeout,
)

__all__ = [
    "ClosedError",
    "ConcurrentUseError",
    "ConnectError",
    "ConnectTimeout",
    "ErrorLine",
    "FirstTimeout",
    "FleetBusy",
    "FleetDown",
    "ForkedError",
    "FormatError",
    "HubError",
    "IdleTimeout",
    "OllamaError",
    "RequestError",
    "ResponseError",
    "StreamBroken",
    "StreamsFailed",
    "TotalTimeout",
    "UsageError",
    "WaitTimeout",
]

for _name in __all__:
    # What a traceback, a log or a pickle calls them does not depend on the files that they are written in.
    globals()[_name].__module__ = __name__
