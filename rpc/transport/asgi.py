"""The ASGI interface between the server and the applications of this node: its types and this node's extensions."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Serves one request."""

ABORT_EXTENSION = "zevm.abort"
"""The scope extension in which the server hands over the function that drops a WebSocket's connection."""
TEXT_EXTENSION = "zevm.text"
"""The scope extension that holds the function that sends one text message from pieces of UTF-8, a frame for each."""
OUTPUT_EXTENSION = "zevm.output"
"""That in which it hands over the function that opens an account of unread output."""
