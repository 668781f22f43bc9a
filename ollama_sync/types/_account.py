"""Replies about the server's state and the user's account at ollama.com.

Plain data, on any thread. Times stay text here: their form is not promised by the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ollama_sync.types._view import View

__all__ = [
    "BalanceResponse",
    "CloudStatusResponse",
    "RecommendationsResponse",
    "UsageResponse",
    "WhoamiResponse",
]


class WhoamiResponse(View):
    """Who the server is signed in as.

    Attributes:
        id: the account.
        email: its address.
        name: its name.
        bio: what the user says about themselves.
        avatarurl: address of a picture.
        firstname: first name.
        lastname: last name.
        plan: what the account pays for.

    Example:
        >>> WhoamiResponse(name="ada", plan="pro").plan
        'pro'
    """

    id: str | None = None
    email: str | None = None
    name: str | None = None
    bio: str | None = None
    avatarurl: str | None = None
    firstname: str | None = None
    lastname: str | None = None
    plan: str | None = None


class CloudStatusResponse(View):
    """Whether the server may use ollama.com.

    Attributes:
        cloud: the answer, and who decided.

    Example:
        >>> CloudStatusResponse(cloud={"disabled": True, "source": "env"}).cloud.source
        'env'
    """

    class Cloud(View):
        """Whether the server may use ollama.com.

        Attributes:
            disabled: True when it may not.
            source: who decided: "none", "env", "config" or "both".
        """

        disabled: bool | None = None
        source: str | None = None

    cloud: Cloud | None = None


class RecommendationsResponse(View):
    """Models that the server recommends.

    Attributes:
        recommendations: the models.

    Example:
        >>> reply = RecommendationsResponse(recommendations=[{"model": "llama3.2", "context_length": 131072}])
        >>> [model.model for model in reply.recommendations]
        ['llama3.2']
    """

    class Model(View):
        """A recommended model.

        Attributes:
            model: its name.
            description: what it is good for.
            context_length: longest context, in tokens.
            max_output_tokens: longest answer, in tokens.
            vram_bytes: memory that it needs on the GPU, in bytes.
            required_plan: what the account must pay for to use it.
        """

        model: str | None = None
        description: str | None = None
        context_length: int | None = None
        max_output_tokens: int | None = None
        vram_bytes: int | None = None
        required_plan: str | None = None

    recommendations: Sequence[Model]


class BalanceResponse(View):
    """What is left of the account's allowance at ollama.com.

    Attributes:
        included: what the plan includes.
        purchased: what was bought on top.

    Example:
        >>> reply = BalanceResponse(included={"weekly": {"remaining_percent": 40}}, purchased={"balance_usd": 2.5})
        >>> reply.included.weekly.remaining_percent, reply.purchased.balance_usd
        (40, 2.5)
    """

    class Purchased(View):
        """What was bought on top of the plan.

        Attributes:
            balance_usd: what is left of it, in US dollars.
        """

        balance_usd: float | None = None

    class Included(View):
        """What the plan includes. Older plans have `session` and `weekly` only, newer ones the others.

        Attributes:
            balance_usd: what is left of it, in US dollars.
            allowance_usd: how much it is for the period, in US dollars.
            period: the time that the allowance is for.
            session: what is left of the session's quota.
            weekly: what is left of the week's quota.
        """

        class Period(View, wire={"from_": "from"}):
            """A span of time.

            Attributes:
                from_: its begin (`from` in JSON).
                until: its end.
            """

            from_: str | None = None
            until: str | None = None

        class Quota(View):
            """What is left of a quota.

            Attributes:
                remaining_percent: how much is left.
                resets_at: when it begins anew.
            """

            remaining_percent: float | None = None
            resets_at: str | None = None

        balance_usd: float | None = None
        allowance_usd: float | None = None
        period: Period | None = None
        session: Quota | None = None
        weekly: Quota | None = None

    included: Included | None = None
    purchased: Purchased | None = None


class UsageResponse(View, wire={"from_": "from"}):
    """What the account used at ollama.com.

    Attributes:
        range: the span asked for: "24h", "7d" or "30d".
        scope: "self" or "team".
        granularity: span of one bucket.
        from_: begin of the range (`from` in JSON).
        until: end of the range.
        totals: sums over the range.
        buckets: the same for each bucket.

    Example:
        >>> reply = UsageResponse(range="24h", from_="2026-01-01T00:00:00Z", totals={"requests": 3})
        >>> reply.from_, reply.totals["requests"]
        ('2026-01-01T00:00:00Z', 3)
    """

    range: str | None = None
    scope: str | None = None
    granularity: str | None = None
    from_: str | None = None
    until: str | None = None
    totals: Mapping[str, Any] | None = None
    buckets: Sequence[Mapping[str, Any]] | None = None
