"""How does one have several servers answer many prompts? A `Fleet` and `map`: each call goes where a place is free.

A server that breaks costs no prompt. OLLAMA_HOSTS names the servers here, as "gpu1,gpu2"; without it there is one.
"""

from __future__ import annotations

import os

import ollama_sync as ollama

WORDS = ["tea", "coffee", "water", "milk", "juice", "wine", "beer", "cocoa"]


def request(word: str) -> dict[str, str]:
    return {"prompt": f"One sentence about {word}."}


def main() -> None:
    hosts = os.environ.get("OLLAMA_HOSTS") or os.environ.get("OLLAMA_HOST") or "127.0.0.1"
    with (
        ollama.Fleet(hosts.split(","), parallel=4) as fleet,
        fleet.map("generate", WORDS, request=request, model="llama3.2") as outcomes,
    ):
        for outcome in outcomes:
            text = outcome.get().response if outcome.ok else f"failed: {outcome.error}"
            print(f"{outcome.item} ({outcome.host}): {text}")


if __name__ == "__main__":
    main()
