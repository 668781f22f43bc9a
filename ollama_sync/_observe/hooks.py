"""Who looks at the calls of one client.

Any thread: single operations on a dict are atomic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ollama_sync._hub import Killed
from ollama_sync._observe.log import call_log
from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from ollama_sync import events


class Hooks:
    """Who looks at the calls of one client. Any thread: single operations on a dict are atomic.

    Args:
        observe: one hook, several, or None.

    Raises:
        RequestError: one cannot be called.
    """

    def __init__(self, observe: events.Hook | Iterable[events.Hook] | None) -> None:
        hooks: tuple[object, ...]
        if callable(observe) or not isinstance(observe, Iterable):
            hooks = () if observe is None else (observe,)
        else:
            hooks = tuple(observe)
        self._hooks: dict[int, events.Hook] = {id(hook): hook for hook in hooks if callable(hook)}
        if len(self._hooks) != len(hooks):
            raise RequestError(
                f"observe={observe!r}: a function that takes an event, or several different ones"
            )

    @property
    def captures_content(self) -> bool:
        """Whether one of them wants to know what was said, by an attribute of this name."""
        return any(getattr(hook, "captures_content", False) for hook in self._hooks.values())

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self._hooks)

    def tell(self, event: events.Event, faults: type[BaseException]) -> None:
        """Give each hook an event. One that raises one of `faults` is told nothing any more."""
        killed = None
        for hook in list(self._hooks.values()):
            try:
                hook(event)
            except Killed as error:  # noqa: PERF203  # the other hooks go on; it is meant for the call, not for the hook
                killed = error
            except faults:
                # Of two threads to which it raises at once, one says so.
                if self._hooks.pop(id(hook), None) is not None:
                    call_log.exception("the hook %r raised, and is told nothing any more", hook)
        if killed is not None:
            raise killed
