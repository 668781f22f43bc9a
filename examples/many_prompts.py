"""How does one thread follow many answers? `merge` gives batches of all of them as they arrive, whichever is first.

How many of them the server works on at a time is its own setting (OLLAMA_NUM_PARALLEL); the others wait in its queue.
"""

from __future__ import annotations

import ollama_sync as ollama

DRINKS = ["tea", "coffee", "water", "milk", "juice", "wine", "beer", "cocoa"]


def main() -> None:
    prompts = {drink: f"One sentence about {drink}." for drink in DRINKS}
    streams = {
        ollama.generate("llama3.2", prompt, stream=True): drink for drink, prompt in prompts.items()
    }
    texts = dict.fromkeys(DRINKS, "")
    try:
        for stream, batch in ollama.merge(streams):
            drink = streams[stream]
            texts[drink] += "".join(part.response or "" for part in batch)
            if batch[-1].done:
                print(f"{drink}: {texts[drink]}")
    except ollama.StreamsFailed as failed:  # raised at the end: the others were delivered
        for error in failed.errors:
            print(f"failed: {error}")


if __name__ == "__main__":
    main()
