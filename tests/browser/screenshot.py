"""Make the README's picture of the chat: `python tests/browser/screenshot.py docs/chat.png [dark] [phone]`.

Plays conversations to the page by a mock of Ollama, and holds the last answer in its midst. Needs Playwright and Chromium, and looks
best with the fonts Inter and JetBrains Mono (Debian: fonts-inter, fonts-jetbrains-mono).
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

from ollama_sync.testing import Gate, MockOllama, chunk, end, head, wait

APP = Path(__file__).parents[2] / "examples" / "flask_chat" / "app.py"
SIZES: dict[bool, ViewportSize] = {
    False: {"width": 1200, "height": 850},
    True: {"width": 360, "height": 780},
}

OTHERS = [
    ("Plan a day by train from Lyon", "Take the early train to Annecy", False),
    ("Three teas for a cold evening", "Rooibos, ginger, Assam.", True),
    ("Rename files by their date in bash", "Use `stat` and `mv`.", True),
]
SKY = "Why is the sky blue at noon and red in the evening? With numbers, please."
THOUGHTS = "Noon against evening: the path through the air differs. Rayleigh, then figures."
BLUE = """Air **scatters** short waves far more than long ones. At noon *blue* reaches you from every side; in the evening the light crosses \
much more air, and only the *red* is left.

| colour | wavelength | scattered, red = 1 |
|:-------|-----------:|-------------------:|
| red    |     700 nm |                1.0 |
| green  |     530 nm |                3.0 |
| blue   |     450 nm |            **5.9** |

The last column is Rayleigh's law:

```python
def scattering(nm: float, red: float = 700) -> float:
    return (red / nm) ** 4

print(f"{scattering(450):.1f}")    # 5.9
```

So blue light is scattered about `5.9` times as"""


def say(text: str = "", thinking: str = "", second: int = 0, **metrics: Any) -> Any:
    part = {
        "model": "qwen3:8b",
        "created_at": f"2025-06-01T10:00:{second:02}Z",
        "message": {"role": "assistant", "content": text, "thinking": thinking},
    }
    return chunk({**part, "done": bool(metrics), **metrics})


def ask(page: Page, question: str, answer: str) -> None:
    page.get_by_role("textbox", name="Message").fill(question)
    page.keyboard.press("Enter")
    expect(page.get_by_role("article").last).to_contain_text(answer)


def play(page: Page, server: MockOllama) -> None:
    """Have conversations: one that is answered out of sight, two that are complete, and the one that is shown."""
    metrics: dict[str, Any] = {"eval_count": 214, "eval_duration": 3_910_000_000}
    never = Gate()
    for question, answer, is_done in OTHERS:
        server.script(
            [head(), say(answer), *([say(**metrics), end()] if is_done else [wait(never)])]
        )
        ask(page, question, answer.replace("`", ""))
        page.evaluate("document.querySelector('#new').click()")
    server.script([head(), say(thinking=THOUGHTS), say(BLUE, second=4), wait(never)])
    ask(page, SKY, "times as")


def main(path: str, *words: str) -> None:
    """Write the picture to `path`."""
    models = ["qwen3:8b", "llama3.2:latest"]
    with MockOllama(models=models) as mock, sync_playwright() as playwright:
        sys.path.insert(0, str(APP.parent))  # as `flask --app` has it
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
        page.get_by_label("Model", exact=True).select_option(models[0])
        play(page, mock)
        if "open" in words:
            page.get_by_role("button", name="Conversations").click()
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
