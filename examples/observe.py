"""Where does the time go? A hook sees each call's steps: connecting, loading the model, generating.

It draws a bar for each call: `.` until there was a connection, `-` until the first token came, `#` until the last.
"""

from __future__ import annotations

import ollama_sync as ollama
from ollama_sync.events import Connected, Event, Failed, Finished

WIDTH = 60


class Steps:
    """Draws the calls. What it looks at is told on one thread, so it needs no lock."""

    def __init__(self) -> None:
        self.connected: dict[int, float] = {}
        self.lines: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.connected[event.call.id] = event.seconds
        elif isinstance(event, (Finished, Failed)):
            connected = self.connected.pop(event.call.id, event.seconds)
            first = event.received.first_part or event.seconds
            ends = [round(WIDTH * end / event.seconds) for end in (connected, first)]
            bar = ("." * ends[0]).ljust(ends[1], "-").ljust(WIDTH, "#")
            self.lines.append(f"{bar} {event.seconds:.2f} s, {event.received.parts} parts")


def main() -> None:
    with ollama.Client(observe=(steps := Steps())) as client:
        for subject in ("tea", "coffee", "water"):
            client.generate("llama3.2", f"A line on {subject}.", stream=True).result()
    print(*steps.lines, sep="\n")


if __name__ == "__main__":
    main()
