"""Make the README's picture of the chat: `python tests/browser/screenshot.py docs/chat.png [dark] [phone]`.

With a folder in its place, one of each scene is made, in light and dark, for a desk and a phone: look at them after a change of the page.

Plays conversations to the page by a mock of Ollama. Needs Playwright and Chromium, and looks
best with the fonts Inter and JetBrains Mono (Debian: fonts-inter, fonts-jetbrains-mono).
"""

from __future__ import annotations

import runpy
import shutil
import sys
import threading
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from werkzeug.serving import make_server

from ollama_sync.testing import Gate, MockOllama, chunk, end, head, reply, silence, wait

APP = Path(__file__).parents[2] / "examples" / "flask_chat" / "app.py"
SIZES: dict[bool, ViewportSize] = {
    False: {"width": 1280, "height": 850},
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

LONG = (
    """# How tides come about

The moon pulls at the whole Earth, but **more strongly at what is near**. What stretches the sea is the *difference*.

1. The water towards the moon is pulled most.
2. The Earth itself is pulled less.
3. The water on the far side is pulled least, and stays behind:
   - hence a second mountain of water,
   - and two high tides a day.

> The tides follow the moon; the moon does not hurry for anybody.

## The sun's part

The sun is heavier and farther away. Its tides are not quite half as high: `0.46` of the moon's.

| position | who pulls | tide | range at Brest |
|:--|:--|:--|--:|
| new moon | sun and moon, together | spring tide | 6.1 m |
| half moon | across each other | neap tide | 2.8 m |
| full moon | from opposite sides | spring tide | 6.0 m |

```js
const spring = (moon, sun) => moon + sun   // at new and full moon
const neap = (moon, sun) => moon - sun
console.log(spring(1, 0.46) / neap(1, 0.46))
```

### What else matters

A bay can swing like a bathtub. Where its own time is near that of the tide, as in the [Bay of Fundy](https://example.org/fundy), the range grows to sixteen metres. In a sea that is nearly closed there is next to none.

"""
    + "The shape of the coast decides where the water goes, and how long it takes to get there. "
    * 12
    + "\n\n---\n\nSources: none; ask a harbour master."
)


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


def show_error(page: Page, server: MockOllama) -> None:
    """An answer that broke off, and a question that was refused."""
    broken = {"error": "llama runner process has terminated: out of memory"}
    server.script([head(), say("The sea has three tides"), chunk(broken), end()])
    ask(page, "How do tides come about?", "out of memory")
    server.script([reply({"error": "model 'qwen3:8b' not found"}, status=404)], path="/api/chat")
    ask(page, "And why are there two a day?", "not found")


def show_offline(page: Page, server: MockOllama) -> None:
    """A network that is lost in mid-answer."""
    server.script([head(), say("The moon pulls at the water that is nearest to it"), wait(Gate())])
    ask(page, "How do tides come about?", "nearest to it")
    page.context.set_offline(True)
    expect(page.get_by_text("The connection is lost")).to_be_visible()


def show_down(page: Page, server: MockOllama) -> None:
    """A server of the models that is not there."""
    server.script([reply({"error": "overloaded"}, status=503)] * 9, path="/api/tags")
    page.reload()
    expect(page.locator("#model.down")).to_be_visible()


def show_long(page: Page, server: MockOllama) -> None:
    """An answer with everything in it, whose reader has scrolled back."""
    server.script([head(), say(LONG), say(eval_count=931, eval_duration=17_400_000_000), end()])
    ask(page, "Explain tides to me, in full.", "Sources")
    page.locator("#log").evaluate("log => { log.scrollTop = log.scrollHeight / 3 }")
    expect(page.get_by_role("button", name="Jump to the latest")).to_be_visible()


def show_end(page: Page, server: MockOllama) -> None:
    """The end of that answer."""
    show_long(page, server)
    page.get_by_role("button", name="Jump to the latest").click()


def show_thinking(page: Page, server: MockOllama) -> None:
    """A model that thinks."""
    server.script([head(), say(thinking=f"{THOUGHTS} " * 3), wait(Gate())])
    ask(page, SKY, "Rayleigh")


def show_waiting(page: Page, server: MockOllama) -> None:
    """A model that is being loaded."""
    server.script([silence()])
    page.get_by_role("textbox", name="Message").fill("Are you there?")
    page.keyboard.press("Enter")
    expect(page.locator(".waiting").last).to_be_visible()


def show_settings(page: Page, server: MockOllama) -> None:
    """The settings of a conversation."""
    page.get_by_role("button", name="Settings").click()


def show_edit(page: Page, server: MockOllama) -> None:
    """A question that is edited."""
    server.script([head(), say("Twice a day."), say(eval_count=3, eval_duration=60_000_000), end()])
    ask(page, "How often is it high tide?", "Twice")
    page.get_by_role("button", name="Edit the message").click()


SCENES: dict[str, Callable[[Page, MockOllama], None]] = {
    "chat": play,
    "welcome": lambda page, server: None,
    "waiting": show_waiting,
    "thinking": show_thinking,
    "long": show_long,
    "end": show_end,
    "error": show_error,
    "offline": show_offline,
    "down": show_down,
    "settings": show_settings,
    "edit": show_edit,
}


def take(browser: Browser, path: Path, scene: str, *words: str) -> None:
    """Write one picture."""
    models = ["qwen3:8b", "llama3.2:latest"]
    with MockOllama(models=models) as mock:
        app = runpy.run_path(str(APP), run_name="chat")["app"]
        app.config["OLLAMA_HOST"] = mock.url
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(
            viewport=SIZES["phone" in words],
            color_scheme="dark" if "dark" in words else "light",
            reduced_motion="reduce",
        )
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_label("Model", exact=True).select_option(models[0])
        SCENES[scene](page, mock)
        page.screenshot(path=path)
        page.close()
        server.shutdown()


def main(path: str, *words: str) -> None:
    """Write the README's picture to `path`; or, where that is a folder, one of each scene in each width and colour, or of those named."""
    sys.path.insert(0, str(APP.parent))  # as `flask --app` has it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        if Path(path).is_dir():
            kinds = product(words or SCENES, ("light", "dark"), ("wide", "phone"))
            for scene, colour, size in kinds:
                take(browser, Path(path, f"{scene}-{colour}-{size}.png"), scene, colour, size)
        else:
            take(browser, Path(path), "chat", *words)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
