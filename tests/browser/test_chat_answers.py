"""Answers that outlive their page: a reload, a second tab, a lost network, and a reader who has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from ollama_sync.testing import Gate, answer, chunk, end, head, pause, silence, wait


def say(text: str = "", *, done: bool = False) -> Any:
    return chunk({"model": "m", "message": {"role": "assistant", "content": text}, "done": done})


def words(first: int, last: int) -> list[Any]:
    return [say(f"w{number} ") for number in range(first, last)]


def text(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last))


def asked(upstream: Any) -> int:
    """How often the model was asked."""
    return sum(each.path == "/api/chat" for each in upstream.requests)


def wait_until_kept(page: Any, words: str) -> None:
    """Wait until the browser's database has these words of an answer."""
    page.wait_for_function(
        """async words => {
          const { all } = await import("/static/kept.js")
          return (await all()).some(each => each.messages.at(-1).content.includes(words))
        }""",
        arg=words,
    )


def test_a_reload_loses_nothing_and_asks_nothing(tab: Any, upstream: Any) -> None:
    """A page that is loaded again in mid-answer, twice, shows each token once and in order; the model was asked once."""
    gates = [Gate("1"), Gate("2")]
    slow = [
        step for word in words(0, 20) for step in (word, pause(0.2))
    ]  # some of it is kept, with time
    steps = [*slow, *words(20, 200), wait(gates[0]), *words(200, 400), wait(gates[1])]
    steps += words(400, 600)
    upstream.script([head(), *steps, say(done=True), end()])
    tab.ask("Count")
    shown = tab.page.locator(".answer")
    expect(shown).to_have_text(text(0, 200))
    wait_until_kept(tab.page, "w9 ")
    tab.page.reload()
    expect(shown).to_have_text(text(0, 200))
    gates[0].open()
    expect(shown).to_have_text(text(0, 400))
    tab.page.reload()
    gates[1].open()
    expect(shown).to_have_text(text(0, 600))
    expect(tab.answer).to_have_attribute("aria-busy", "false")
    expect(tab.answer).not_to_contain_text("Stopped")
    assert asked(upstream) == 1
    assert upstream.disconnects == 0


def test_two_tabs_follow_one_answer(new_tab: Callable[..., Any], upstream: Any) -> None:
    """A second tab shows the same answer from its beginning, both go on with it, and a stop in one is seen in the other."""
    left = new_tab()
    gate = Gate()
    upstream.script([head(), *words(0, 50), wait(gate), *words(50, 100), silence()])
    left.ask("Count")
    expect(left.page.locator(".answer")).to_have_text(text(0, 50))
    right = new_tab()
    right.page.get_by_role("link", name="Count").click()
    expect(right.page.locator(".answer")).to_have_text(text(0, 50))
    gate.open()
    for tab in (left, right):
        expect(tab.page.locator(".answer")).to_have_text(text(0, 100))
    right.page.get_by_role("button", name="Stop").click()
    upstream.wait_disconnect(timeout=15)
    for tab in (left, right):
        expect(tab.answer).to_contain_text("Stopped before its end")
        expect(tab.page.locator(".answer")).to_have_text(text(0, 100))
    assert asked(upstream) == 1
    # What comes next is for both: the question of one tab is in the other at once, with its answer.
    upstream.script([answer(["Tea."])])
    left.ask("And now?")
    expect(right.answer).to_contain_text("Tea.")


@pytest.mark.parametrize("way", ["cut", "offline"])
def test_an_answer_goes_on_when_the_network_is_back(
    tab: Any, line: Any, upstream: Any, way: str
) -> None:
    """The network is off for three seconds in mid-answer: the page says so, and goes on where it was, losing and repeating nothing.

    Cut, the browser sees its connection end; offline, it knows by its device, and the old connection just stays silent.
    """
    gate = Gate()
    upstream.script([head(), *words(0, 50), wait(gate), *words(50, 100), say(done=True), end()])
    tab.ask("Count")
    shown = tab.page.locator(".answer")
    expect(shown).to_have_text(text(0, 50))
    context = tab.page.context

    def off() -> None:
        if way == "cut":
            line.cut()
        else:
            line.hush()
            context.set_offline(True)

    def on() -> None:
        if way == "cut":
            line.mend()
        else:
            context.set_offline(False)

    off()
    expect(tab.page.get_by_text("The connection is lost.")).to_be_visible()
    gate.open()  # the model goes on meanwhile
    tab.page.wait_for_timeout(3000)
    expect(shown).to_have_text(text(0, 50))
    on()
    expect(shown).to_have_text(text(0, 100))
    expect(tab.answer).to_have_attribute("aria-busy", "false")
    expect(tab.page.get_by_text("The connection is lost.")).to_be_hidden()
    expect(tab.page.get_by_role("alert")).to_have_count(0)
    assert asked(upstream) == 1
    tab.forgive("net::ERR_")


