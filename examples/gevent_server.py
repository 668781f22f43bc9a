"""How does a gevent server stream answers to many browsers at once? A greenlet for each; nothing need be patched for it.

Run it by `python gevent_server.py 8000` and ask by `curl -N "localhost:8000/?tea"`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from gevent.pywsgi import WSGIServer

import ollama_sync as ollama


def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterator[bytes]:
    question = [{"role": "user", "content": unquote_plus(environ["QUERY_STRING"])}]
    # The server closes this iterator when the browser has left: that ends the stream, and the model stops.
    with ollama.chat("llama3.2", question, stream=True) as stream:
        start("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        for tokens in stream.tokens():
            yield "".join(tokens).encode()


if __name__ == "__main__":
    server = WSGIServer(("127.0.0.1", int(sys.argv[1])), application)
    server.start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
