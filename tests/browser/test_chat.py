"""The chat's page in Chromium: what its reader sees while models answer, and what the models' server sees of the reader.

`CHAT_STOP=FILE` writes the milliseconds from the click on "Stop" to the end of the connection to Ollama, as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ollama_sync.testing import Gate, answer, chunk, close, end, head, reply, silence, wait

ROUNDS = 5


def say(text: str = "", *, thinking: str = "", done: bool = False, **metrics: Any) -> Any:
    message = {"role": "assistant", "content": text, "thinking": thinking}
    return chunk({"model": "m", "message": message, "done": done, **metrics})


def box(page: Page) -> Any:
    return page.get_by_role("textbox", name="Message")


# Streaming.


def test_tokens_appear_while_the_answer_is_running(tab: Any, upstream: Any) -> None:
    """The model makes its second token only when the page shows the first; at the end the page tells how fast it was."""
    first, second = Gate("first"), Gate("second")
    metrics: dict[str, Any] = {"eval_count": 50, "eval_duration": 2_000_000_000}
    steps = [say("one "), wait(first), say("two"), wait(second), say(done=True, **metrics)]
    upstream.script([head(), *steps, end()])
    tab.ask("Count")
    expect(tab.answer).to_contain_text("one")
    expect(tab.answer).to_have_attribute("aria-busy", "true")
    first.open()
    expect(tab.answer).to_contain_text("one two")
    second.open()
    expect(tab.answer).to_contain_text("50 tokens · 25.0 tokens/s · 2.0 s")
    expect(tab.answer).to_have_attribute("aria-busy", "false")


def test_the_model_is_told_the_whole_conversation(tab: Any, upstream: Any) -> None:
    """Each question goes out with all that was said before, to the model that is chosen."""
    upstream.script([answer(["Tea."])])
    upstream.script([answer(["Green."])])
    tab.ask("What?")
    expect(tab.answer).to_contain_text("Tea.")
    tab.ask("Which?")
    expect(tab.answer).to_contain_text("Green.")
    asked = [each.json for each in upstream.requests if each.path == "/api/chat"]
    said = [{key: each[key] for key in ("role", "content")} for each in asked[-1]["messages"]]
    assert said == [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": "Tea."},
        {"role": "user", "content": "Which?"},
    ]
    assert asked[-1]["model"] == tab.page.get_by_label("Model", exact=True).input_value()


def test_thoughts_are_apart_from_the_answer(tab: Any, upstream: Any) -> None:
    """What a model thinks is shown while it thinks, folded away when it answers, and not sent back to it."""
    gate = Gate()
    upstream.script([head(), say(thinking="Hm."), wait(gate), say("Yes."), say(done=True), end()])
    tab.ask("Well?")
    expect(tab.answer.get_by_text("Thinking…")).to_be_visible()
    expect(tab.answer.get_by_text("Hm.")).to_be_visible()
    gate.open()
    expect(tab.answer).to_contain_text("Yes.")
    expect(tab.answer.get_by_text("Hm.")).to_be_hidden()
    tab.answer.get_by_text("Thoughts").click()
    expect(tab.answer.get_by_text("Hm.")).to_be_visible()
    upstream.script([answer(["Sure."])])
    tab.ask("Sure?")
    expect(tab.answer).to_contain_text("Sure.")
    assert "Hm." not in str(upstream.requests[-1].json)


# Stopping.


@pytest.mark.parametrize("state", ["answering", "silent"])
def test_stop_stops_the_server(tab: Any, upstream: Any, state: str) -> None:
    """A click on "Stop" ends the connection to Ollama in 0.1 s, in mid-answer and while the model loads alike."""
    took = []
    for number in range(1, ROUNDS + 1):
        script = [head(), say("begun"), silence()] if state == "answering" else [silence()]
        upstream.script(script)
        tab.ask("Go on")
        expect(tab.answer).to_have_attribute("aria-busy", "true")
        if state == "answering":
            expect(tab.answer).to_contain_text("begun")
        took.append(stopped(tab.page, upstream, number))
        expect(tab.answer).to_contain_text("Stopped before its end")
        expect(box(tab.page)).to_be_focused()
    note(state, took)
    # The promise is 0.1 s, and a page that waits for nothing takes half of it; the rest is for a busy machine.
    assert statistics.median(took) < 0.3


def stopped(page: Page, upstream: Any, number: int) -> float:
    """Stop, and return the seconds from the click in the page to the end at the mock; both go by this machine's clock."""
    ended: list[float] = []

    def watch() -> None:
        upstream.wait_disconnect(number, timeout=15)
        ended.append(time.time())

    watching = threading.Thread(target=watch)
    watching.start()
    stop = page.get_by_role("button", name="Stop")
    clicked: float = stop.evaluate("button => (button.click(), Date.now() / 1000)")
    watching.join()
    return ended[0] - clicked


