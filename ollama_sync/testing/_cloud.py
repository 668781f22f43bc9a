"""The mock's routes about ollama.com: the account, the web, decisions, recommendations.

Runs on the server's hub thread. One mock plays both the server on this machine and ollama.com: the routes of the latter ask
for a key, and any will do. The answers are fixed, but for what the request decides.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from ollama_sync.testing._body import Refused, decoded, text_of
from ollama_sync.testing._library import Library
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script

_SIGN_IN = "https://ollama.com/connect?name=mock&key=c3NoLWVkMjU1MTkgQUFBQQ"
_GRANULARITY = {"24h": "hour", "7d": "day", "30d": "day"}
_MOST_QUESTIONS = 64
_FROM, _UNTIL = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"


def me(library: Library, _: Request) -> Script:
    """Answer `POST /api/me`: who is signed in."""
    _check_signed_in(library)
    user = {
        "id": "6f1c7a9e-2b1d-4c55-9d6a-0c7f0e1a2b3c",
        "email": "user@example.com",
        "name": "user",
        "plan": "free",
    }
    return [reply(user)]


def sign_out(library: Library, _: Request) -> Script:
    """Answer `POST /api/signout`. Afterwards nobody is signed in, until the mock is reset."""
    _check_signed_in(library)
    library.is_signed_in = False
    return [reply(None)]


def status(_: Library, __: Request) -> Script:
    """Answer `GET /api/status`."""
    return [reply({"cloud": {"disabled": False, "source": "none"}})]


def recommendations(_: Library, __: Request) -> Script:
    """Answer `GET /api/experimental/model-recommendations`."""
    small = {
        "model": "llama3.2",
        "description": "Small, and good at following instructions",
        "context_length": 131072,
        "vram_bytes": 3_400_000_000,
    }
    large = {
        "model": "gpt-oss:120b-cloud",
        "description": "Large, and good at reasoning",
        "context_length": 131072,
        "max_output_tokens": 32768,
        "required_plan": "pro",
    }
    return [reply({"recommendations": [small, large]})]


def web_search(_: Library, request: Request) -> Script:
    """Answer a search of the web, here and at ollama.com."""
    _check_key(request)
    asked = decoded(request)
    query = text_of(asked, "query")
    if not query:
        raise Refused(400, "query is required")
    count = asked.get("max_results") or 5
    if not isinstance(count, int) or not 1 <= count <= 10:
        raise Refused(400, "max_results must be between 1 and 10")
    found = [
        {
            "title": f"{query}, page {number}",
            "url": f"https://example.com/{number}",
            "content": f"What page {number} says about {query}.",
        }
        for number in range(1, count + 1)
    ]
    return [reply({"results": found})]


def web_fetch(_: Library, request: Request) -> Script:
    """Answer the fetch of a page, here and at ollama.com."""
    _check_key(request)
    url = text_of(decoded(request), "url")
    if not url:
        raise Refused(400, "url is required")
    page = {
        "title": "Example Domain",
        "content": f"What {url} says.",
        "links": ["https://www.iana.org/domains/example"],
    }
    return [reply(page)]


def balance(_: Library, request: Request) -> Script:
    """Answer `GET /api/balance`."""
    _check_key(request)
    period = {"from": _FROM, "until": _UNTIL}
    included = {"balance_usd": 17.5, "allowance_usd": 20.0, "period": period}
    return [reply({"included": included, "purchased": {"balance_usd": 5.0}})]


def usage(_: Library, request: Request) -> Script:
    """Answer `GET /api/usage`."""
    _check_key(request)
    asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
    span, scope = asked.get("range", "24h"), asked.get("scope", "self")
    if span not in _GRANULARITY:
        raise Refused(400, f"invalid range {span!r}")
    if scope not in ("self", "team"):
        raise Refused(400, f"invalid scope {scope!r}")
    used = {"requests": 12, "input_tokens": 3400, "output_tokens": 5600}
    answer = {
        "range": span,
        "scope": scope,
        "granularity": _GRANULARITY[span],
        "from": _FROM,
        "until": _UNTIL,
        "totals": used,
        "buckets": [{"from": _FROM, **used}],
    }
    return [reply(answer)]


def decide(library: Library, request: Request) -> Script:
    """Answer `POST /v1/systemone`: of several answers the first, with little doubt."""
    asked = decoded(request)
    name = text_of(asked, "model")
    if not name:
        raise Refused(400, "model is required")
    if library.find(name) is None:
        raise Refused(404, f"model '{name}' not found")
    state, questions = asked.get("state"), asked.get("questions")
    if not state or (isinstance(state, str) and not state.strip()):
        raise Refused(400, "state is required")
    if not isinstance(questions, dict) or not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise Refused(400, f"questions must have between 1 and {_MOST_QUESTIONS} entries")
    library.load(name, asked.get("keep_alive"))
    answers = {key: _answer(key, question) for key, question in questions.items()}
    tokens = {"input_tokens": len(request.body) // 4, "output_tokens": len(answers)}
    return [reply({"model": name, "answers": answers, "usage": tokens})]


def _answer(key: str, question: Any) -> dict[str, Any]:
    kind = question.get("type") if isinstance(question, dict) else None
    if kind == "noul":
        return {"type": kind, "noul": 0.9}
    criteria = question.get("criteria") if isinstance(question, dict) else None
    if kind not in ("choice", "score") or not criteria or len(criteria) < 2:
        raise Refused(400, f'question "{key}" is invalid')
    rest = 0.1 / (len(criteria) - 1)
    if kind == "choice":
        odds = dict.fromkeys(criteria, rest) | {next(iter(criteria)): 0.9}
        return {
            "type": kind,
            "choice": next(iter(criteria)),
            "probabilities": odds,
            "confidence": 0.9,
        }
    legend = {str(number): text for number, text in enumerate(criteria)}
    odds = dict.fromkeys(legend, rest) | {"0": 0.9}
    score = sum(int(number) * chance for number, chance in odds.items())
    return {
        "type": kind,
        "score": score,
        "legend": legend,
        "probabilities": odds,
        "confidence": 0.9,
    }


def _check_signed_in(library: Library) -> None:
    if not library.is_signed_in:
        raise Refused(401, "unauthorized", signin_url=_SIGN_IN)


def _check_key(request: Request) -> None:
    """The server on this machine signs such requests itself; at ollama.com they need a key."""
    is_local = request.path.startswith("/api/experimental/")
    if not is_local and not request.headers.get("Authorization", "").startswith("Bearer "):
        raise Refused(401, "unauthorized")
