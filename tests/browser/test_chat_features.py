"""What a reader does with messages and conversations: copy, ask anew, edit, set, show pictures, find, name, take away."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from ollama_sync.testing import answer, head, reply, silence


def told(upstream: Any) -> Any:
    """What the model was asked last."""
    return [each.json for each in upstream.requests if each.path == "/api/chat"][-1]


def said(upstream: Any) -> list[tuple[str, str]]:
    return [(each["role"], each["content"]) for each in told(upstream)["messages"]]


def ask(tab: Any, upstream: Any, question: str, text: str) -> None:
    upstream.script([answer([text])])
    tab.ask(question)
    expect(tab.answer).to_contain_text("tokens/s")


# Messages.


def test_copy_takes_code_answers_and_questions(tab: Any, upstream: Any) -> None:
    """It takes the code as it is, the answer as the model wrote it, and the question; and says so."""
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    text = "**See:**\n\n```py\nif a < b:\n    print('c')\n```"
    ask(tab, upstream, "Code?", text)
    clipboard = "navigator.clipboard.readText()"
    for name, wanted in [
        ("Copy the code", "if a < b:\n    print('c')"),
        ("Copy the answer", text),
        ("Copy the message", "Code?"),
    ]:
        tab.page.get_by_role("button", name=name).click()
        tab.page.wait_for_function(
            "async wanted => await navigator.clipboard.readText() === wanted", arg=wanted
        )
        assert tab.page.evaluate(clipboard) == wanted
    expect(tab.page.get_by_role("log").get_by_text("Copied")).to_have_count(3)


def test_an_answer_is_made_anew(tab: Any, upstream: Any) -> None:
    """The last answer is replaced by another one to the same question."""
    ask(tab, upstream, "A number?", "One.")
    ask(tab, upstream, "Another?", "Two.")
    expect(tab.page.get_by_role("button", name="Answer again")).to_have_count(1)
    upstream.script([answer(["Three."])])
    tab.page.get_by_role("button", name="Answer again").click()
    expect(tab.answer).to_contain_text("Three.")
    expect(tab.page.get_by_role("article")).to_have_count(4)
    assert said(upstream) == [("user", "A number?"), ("assistant", "One."), ("user", "Another?")]


def test_a_question_is_edited_and_sent_again(tab: Any, upstream: Any) -> None:
    """What followed the question is replaced; Escape leaves all as it was; and while an answer comes nothing can be sent."""
    ask(tab, upstream, "Tea?", "Green.")
    ask(tab, upstream, "Why?", "Leaves.")
    first = tab.page.get_by_role("article").first
    edit = first.get_by_role("button", name="Edit the message")
    edit.click()
    field = first.get_by_label("New text of the message")
    expect(field).to_have_value("Tea?")
    field.fill("Milk?")
    field.press("Escape")
    expect(first).to_contain_text("Tea?")
    expect(edit).to_be_focused()
    edit.click()
    field.fill("Coffee?")
    upstream.script([head(), silence()])
    field.press("Enter")
    expect(tab.page.get_by_role("article")).to_have_count(2)
    expect(first).to_contain_text("Coffee?")
    expect(first.get_by_role("button", name="Edit the message")).to_be_disabled()
    tab.page.wait_for_function("() => document.title === 'Coffee? | Chat'")
    tab.page.get_by_role("button", name="Stop").click()
    upstream.wait_disconnect(timeout=15)
    assert said(upstream) == [("user", "Coffee?")]


def test_the_settings_go_to_the_model(tab: Any, upstream: Any) -> None:
    """System prompt, options and thinking of a conversation are sent with each of its questions, are kept, and are nobody else's."""
    page = tab.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.2")
    page.get_by_label("Context, tokens").fill("8192")
    page.get_by_label("Thinking").select_option("off")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Settings (changed)")).to_be_visible()
    ask(tab, upstream, "Tea?", "Yes.")
    assert said(upstream) == [("system", "Be brief."), ("user", "Tea?")]
    assert told(upstream)["options"] == {"temperature": 0.2, "num_ctx": 8192}
    assert told(upstream)["think"] is False
    page.reload()
    expect(page.get_by_label("Model", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Settings (changed)").click()
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")
    page.get_by_label("System prompt").fill("Nothing of this is kept.")
    page.get_by_role("button", name="Cancel").click()
    ask(tab, upstream, "Milk?", "No.")
    assert said(upstream)[0] == ("system", "Be brief.")
    page.get_by_role("button", name="New conversation").click()
    ask(tab, upstream, "Sugar?", "No.")
    assert said(upstream) == [("user", "Sugar?")]
    assert not {"options", "think"} & {name for name, value in told(upstream).items() if value}


# Pictures.


def png(size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", size, (200, 30, 30, 128)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
def test_pictures_are_shown_to_the_model(tab: Any, upstream: Any, way: str) -> None:
    """A picture that is dropped, pasted or chosen can be seen before and after, goes to the model as a JPEG, and is kept."""
    give(tab.page, way, png((2000, 1000)), "tea.png", "image/png")
    expect(tab.page.get_by_role("button", name="Remove picture 1")).to_be_visible()
    ask(tab, upstream, "What is this?", "Red.")
    (sent,) = told(upstream)["messages"][0]["images"]
    image = Image.open(io.BytesIO(base64.b64decode(sent)))
    assert (image.format, image.size) == ("JPEG", (1536, 768))
    expect(tab.page.get_by_role("button", name="Remove picture 1")).to_be_hidden()
    tab.page.reload()
    shown = tab.page.get_by_role("img", name="Picture 1")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 1536


def test_a_picture_is_taken_away_again(tab: Any, upstream: Any) -> None:
    """A picture may go before it is sent; what is none is refused, and an SVG, which could run, is none."""
    give(tab.page, "choose", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "image/svg+xml")
    expect(tab.page.get_by_role("alert")).to_contain_text("“a.svg” is no picture")
    give(tab.page, "choose", b"nothing", "b.png", "image/png")
    expect(tab.page.get_by_role("alert")).to_contain_text("“b.png” is no picture")
    give(tab.page, "choose", png(), "c.png", "image/png")
    expect(tab.page.get_by_role("alert")).to_be_hidden()
    tab.page.get_by_role("button", name="Remove picture 1").click()
    ask(tab, upstream, "Anything?", "No.")
    assert not told(upstream)["messages"][0].get("images")


def give(page: Any, way: str, data: bytes, name: str, kind: str) -> None:
    if way == "choose":
        page.locator("#files").set_input_files({"name": name, "mimeType": kind, "buffer": data})
        return
    page.evaluate(
        """([way, data, name, type]) => {
          const transfer = new DataTransfer()
          transfer.items.add(new File([Uint8Array.fromBase64(data)], name, {type}))
          const question = document.querySelector("#question")
          const common = {bubbles: true, cancelable: true}
          if (way === "paste") question.dispatchEvent(new ClipboardEvent("paste", {...common, clipboardData: transfer}))
          else for (const type of ["dragenter", "dragover", "drop"]) {
            question.dispatchEvent(new DragEvent(type, {...common, dataTransfer: transfer}))
          }
        }""",
        [way, base64.b64encode(data).decode(), name, kind],
    )


# Conversations.


def test_a_conversation_is_renamed(tab: Any, upstream: Any) -> None:
    """The new name is in the page, the list and the browser's title, and is kept; Escape keeps the old one."""
    ask(tab, upstream, "Tea?", "Yes.")
    tab.choose("Rename")
    field = tab.page.get_by_label("Title", exact=True)
    expect(field).to_have_value("Tea?")
    field.fill("All about tea")
    field.press("Enter")
    tab.choose("Rename")
    field.fill("No")
    field.press("Escape")
    for _ in range(2):
        expect(tab.page).to_have_title("All about tea | Chat")
        expect(tab.page.get_by_role("link", name="All about tea")).to_be_visible()
        tab.page.reload()


def test_conversations_are_found(tab: Any, upstream: Any) -> None:
    """The search looks into titles and texts, shows where, and can be had by Ctrl+K."""
    ask(tab, upstream, "Tea?", "Camellia sinensis, a shrub.")
    tab.page.get_by_role("button", name="New conversation").click()
    ask(tab, upstream, "Coffee?", "A bean.")
    links = tab.page.get_by_role("navigation").get_by_role("link")
    tab.page.keyboard.press("Control+k")
    search = tab.page.get_by_role("searchbox")
    expect(search).to_be_focused()
    search.fill("sinensis")
    expect(links).to_have_count(1)
    expect(links).to_contain_text("Tea?")
    expect(links).to_contain_text("sinensis, a shrub")
    search.fill("COFFEE")
    expect(links).to_have_text(["Coffee?"])
    search.fill("cocoa")
    expect(links).to_have_count(0)
    expect(tab.page.get_by_role("status").get_by_text("Nothing found")).to_be_visible()
    search.fill("")
    expect(links).to_have_text(["Coffee?", "Tea?"])


def test_a_conversation_is_exported(tab: Any, upstream: Any, tmp_path: Path) -> None:
    """Its Markdown reads as the conversation did, and its JSON holds all of it."""
    ask(tab, upstream, "Tea & milk?", "It is *green*.")
    model = told(upstream)["model"]
    with tab.page.expect_download() as download:
        tab.choose("Export as Markdown")
    assert download.value.suggested_filename == "Tea-milk.md"
    download.value.save_as(tmp_path / "tea.md")
    wanted = f"# Tea & milk?\n\n## You\n\nTea & milk?\n\n## {model}\n\nIt is *green*.\n"
    assert (tmp_path / "tea.md").read_text(encoding="utf-8") == wanted
    with tab.page.expect_download() as download:
        tab.choose("Export as JSON")
    download.value.save_as(tmp_path / "tea.json")
    kept = json.loads((tmp_path / "tea.json").read_text(encoding="utf-8"))
    assert [each["content"] for each in kept["messages"]] == ["Tea & milk?", "It is *green*."]


# Reading.


def test_the_latest_is_one_click_away(tab: Any, upstream: Any) -> None:
    """Who has scrolled back finds a button that leads to the end; at the end there is none."""
    ask(tab, upstream, "Much", "\n\n".join(["line"] * 80))
    button = tab.page.get_by_role("button", name="Jump to the latest")
    expect(button).to_be_hidden()
    log = tab.page.get_by_role("region", name="Messages")
    log.evaluate("log => { log.scrollTop = 0 }")
    button.click()
    expect(button).to_be_hidden()
    assert log.evaluate("log => log.scrollHeight - log.clientHeight - log.scrollTop") < 2


def test_the_list_of_models_says_when_the_server_is_down(tab: Any, upstream: Any) -> None:
    """Without a server the list says so, and fills by itself when the server is back; what was written is kept."""
    upstream.on("GET", "/api/tags", [reply({"error": "starting"}, 503)])
    tab.page.get_by_label("Message", exact=True).fill("Hello?")
    tab.page.evaluate("dispatchEvent(new Event('online'))")
    expect(tab.page.get_by_role("alert")).to_contain_text("No models: starting.")
    tab.page.reload()
    models = tab.page.get_by_label("Model", exact=True)
    expect(models).to_have_text("No server")
    expect(models).to_be_disabled()
    upstream.on("GET", "/api/tags", [reply({"models": [{"name": "tea:1b", "model": "tea:1b"}]})])
    expect(models).to_be_enabled()
    expect(models).to_have_text("tea:1b")
    expect(tab.page.get_by_role("alert")).to_be_hidden()
    tab.forgive("503")
