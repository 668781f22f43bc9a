"""Who may use the chat: browsers that know it by its name, from its own page, each with its own answers."""

from __future__ import annotations

from typing import Any

import pytest

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def visitor(app: Any) -> Any:
    """A browser, without a browser."""
    return app.test_client()


def test_other_names_are_refused(visitor: Any, upstream: Any) -> None:
    """A name that somebody has pointed at this machine (DNS rebinding) leads to nothing; localhost does, at any port."""
    for host in ("evil.example", "localhost.evil.example", "evil.example:5000", "10.0.0.1"):
        for path in ("/", "/models", "/answers/x"):
            assert visitor.get(path, headers={"Host": host}).status_code == 400, (host, path)
        assert visitor.post("/answers", json=QUESTION, headers={"Host": host}).status_code == 400
    for host in ("localhost", "localhost:5000", "127.0.0.1:8000", "[::1]:5000"):
        assert visitor.get("/", headers={"Host": host}).status_code == 200, host
    assert upstream.requests == ()


def test_other_pages_are_refused(visitor: Any, upstream: Any) -> None:
    """A page of another origin, another port, or none can neither ask nor stop; the own one can."""
    visitor.get("/")
    for origin in ("http://evil.example", "https://localhost", "http://localhost:81", "null"):
        headers = {"Origin": origin}
        assert visitor.post("/answers", json=QUESTION, headers=headers).status_code == 403, origin
        assert visitor.delete("/answers/x", headers=headers).status_code == 403, origin
        assert visitor.get("/models", headers=headers).status_code == 403, origin
    assert upstream.requests == ()
    own = {"Origin": "http://localhost"}
    assert visitor.post("/answers", json=QUESTION, headers=own).status_code == 202


def test_an_answer_is_its_owners(app: Any, visitor: Any) -> None:
    """Who has another cookie, or none, is told that there is no such answer."""
    visitor.get("/")
    answer = visitor.post("/answers", json=QUESTION).json["id"]
    other, nobody = app.test_client(), app.test_client()
    other.get("/")
    for stranger in (other, nobody):
        assert stranger.get(f"/answers/{answer}").status_code in (401, 404)
        assert stranger.delete(f"/answers/{answer}").status_code in (401, 404)
    assert visitor.delete(f"/answers/{answer}").status_code == 204


def test_the_cookie_is_for_this_page_only(visitor: Any) -> None:
    """No script reads it, and no other site sends it."""
    cookie = visitor.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"model": "m"},
        {"messages": []},
        {"model": 1, "messages": []},
        {"model": "m", "messages": "Hi"},
        {"model": "m", "messages": [{"role": 1}]},
        {"model": "m", "messages": [{"role": "user", "content": "", "images": ["/etc/passwd"]}]},
        {**QUESTION, "options": [1]},
        {**QUESTION, "think": 7},
        {**QUESTION, "tools": [{}]},
        {**QUESTION, "keep_alive": -1},
    ],
)
def test_wrong_questions_are_the_browsers_fault(visitor: Any, upstream: Any, wrong: Any) -> None:
    """What the page would not send is answered 400 with the reason, and does not reach the model."""
    visitor.get("/")
    response = visitor.post("/answers", json=wrong)
    assert response.status_code == 400, response.data
    assert response.json["error"]
    assert visitor.post("/answers", data="{", content_type="application/json").status_code == 400
    assert upstream.requests == ()
