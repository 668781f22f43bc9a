"""How does one get data out of a text? The type is given as `format=`, and the answer is a checked object of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import ollama_sync as ollama

LETTER = """Dear all, the kettle on the second floor has been leaking since Monday, and the
tap beside it drips. Could someone look at the kettle today, before it reaches the socket?"""


@dataclass
class Fault:
    thing: str
    floor: int | None
    urgency: Literal["low", "high"]


@dataclass
class Report:
    faults: list[Fault]


def main() -> None:
    prompt = f"List the faults that this letter reports.\n\n{LETTER}"
    try:
        report: Report = ollama.generate("llama3.2", prompt, format=Report).parsed
    except ollama.FormatError as error:  # the answer was cut short, or is no Report
        print(f"Not understood: {error}")
        return
    for fault in report.faults:
        print(f"{fault.thing}, floor {fault.floor}: {fault.urgency}")


if __name__ == "__main__":
    main()
