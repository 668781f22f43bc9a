"""`Wish`: what one call wants of a fleet, and what became of that so far.

Made on the caller's thread; from the start of the call on the hub owns it.
"""

from __future__ import annotations

from ollama_sync._hub import HubEvent
from ollama_sync._now import monotonic
from ollama_sync.errors import OllamaError, ResponseError


class Wish:
    """A call, as the dispatcher sees it.

    Args:
        tried: the request, as errors name it before there is a server.
        model: that the call is for, as `canonical` spells it.
        affinity: what keeps the calls of one conversation together; None for a call that stands alone.
        patience: seconds that it waits for a server when every one of them is down.

    Attributes:
        number: of the server where it has a place; None while it has none.
        is_refused: whether no server is left for it.
        excluded: numbers of the servers that it was at.
        errors: what went wrong there, by the servers' URLs.
        arrived: when it came.
        began: when it got its place.
        has_alarm: whether the end of its patience is looked for.
    """

    def __init__(self, tried: str, model: str, affinity: str | None, patience: float) -> None:
        self.tried = tried
        self.model = model
        self.affinity = affinity
        self.patience = patience
        self.number: int | None = None
        self.is_refused = False
        self.excluded: set[int] = set()
        self.errors: dict[str, OllamaError] = {}
        self.arrived = monotonic()
        self.began = 0.0
        self.has_alarm = False
        self._gives_up_at: float | None = None
        self._settled: HubEvent | None = None

    @property
    def lacks_model(self) -> bool:
        """Whether some server has said that it does not have the model."""
        return any(
            isinstance(error, ResponseError) and error.status_code == 404
            for error in self.errors.values()
        )

    def is_patient(self, now: float) -> bool:
        """Whether it still waits for a server to come back. The first time that it is asked its patience begins.

        Args:
            now: seconds of the monotonic clock.
        """
        if self._gives_up_at is None:
            self._gives_up_at = now + self.patience
        return now < self._gives_up_at

    def start_over(self, now: float) -> None:
        """Let every server be tried once more.

        Args:
            now: seconds of the monotonic clock.
        """
        self.is_refused = False
        self.excluded.clear()
        self.errors.clear()
        self.arrived = now

    def give(self, number: int, now: float) -> None:
        """Give it a place.

        Args:
            number: of the server.
            now: seconds of the monotonic clock.
        """
        self.number = number
        self.began = now
        self._tell()

    def refuse(self) -> None:
        """Tell it that there is no server for it."""
        self.is_refused = True
        self._tell()

    def wait(self) -> None:
        """Wait for one or the other. In the greenlet of the call."""
        self._settled = HubEvent()
        self._settled.wait()
        self._settled = None

    def _tell(self) -> None:
        if self._settled is not None:
            self._settled.set()
