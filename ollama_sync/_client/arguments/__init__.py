"""From a caller's arguments to the JSON body of a request.

What can be known to be wrong is said here, before anything is sent: the argument, what was given, what is accepted. What
only the server can judge (a model's name, an unknown option) passes. Runs on the caller's thread.
"""

from ollama_sync._client.arguments.content import images, messages
from ollama_sync._client.arguments.values import (
    answer_type,
    body,
    context,
    flag,
    keep_alive,
    mapping,
    model_name,
    of_client,
    options,
    refusal,
    reply_format,
    required,
    state,
    stream,
    text,
    texts,
    think,
    tools,
    whole,
)

__all__ = [
    "answer_type",
    "body",
    "context",
    "flag",
    "images",
    "keep_alive",
    "mapping",
    "messages",
    "model_name",
    "of_client",
    "options",
    "refusal",
    "reply_format",
    "required",
    "state",
    "stream",
    "text",
    "texts",
    "think",
    "tools",
    "whole",
]
