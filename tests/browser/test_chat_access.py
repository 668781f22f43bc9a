"""The chat's page for those who use no mouse, or no screen; and in each width and colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from ollama_sync.testing import Gate, answer, chunk, end, head, silence, wait


def say(text: str = "", *, done: bool = False) -> Any:
    return chunk({"model": "m", "message": {"role": "assistant", "content": text}, "done": done})


def test_everything_is_done_by_keyboard(tab: Any, upstream: Any) -> None:
    """Enter sends, Shift+Enter does not, Escape stops; and Tab comes to all that can be clicked, in the order of the page."""
    page, keys = tab.page, tab.page.keyboard
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    upstream.script([head(), say("on and on"), silence()])
    keys.type("line 1")
    keys.press("Shift+Enter")
    keys.type("line 2")
    keys.press("Enter")
    expect(tab.answer).to_contain_text("on and on")
    assert upstream.requests[-1].json["messages"][0]["content"] == "line 1\nline 2"
    keys.press("Escape")
    upstream.wait_disconnect(timeout=15)
    expect(tab.answer).to_contain_text("Stopped before its end")

    page.reload()
    expect(page.get_by_label("Model", exact=True)).to_be_enabled()
    page.get_by_role("link", name="Skip to the message").focus()
    passed = []
    for _ in range(14):
        passed.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.localName"
            )
        )
        keys.press("Tab")
    before = ["skip", "new", "search", "a", "model", "set", "more", "log"]
    actions = ["Copy the message", "Edit the message", "Copy the answer", "Answer again"]
    assert passed == [*before, *actions, "attach", "question"]
    page.get_by_role("link", name="Skip to the message").focus()
    keys.press("Enter")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    expect(page).to_have_title("line 1 | Chat")  # the hash names a conversation still


def test_enter_that_ends_a_word_does_not_send(tab: Any, upstream: Any) -> None:
    """While a word is composed, as in Japanese, Enter is for the word."""
    box = tab.page.get_by_role("textbox", name="Message")
    box.fill("にほん")
    box.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(box).to_have_value("にほん")
    assert "/api/chat" not in [each.path for each in upstream.requests]


def test_names_and_roles(tab: Any, upstream: Any) -> None:
    """A screen reader finds landmarks, headings, and a name for each control."""
    upstream.script([answer(["# Tea\n\nIt is *green*."])])
    tab.ask("What is tea?")
    expect(tab.answer).to_contain_text("tokens/s")
    expect(tab.page.locator("body")).to_match_aria_snapshot("""
    - link "Skip to the message"
    - navigation "Conversations":
      - paragraph: Chat
      - button "New conversation"
      - text: Search the conversations
      - searchbox "Search the conversations":
        - /placeholder: Search
      - list:
        - listitem: Today
        - listitem:
          - link "What is tea?"
    - main:
      - heading "What is tea?" [level=1]
      - text: Model
      - combobox "Model"
      - button "Settings"
      - button "This conversation"
      - region "Messages":
        - article:
          - heading "You" [level=2]
          - paragraph: What is tea?
          - button "Copy the message"
          - button "Edit the message"
        - article:
          - heading [level=2]
          - heading "Tea" [level=3]
          - paragraph:
            - text: It is
            - emphasis: green
            - text: .
          - button "Copy the answer"
          - button "Answer again"
          - paragraph: /tokens/
      - button "Add a picture"
      - text: Message
      - textbox "Message":
        - /placeholder: Write a message
      - button "Send"
    - log "Announcements"
    """)


def test_an_answer_is_read_out_by_the_paragraph(tab: Any, upstream: Any) -> None:
    """A screen reader is given whole paragraphs when they are complete, each once, and then the end."""
    gates = [Gate("1"), Gate("2")]
    steps = [say("Part of "), wait(gates[0]), say("one.\n\nPart of"), wait(gates[1]), say(" two.")]
    upstream.script([head(), *steps, say(done=True), end()])
    tab.ask("Go")
    read_out = tab.page.get_by_role("log").get_by_role("paragraph")
    expect(tab.answer).to_contain_text("Part of")
    expect(read_out).to_have_text([])
    gates[0].open()
    expect(tab.answer).to_contain_text("Part of one.")
    expect(read_out).to_have_text(["Part of one."])
    gates[1].open()
    expect(read_out).to_have_text(["Part of one.", "Part of two.", "Answered"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(tab: Any, upstream: Any, scheme: str) -> None:
    """Every text has the contrast of 4.5:1 that WCAG AA asks for, in light and in dark."""
    tab.page.emulate_media(color_scheme=scheme)
    text = "Text, `code`, [a link](https://example.org)\n\n> quoted\n\n|a|b|\n|-|-|\n|c|d|\n\n"
    text += "```js\n// fenced\nlet a = fenced(1, 'b')\n```\n\n```diff\n+a\n-b\n```"
    upstream.script([answer([text], thinking=["Hm."], error="out of memory")])
    tab.ask("Hi")
    expect(tab.page.get_by_role("alert")).to_be_visible()
    tab.page.locator("summary").click()  # "Thoughts", or for how long
    measured = tab.page.evaluate(_CONTRASTS)
    assert len(measured) > 30
    assert [(words, ratio) for words, ratio in measured if ratio < 4.5] == []


# For each visible text: its words, and the contrast to the nearest background that is behind it.
_CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true})
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const light = color => {
    const [r, g, b] = rgba(color).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = node => rgba(getComputedStyle(node).backgroundColor)[3] === 255 ? node : behind(node.parentElement)
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const measured = []
  while (walker.nextNode()) {
    const text = walker.currentNode, node = text.parentElement
    if (!text.data.trim() || !node.checkVisibility() || node.closest(".hidden, template, option")) continue
    const [a, b] = [getComputedStyle(node).color, getComputedStyle(behind(node)).backgroundColor].map(light).sort((x, y) => y - x)
    measured.push([text.data.trim(), (a + 0.05) / (b + 0.05)])
  }
  return measured
}"""


