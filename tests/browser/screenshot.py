"""Make the README's picture of the chat: `python tests/browser/screenshot.py docs/chat.png [dark] [phone]`.

Plays a conversation to the page by a mock of Ollama, and holds the last answer in its midst. Needs Playwright and Chromium.
"""

from __future__ import annotations

import runpy
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright
from werkzeug.serving import make_server

from ollama_sync.testing import Gate, MockOllama, chunk, head, wait

APP = Path(__file__).parents[2] / "examples" / "flask_chat" / "app.py"
SIZES: dict[bool, ViewportSize] = {
    False: {"width": 1200, "height": 740},
    True: {"width": 390, "height": 844},
}

TRAINS = "Plan a day by train from Lyon"
TEA = "Three teas for a cold evening"
SKY = "Why is the sky blue at noon, and red in the evening?"
BLUE = """Sunlight holds all colours, and air **scatters** the short waves far more than the long ones:

- at noon the light comes straight down, and *blue* reaches you from every side
- in the evening it crosses much more air, so only the *red* is left

How much stronger, by Rayleigh's law:"""
CODE = """

```python
def scattering(wavelength: float) -> float:
    return 1 / wavelength**4

print(scattering(450) / scattering(700))    # 5.9
```

So blue light of 450 nm is scattered about `5.9` times as"""
THOUGHTS = (
    "Noon against evening: the path through the air is what differs. Rayleigh, then a figure."
)


def say(text: str = "", thinking: str = "", **metrics: Any) -> Any:
    message = {"role": "assistant", "content": text, "thinking": thinking}
    return chunk({"model": "qwen3:8b", "message": message, "done": bool(metrics), **metrics})


def ask(page: Page, question: str, answer: str) -> None:
    page.get_by_role("textbox", name="Message").fill(question)
    page.keyboard.press("Enter")
    expect(page.get_by_role("article").last).to_contain_text(answer)


def play(page: Page, server: MockOllama) -> None:
    """Have three conversations: one that is answered out of sight, one that is complete, and the one that is shown."""
    metrics: dict[str, Any] = {"eval_count": 214, "eval_duration": 3_910_000_000}
    never = Gate()
    server.script([head(), say("Take the early train"), wait(never)])
    server.script([head(), say("Rooibos, ginger, Assam."), say(**metrics)])
    server.script([head(), say(thinking=THOUGHTS), say(BLUE + CODE), wait(never)])
    ask(page, TRAINS, "early train")
    page.evaluate("document.querySelector('#new').click()")
    ask(page, TEA, "Assam")
    page.evaluate("document.querySelector('#new').click()")
    ask(page, SKY, "times as")


def main(path: str, *words: str) -> None:
    """Write the picture to `path`."""
    models = ["qwen3:8b", "llama3.2:latest"]
    with MockOllama(models=models) as mock, sync_playwright() as playwright:
        app = runpy.run_path(str(APP), run_name="chat")["app"]
        app.config["OLLAMA_HOST"] = mock.url
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(
            viewport=SIZES["phone" in words],
            color_scheme="dark" if "dark" in words else "light",
            reduced_motion="reduce",
        )
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_label("Model").select_option(models[0])
        play(page, mock)
        if "open" in words:
            page.get_by_role("button", name="Conversations").click()
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
