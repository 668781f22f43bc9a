"""Lines of OpenAI's batch format: read as calls of ours, and answered in kind.

A line is `{"custom_id", "method", "url", "body"}`, where the body is that of a chat completion, a completion or an embedding; an
answer is `{"custom_id", "response": {"status_code", "body"}, "error"}`. What Ollama has no word for is refused, rather than left
out. Pure; runs on the caller's thread.

Source: https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ollama_sync.errors import RequestError, ResponseError

_VERBS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "generate",
    "/v1/embeddings": "embed",
}

# Their names for what are options of the model here.
_OPTIONS = {
    "frequency_penalty": "frequency_penalty",
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
}

# What says nothing about the answer, or only what is so anyway.
_LEFT_OUT = {"metadata", "user", "store", "service_tier", "n", "stream", "encoding_format"}
_HARMLESS = {"n": 1, "stream": False, "encoding_format": "float"}

_THE_SAME = {
    "chat": {"model", "messages", "tools"},
    "generate": {"model", "prompt", "suffix"},
    "embed": {"model", "input", "dimensions"},
}


def is_one(line: Mapping[str, Any]) -> bool:
    """Whether a line is of this format.

    Example:
        >>> is_one({"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": {}}), is_one({"prompt": "hi"})
        (True, False)
    """
    return "custom_id" in line and "url" in line and "body" in line


def verb_of(line: Mapping[str, Any]) -> str:
    """Return the verb that a line asks for.

    Raises:
        RequestError: there is none for its URL.
    """
    url = line.get("url")
    verb = _VERBS.get(url) if isinstance(url, str) else None
    if verb is None:
        raise RequestError(f"url {url!r}: one of {', '.join(_VERBS)}")
    return verb


def parameters(line: Mapping[str, Any], verb: str) -> dict[str, Any]:
    """Return the parameters of the verb that a line asks for.

    Args:
        line: of the format.
        verb: that the batch is for; a batch is of one kind.

    Raises:
        RequestError: the line is for another verb, or asks for something that Ollama does not have.

    Example:
        >>> body = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
        >>> line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
        >>> parameters(line, "chat")["options"]
        {'num_predict': 9}
    """
    if verb_of(line) != verb:
        raise RequestError(f"url {line['url']!r} is for {verb_of(line)}; this batch is for {verb}")
    body = line["body"]
    if not isinstance(body, dict):
        raise RequestError(f"body {body!r:.60}: an object is needed")
    found: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or (name in _LEFT_OUT and value == _HARMLESS.get(name, value)):
            continue
        if name in _OPTIONS and verb != "embed":
            options[_OPTIONS[name]] = (
                [value] if name == "stop" and isinstance(value, str) else value
            )
        elif name == "response_format" and verb != "embed":
            found["format"] = _format(value)
        elif name in _THE_SAME[verb]:
            found[name] = value
        else:
            raise RequestError(f"{name}={value!r:.40}: Ollama has nothing like it")
    if options:
        found["options"] = options
    if verb == "chat":
        found["messages"] = [_message(message) for message in found.get("messages") or ()]
    return found


def answer(record_key: str, verb: str, reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line that answers one with a reply.

    Args:
        record_key: its `custom_id`.
        verb: that was called.
        reply: as the server sent it.
    """
    body = {"chat": _chat_body, "generate": _text_body, "embed": _vectors_body}[verb](reply)
    body["model"] = reply.get("model")
    return {
        "custom_id": record_key,
        "response": {"status_code": 200, "body": body},
        "error": None,
    }


def failure(record_key: str, error: Exception) -> dict[str, Any]:
    """Return the line that answers one with an error."""
    said = {"code": type(error).__name__, "message": str(error)}
    if isinstance(error, ResponseError) and error.status_code > 0:
        body = {"error": {"message": error.error, "type": "server_error"}}
        response = {"status_code": error.status_code, "body": body}
        return {"custom_id": record_key, "response": response, "error": None}
    return {"custom_id": record_key, "response": None, "error": said}


def _format(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return "json"
    if kind == "json_schema" and isinstance(value.get("json_schema"), dict):
        return value["json_schema"].get("schema")
    raise RequestError(f"response_format={value!r:.60}: text, json_object or json_schema")


def _message(message: Any) -> Any:
    """Return a message with its parts joined: text as `content`, images as `images`."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    texts, images = [], []
    for part in message["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            texts.append(str(part.get("text", "")))
        elif kind == "image_url":
            url = str(part.get("image_url", {}).get("url", ""))
            if not url.startswith("data:") or ";base64," not in url:
                raise RequestError(
                    "an image_url must be a data: URL; nothing is fetched from elsewhere"
                )
            images.append(url.partition(";base64,")[2])
        else:
            raise RequestError(f"a part of type {kind!r}: text or image_url")
    return {**message, "content": "\n".join(texts), **({"images": images} if images else {})}


def _usage(reply: Mapping[str, Any]) -> dict[str, int]:
    read, made = int(reply.get("prompt_eval_count") or 0), int(reply.get("eval_count") or 0)
    return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}


def _chat_body(reply: Mapping[str, Any]) -> dict[str, Any]:
    message = dict(reply.get("message") or {})
    reason = "tool_calls" if message.get("tool_calls") else reply.get("done_reason") or "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"object": "chat.completion", "choices": [choice], "usage": _usage(reply)}


def _text_body(reply: Mapping[str, Any]) -> dict[str, Any]:
    reason = reply.get("done_reason") or "stop"
    choice = {"index": 0, "text": reply.get("response", ""), "finish_reason": reason}
    return {"object": "text_completion", "choices": [choice], "usage": _usage(reply)}


def _vectors_body(reply: Mapping[str, Any]) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": number, "embedding": vector}
        for number, vector in enumerate(reply.get("embeddings") or ())
    ]
    return {"object": "list", "data": data, "usage": _usage(reply)}
