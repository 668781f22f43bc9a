"""What was said in a call, in the form of the semantic conventions for generative AI. Pure; decodes JSON on whatever thread calls.

Images are left out, and so is what was embedded: the conventions have no place for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def asked(verb: str, body: bytes) -> dict[str, str]:
    """Return the attributes of what a call asks, {} where there is nothing to tell.

    Example:
        >>> asked("generate", b'{"model": "m", "prompt": "Hi"}')
        {'gen_ai.input.messages': '[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]'}
    """
    sent = _object(body)
    if verb == "chat":
        messages = [_message(one) for one in sent.get("messages") or [] if isinstance(one, dict)]
    elif verb == "generate":
        messages = [_message({"role": "user", "content": sent.get("prompt")})]
    else:
        return {}
    attributes = {"gen_ai.input.messages": _text(messages)} if sent else {}
    if sent.get("system"):
        parts = [{"type": "text", "content": sent["system"]}]
        attributes["gen_ai.system_instructions"] = _text(parts)
    return attributes


def said(verb: str, body: bytes) -> dict[str, str]:
    """Return the attributes of what a model has said, put together from all parts, {} where there is nothing to tell."""
    parts = [_object(line) for line in body.splitlines()]
    if verb == "chat":
        messages = [part["message"] for part in parts if isinstance(part.get("message"), dict)]
    elif verb == "generate":
        messages = [{**part, "content": part.get("response")} for part in parts]
    else:
        return {}
    if not messages:
        return {}
    whole = {
        "role": "assistant",
        "content": _joined(messages, "content"),
        "thinking": _joined(messages, "thinking"),
        "tool_calls": [call for one in messages for call in one.get("tool_calls") or []],
    }
    reasons = [part["done_reason"] for part in parts if part.get("done_reason")]
    ended = {"finish_reason": reasons[-1]} if reasons else {}
    return {"gen_ai.output.messages": _text([{**_message(whole), **ended}])}


def arguments(value: Any) -> dict[str, str]:
    """Return the attribute of what a tool is given."""
    return {"gen_ai.tool.call.arguments": value if isinstance(value, str) else _text(value)}


def result(value: str) -> dict[str, str]:
    """Return the attribute of what a tool has returned."""
    return {"gen_ai.tool.call.result": value}


def _message(one: Mapping[str, Any]) -> dict[str, Any]:
    role = one.get("role")
    parts: list[dict[str, Any]] = []
    if one.get("thinking"):
        parts.append({"type": "reasoning", "content": one["thinking"]})
    if role == "tool":
        response = {"type": "tool_call_response", "response": one.get("content")}
        known = {"id": one["tool_call_id"]} if one.get("tool_call_id") else {}
        parts.append(response | known)
    elif one.get("content"):
        parts.append({"type": "text", "content": one["content"]})
    for call in one.get("tool_calls") or []:
        function = call.get("function") or {}
        known = {"id": call["id"]} if call.get("id") else {}
        told = {"name": function.get("name"), "arguments": function.get("arguments")}
        parts.append({"type": "tool_call"} | known | told)
    return {"role": role, "parts": parts}


def _joined(messages: Iterable[Mapping[str, Any]], name: str) -> str:
    return "".join(one[name] for one in messages if isinstance(one.get(name), str))


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:  # nothing, or cut
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