def note(state: str, took: list[float]) -> None:
    """Show how long it took, and add that to the file, where one is named."""
    milliseconds = [round(each * 1000) for each in took]
    print(f"{state}: stopped after {milliseconds} ms")
    where = os.environ.get("CHAT_STOP")
    if where:
        file = Path(where)
        noted = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**noted, state: milliseconds}, indent=2) + "\n")


# Several at once.


def test_two_tabs_stream_side_by_side(new_tab: Callable[[], Any], upstream: Any) -> None:
    """Neither answer waits for the other, and each is in its own tab only."""
    gates = [Gate("left"), Gate("right")]
    tabs = [new_tab(), new_tab()]
    for tab, gate, name in zip(tabs, gates, ["left", "right"], strict=True):
        upstream.script([head(), say(f"{name} 1 "), wait(gate), say("2"), say(done=True), end()])
        tab.ask(f"Count {name}")
        expect(tab.answer).to_contain_text(f"{name} 1")
    gates[1].open()
    expect(tabs[1].answer).to_contain_text("right 1 2")
    expect(tabs[0].answer).to_have_attribute("aria-busy", "true")
    expect(tabs[0].page.get_by_role("article")).to_have_count(2)
    gates[0].open()
    expect(tabs[0].answer).to_contain_text("left 1 2")
    for tab in tabs:
        expect(tab.page.get_by_role("navigation").get_by_role("link")).to_have_count(2)


def test_two_conversations_are_answered_at_once(tab: Any, upstream: Any) -> None:
    """An answer goes on while another conversation is shown; the list says so, and a stop is for the shown one only."""
    gate = Gate()
    upstream.script([head(), say("slow "), wait(gate), say("and steady"), say(done=True), end()])
    upstream.script([head(), say("quick"), silence()])
    tab.ask("Tortoise")
    expect(tab.answer).to_contain_text("slow")
    tab.page.get_by_role("button", name="New conversation").click()
    tab.ask("Hare")
    expect(tab.answer).to_contain_text("quick")
    links = tab.page.get_by_role("navigation").get_by_role("link")
    expect(links).to_have_text(["Hare, being answered", "Tortoise, being answered"])
    tab.page.get_by_role("button", name="Stop").click()
    upstream.wait_disconnect(timeout=15)
    expect(links).to_have_text(["Hare", "Tortoise, being answered"])
    links.last.focus()
    gate.open()
    expect(links).to_have_text(["Hare", "Tortoise"])
    expect(links.last).to_be_focused()  # though the list was made anew
    expect(tab.page.get_by_role("log")).to_contain_text("Answered: Tortoise")
    links.last.click()
    expect(tab.answer).to_contain_text("slow and steady")
    assert upstream.disconnects == 1


def test_the_page_follows_the_answer_unless_its_reader_looks_back(tab: Any, upstream: Any) -> None:
    """At the end of the page the newest line stays in sight; who has scrolled up is left alone."""
    gates = [Gate("1"), Gate("2")]
    lines = "\n\n".join(["line"] * 60)
    steps = [say(lines), wait(gates[0]), say(lines), wait(gates[1]), say(lines), say(done=True)]
    upstream.script([head(), *steps, end()])
    tab.ask("Much")
    paragraphs = tab.page.locator(".answer p")
    place = "log => log.scrollHeight - log.clientHeight - log.scrollTop"
    log = tab.page.get_by_role("region", name="Messages")
    expect(paragraphs).to_have_count(60)
    assert log.evaluate(place) < 2
    gates[0].open()
    expect(paragraphs).to_have_count(119)  # "lineline" is one
    assert log.evaluate(place) < 2
    log.evaluate("log => { log.scrollTop = 100 }")
    gates[1].open()
    expect(tab.answer).to_have_attribute("aria-busy", "false")
    assert log.evaluate("log => log.scrollTop") == 100


# Errors.


