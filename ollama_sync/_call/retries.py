"""Whether a call that failed is tried again, and after how many seconds.

The policy is urllib3's `Retry`, of which only what decides is used: it may not send and not sleep. `Attempts` asks it, and
adds what urllib3 cannot know: which calls do no harm when they are made twice. Runs on the hub, except `policy_of`.
"""

from __future__ import annotations

import ssl

from urllib3 import HTTPResponse, Retry
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError
from urllib3.util.retry import RequestHistory

from ollama_sync.errors import (
    ConnectError,
    ConnectTimeout,
    OllamaError,
    RequestError,
    ResponseError,
)

__all__ = ["Attempts", "Retry", "policy_of"]

# What a client learns of a connection that the server closed while nothing was under way.
_HUNG_UP = (
    BrokenPipeError,
    ConnectionAbortedError,
    ConnectionResetError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)

# Seconds before the first repeat; each further one waits twice as long as the one before.
_FIRST_WAIT = 0.5

# Seconds; up to so many more are waited, so that clients which failed together do not come back together.
_JITTER = 0.5

# urllib3 does not wait before the first repeat, only before those that follow. To an overloaded server that is no help.
_AN_EARLIER_FAILURE = (RequestHistory(None, None, None, None, None),)


def policy_of(retries: object) -> Retry:
    """Return what is given as `retries=` as a policy. The caller's thread.

    Args:
        retries: how often a call may be repeated, or a policy.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(retries, Retry):
        if retries.allowed_methods == Retry.DEFAULT_ALLOWED_METHODS:
            # urllib3 leaves POST out, by which nearly all of this API goes. Its verbs are told apart by more than that.
            return retries.new(allowed_methods=None)
        return retries
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise RequestError(
            f"retries={retries!r}: how often to try again, 0 or more, or a urllib3.Retry"
        )
    return Retry(
        retries,
        allowed_methods=None,
        # And 429, where the server says when to come back: that is urllib3's own rule.
        status_forcelist=(502, 503),
        backoff_factor=_FIRST_WAIT / 2,
        backoff_jitter=_JITTER,
        history=_AN_EARLIER_FAILURE,
    )


class Attempts:
    """The attempts of one call.

    Args:
        policy: of `policy_of`.
        method: of HTTP.
        safe: whether the call does no harm when it is made a second time after the server had begun to work on the first.
    """

    def __init__(self, policy: Retry, method: str, *, safe: bool) -> None:
        self.count = 1
        self._policy = policy
        self._method = method
        self._safe = safe
        self._kept = False
        self._sent = False
        self._replaced = False

    def connected(self, *, kept: bool) -> None:
        """Note that there is a connection: a new one, or one kept from an earlier call."""
        self._kept = kept

    def sent(self) -> None:
        """Note that the request has been written whole: from now on the server may be working on it."""
        self._sent = True

    def begin(self) -> None:
        """Note that another attempt is made."""
        self.count += 1
        self._kept = self._sent = False

    def renews(self, error: OllamaError) -> bool:
        """Whether the next attempt is made at once, because a kept connection was closed while nothing was under way.

        That is no fault of the server's: it may close a connection that idles, and has perhaps been restarted since.
        """
        if (
            self._kept
            and not self._replaced
            and isinstance(error, ConnectError)
            and isinstance(error.__cause__, _HUNG_UP)
            and (self._safe or not self._sent)
        ):
            self._replaced = True
            self.begin()
            return True
        return False

    def after(self, error: OllamaError, left: float) -> float | None:
        """Return how many seconds after `error` the next attempt begins; None when there is to be none.

        Args:
            error: of the attempt that has just failed.
            left: seconds that the call still has.
        """
        if isinstance(error, ResponseError):
            wait = self._after_answer(error)
        elif isinstance(error, (ConnectError, ConnectTimeout)):
            wait = self._after_failure(error)
        else:
            return None
        if wait is None or wait >= left:
            return None
        self.begin()
        return wait

    def _after_failure(self, error: ConnectError | ConnectTimeout) -> float | None:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError) or (
            self._sent and not self._safe
        ):
            return None
        lost = ProtocolError if self._sent else ConnectTimeoutError
        try:
            self._policy = self._policy.increment(self._method, error=lost(str(error)))
        except HTTPError:  # used up
            return None
        return self._policy.get_backoff_time()

    def _after_answer(self, error: ResponseError) -> float | None:
        status = error.status_code
        asks_for_time = "Retry-After" in error.headers
        # With these the server says itself that it did nothing. Others may come from a proxy, when the server has done it.
        if not self._safe and status not in Retry.RETRY_AFTER_STATUS_CODES:
            return None
        if not self._policy.is_retry(self._method, status, asks_for_time):
            return None
        answer = HTTPResponse(headers=error.headers, status=status)
        try:
            self._policy = self._policy.increment(self._method, response=answer)
        except HTTPError:
            return None
        asked = self._asked(answer) if self._policy.respect_retry_after_header else 0.0
        if asked > self._policy.backoff_max:  # after less it would only refuse again
            return None
        return asked or self._policy.get_backoff_time()

    def _asked(self, answer: HTTPResponse) -> float:
        """Return the seconds of a `Retry-After`, 0.0 where there is none that can be read."""
        try:
            return float(self._policy.get_retry_after(answer) or 0.0)
        except (HTTPError, ValueError, OverflowError):
            return 0.0