def test_a_narrow_screen(new_tab: Callable[[], Any], upstream: Any) -> None:
    """On a phone nothing is wider than the screen, and the conversations come by a button and go by a choice."""
    tab = new_tab()
    page = tab.page
    page.set_viewport_size({"width": 360, "height": 640})
    wide = (
        f"```\n{'wide ' * 100}\n```\n\n{'x' * 300}\n\n{'|wide' * 20}\n{'|-' * 20}\n{'|wide' * 20}"
    )
    upstream.script([answer([wide])])
    tab.ask("A question that is longer than a line of the title can be on a phone of this width")
    expect(tab.answer).to_contain_text("tokens/s")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("document.querySelector('#log').scrollWidth") <= 360
    title = page.get_by_role("heading", level=1)
    assert title.evaluate(
        "h => h.scrollHeight <= h.clientHeight && h.scrollWidth <= h.clientWidth"
    )  # whole
    assert title.evaluate("h => h.clientHeight > 30")  # as it takes more than one line
    link = page.get_by_role("link", name="A question")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Conversations").click()
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Conversations").click()
    page.get_by_role("button", name="New conversation").click()
    expect(link).to_be_hidden()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_words_of_buttons_stay_whole_on_a_phone(new_tab: Callable[[], Any], upstream: Any) -> None:
    """Where a question is edited, the buttons beside the note keep their words in one line each."""
    page = new_tab().page
    page.set_viewport_size({"width": 360, "height": 640})
    upstream.script([answer(["Twice a day."])])
    page.get_by_role("textbox", name="Message").fill("How often is it high tide?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article").last).to_contain_text("tokens/s")
    page.get_by_role("button", name="Edit the message").click()
    for name in ("Cancel", "Send"):
        button = page.locator(".editor").get_by_role("button", name=name)
        lines = button.evaluate("""button => {
            const range = document.createRange()
            range.selectNodeContents(button)
            return range.getClientRects().length
        }""")
        assert lines == 1