def test_an_error_before_the_answer_is_shown(tab: Any, upstream: Any) -> None:
    """The server's words stand in the conversation, and the question can be asked again."""
    upstream.script([reply({"error": "model 'm' not found"}, 404)])
    upstream.script([answer(["Here I am."])])
    tab.ask("Anyone?")
    expect(tab.page.get_by_role("alert")).to_have_text("Failed: model 'm' not found. Try again")
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.answer).to_contain_text("Here I am.")
    expect(box(tab.page)).to_be_focused()
    expect(tab.page.get_by_role("article")).to_have_count(2)
    assert [each["role"] for each in upstream.requests[-1].json["messages"]] == ["user"]
    tab.forgive("404 (NOT FOUND)")  # if it came before the server had said which answer it is


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ([chunk({"error": "out of memory"}), end()], "Failed: out of memory. Try again"),
        ([close()], "Failed: the answer broke off. Try again"),
    ],
    ids=["told", "cut"],
)
def test_an_error_in_mid_answer_is_shown(
    tab: Any, upstream: Any, last: list[Any], words: str
) -> None:
    """What had come stays, and behind it is what went wrong."""
    gate = Gate()
    upstream.script([head(), say("half"), wait(gate), *last])
    tab.ask("Go on")
    expect(tab.answer).to_contain_text("half")
    gate.open()
    expect(tab.page.get_by_role("alert")).to_have_text(words)
    expect(tab.answer).to_contain_text("half")


def test_a_server_of_the_page_that_fails_is_named(tab: Any) -> None:
    """What is no fault of the model is told apart, and the question can be asked again."""
    tab.page.route(
        "**/answers", lambda route: route.fulfill(status=503, body="<h1>x</h1>"), times=1
    )
    tab.ask("One")
    expect(tab.answer).to_contain_text("Failed: the server of this page says 503")
    tab.page.route("**/answers", lambda route: route.abort(), times=1)
    tab.ask("Two")
    expect(tab.answer).to_contain_text("Failed: the server of this page cannot be reached.")
    expect(tab.page.get_by_role("button", name="Try again")).to_have_count(1)  # of the last only
    tab.forgive("503", "ERR_FAILED")


def test_models_that_cannot_be_had_are_asked_for_again(tab: Any, upstream: Any) -> None:
    """A page without models says why, sends nothing, and gets them when the server is back."""
    upstream.script([reply({"error": "starting"}, 503)], path="/api/tags")
    upstream.script([reply({"models": []})], path="/api/tags")
    tab.page.reload()
    alert = tab.page.get_by_role("alert")
    expect(alert).to_contain_text("No models: starting.")
    tab.forgive("503 (SERVICE UNAVAILABLE)")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("no model yet")
    tab.ask("Hello?")
    expect(alert).to_contain_text("There is no model yet.")
    expect(box(tab.page)).to_have_value("Hello?")
    alert.get_by_role("button", name="Try again").click()
    expect(tab.page.get_by_label("Model", exact=True)).to_be_enabled()
    expect(alert).to_be_hidden()


def test_a_browser_that_is_full_says_so(tab: Any, upstream: Any) -> None:
    """An answer goes on though it cannot be kept."""
    upstream.script([answer(["Still here."])])
    tab.page.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError') } }"
    )
    tab.ask("Hi")
    expect(tab.page.get_by_role("alert")).to_contain_text("This browser can keep no more")
    expect(tab.answer).to_contain_text("Still here.")


# What is kept.


def test_conversations_are_kept(tab: Any, upstream: Any) -> None:
    """After a reload the same conversation is shown, the others can be chosen, and what was deleted is gone."""
    for name in ("First", "Second"):
        upstream.script([answer([f"{name}, **indeed**."])])
        tab.page.get_by_role("button", name="New conversation").click()
        tab.ask(name)
        expect(tab.answer).to_contain_text("indeed")
    tab.page.reload()
    expect(tab.page).to_have_title("Second | Chat")
    expect(tab.answer.locator("strong")).to_have_text("indeed")
    expect(
        tab.page.get_by_role("log")
    ).to_be_empty()  # what was read out once is not read out again
    tab.page.get_by_role("link", name="First").click()
    expect(tab.page).to_have_title("First | Chat")
    expect(tab.page.get_by_role("link", name="First")).to_have_attribute("aria-current", "page")
    tab.page.go_back()
    expect(tab.page).to_have_title("Second | Chat")
    tab.page.once("dialog", lambda dialog: dialog.accept())
    tab.choose("Delete")
    expect(tab.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_role("navigation").get_by_role("link")).to_have_text(["First"])
    expect(
        tab.page.get_by_role("log")
    ).to_be_empty()  # what was read out once is not read out again


def test_the_other_tab_sees_what_is_kept(new_tab: Callable[[], Any], upstream: Any) -> None:
    """A conversation of one tab can be gone on with in another, and is gone there when it is deleted."""
    left, right = new_tab(), new_tab()
    upstream.script([answer(["Noted."])])
    left.ask("Remember")
    expect(left.answer).to_contain_text("Noted.")
    right.page.get_by_role("link", name="Remember").click()
    expect(right.answer).to_contain_text("Noted.")
    left.page.once("dialog", lambda dialog: dialog.accept())
    left.choose("Delete")
    expect(right.page.get_by_role("navigation").get_by_role("link")).to_have_count(0)