def test_a_question_is_not_lost_with_the_page(tab: Any, upstream: Any) -> None:
    """A page that is loaded again before the server has taken the question still has it, and says that nothing came of it."""
    tab.page.route("**/answers", lambda route: None)  # nobody answers
    tab.ask("Anyone?")
    expect(tab.answer).to_have_attribute("aria-busy", "true")
    tab.page.reload()
    expect(tab.page.get_by_role("article").first).to_contain_text("Anyone?")
    expect(tab.page.get_by_role("alert")).to_contain_text("before the question had arrived")
    tab.page.unroute("**/answers")
    upstream.script([answer(["Yes."])])
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.answer).to_contain_text("Yes.")


@pytest.mark.parametrize("abandon_after", [1.0])
def test_a_tab_that_shows_something_else_keeps_the_answer(
    new_tab: Callable[..., Any], upstream: Any, abandon_after: float
) -> None:
    """The tab that asked is closed while another one shows another conversation: the answer goes on, and is in the list."""
    asking, other = new_tab(), new_tab()
    gate = Gate()
    upstream.script([head(), *words(0, 50), wait(gate), *words(50, 100), say(done=True), end()])
    asking.ask("Count")
    link = other.page.get_by_role("link", name="Count")
    expect(link).to_have_text("Count, being answered")
    # Until the other tab knows which answer it is, and waits for its turn.
    other.page.wait_for_function("async () => (await navigator.locks.query()).pending.length === 1")
    asking.page.close()
    other.page.wait_for_timeout(2 * abandon_after * 1000)
    assert upstream.disconnects == 0
    gate.open()
    expect(link).to_have_text("Count")
    link.click()
    expect(other.page.locator(".answer")).to_have_text(text(0, 100))
    assert asked(upstream) == 1


def test_a_proxy_that_answers_in_between_ends_nothing(tab: Any, upstream: Any) -> None:
    """A 503 makes the browser give up an event stream: the page follows anew, and shows each token once."""
    gate = Gate()
    upstream.script([head(), *words(0, 50), wait(gate), *words(50, 100), say(done=True), end()])
    tab.page.route("**/answers/*", lambda route: route.fulfill(status=503, body="busy"), times=3)
    tab.ask("Count")
    shown = tab.page.locator(".answer")
    expect(shown).to_have_text(text(0, 50))
    gate.open()
    expect(shown).to_have_text(text(0, 100))
    assert asked(upstream) == 1
    tab.forgive("503")


def test_an_answer_that_the_server_has_forgotten(tab: Any, upstream: Any) -> None:
    """A server that was started anew does not know the answer: what had come stays, with the reason."""
    upstream.script([head(), say("half "), pause(2.5), say("of it"), silence()])
    tab.ask("Go on")
    expect(tab.answer).to_contain_text("half of it")
    wait_until_kept(tab.page, "of it")
    tab.page.route("**/answers/*", lambda route: route.fulfill(status=404, json={"error": "gone"}))
    tab.page.reload()
    expect(tab.page.get_by_role("alert")).to_contain_text("the server no longer has this answer")
    expect(tab.answer).to_contain_text("half of it")
    expect(tab.page.get_by_role("button", name="Try again")).to_be_visible()
    tab.forgive("404")


@pytest.mark.parametrize("abandon_after", [1.0])
def test_the_model_stops_when_every_tab_is_closed(
    new_tab: Callable[..., Any], upstream: Any, abandon_after: float
) -> None:
    """One of two tabs is closed: the model goes on. The other too: it stops, after the time that the app sets."""
    tabs = [new_tab()]
    upstream.script([head(), *words(0, 5), silence()])
    tabs[0].ask("Go on")
    expect(tabs[0].page.locator(".answer")).to_have_text(text(0, 5))
    tabs.append(new_tab(f"#{tabs[0].page.url.split('#')[1]}"))
    expect(tabs[1].page.locator(".answer")).to_have_text(text(0, 5))
    tabs[0].page.close()
    tabs[1].page.wait_for_timeout(2 * abandon_after * 1000)
    assert upstream.disconnects == 0
    tabs[1].page.close()
    upstream.wait_disconnect(timeout=15)
    # What had come is there for who comes back.
    late = new_tab()
    late.page.get_by_role("link", name="Go on").click()
    expect(late.page.locator(".answer")).to_have_text(text(0, 5))
    expect(late.answer).to_contain_text("Stopped before its end")
    assert asked(upstream) == 1
