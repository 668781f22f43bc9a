"""The transport room: a prepared request in, a status and the bytes of a body out, by requests on gevent's sockets.

Knows neither the hub nor what the bytes mean. What fails here leaves as an error of the SDK's tree.
"""

from requests import PreparedRequest

from ollama_sync._transport.send import Reply
from ollama_sync._transport.session import Call, Transport
from ollama_sync._transport.wire import Progress

__all__ = ["Call", "PreparedRequest", "Progress", "Reply", "Transport"]
