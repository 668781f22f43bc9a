"""System One: questions to a decision model, and its answers.

Plain data, on any thread. The server needs version 0.35.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from ollama_sync.types._view import View

__all__ = [
    "SystemOneAnswer",
    "SystemOneChoiceAnswer",
    "SystemOneChoiceQuestion",
    "SystemOneContent",
    "SystemOneNoulAnswer",
    "SystemOneNoulQuestion",
    "SystemOneQuestion",
    "SystemOneRequest",
    "SystemOneResponse",
    "SystemOneScoreAnswer",
    "SystemOneScoreQuestion",
    "SystemOneUsage",
]

SystemOneContent: TypeAlias = str | dict[str, Any] | list[Any]
"""Text, or a JSON object or array that the server turns into text."""


class SystemOneChoiceQuestion(View):
    """Ask which one of several it is.

    Attributes:
        type: always "choice".
        instructions: the question.
        criteria: the choices: key, and what it means (None: the key says it).
    """

    type: Literal["choice"] = "choice"
    instructions: SystemOneContent
    criteria: Mapping[str, str | None]


class SystemOneNoulQuestion(View):
    """Ask whether it is true; answered by a probability.

    Attributes:
        type: always "noul".
        instructions: the question.
        criteria: what "false" and "true" mean.
    """

    type: Literal["noul"] = "noul"
    instructions: SystemOneContent
    criteria: Mapping[str, str] | None = None


class SystemOneScoreQuestion(View):
    """Ask how much of it there is.

    Attributes:
        type: always "score".
        instructions: the question.
        criteria: what each score means, from the lowest to the highest.
    """

    type: Literal["score"] = "score"
    instructions: SystemOneContent
    criteria: Sequence[str]


SystemOneQuestion: TypeAlias = (
    SystemOneChoiceQuestion | SystemOneNoulQuestion | SystemOneScoreQuestion
)


class SystemOneRequest(View):
    """What is sent.

    Attributes:
        model: the decision model.
        state: what the questions are about.
        questions: the questions by name.
        keep_alive: how long the model stays loaded: seconds, or text as "5m".
    """

    model: str
    state: SystemOneContent
    questions: Mapping[str, SystemOneQuestion]
    keep_alive: float | str | None = None


class SystemOneNoulAnswer(View):
    """Answer to a noul question.

    Attributes:
        type: always "noul".
        noul: probability that it is true.
    """

    type: Literal["noul"] = "noul"
    noul: float


class SystemOneChoiceAnswer(View):
    """Answer to a choice question.

    Attributes:
        type: always "choice".
        choice: key of the choice.
        probabilities: probability of each choice by its key.
        confidence: how sure the model is, 0 to 1.
    """

    type: Literal["choice"] = "choice"
    choice: str
    probabilities: Mapping[str, float]
    confidence: float


class SystemOneScoreAnswer(View):
    """Answer to a score question.

    Attributes:
        type: always "score".
        score: expected score, counted from 0; may be a fraction.
        legend: what each score means, by its number as text.
        probabilities: probability of each score, by its number as text.
        confidence: how sure the model is, 0 to 1.
    """

    type: Literal["score"] = "score"
    score: float
    legend: Mapping[str, str]
    probabilities: Mapping[str, float]
    confidence: float


SystemOneAnswer: TypeAlias = SystemOneNoulAnswer | SystemOneChoiceAnswer | SystemOneScoreAnswer


class SystemOneUsage(View):
    """What the request took.

    Attributes:
        input_tokens: tokens read.
        output_tokens: tokens generated.
    """

    input_tokens: int
    output_tokens: int


class SystemOneResponse(View):
    """The answers.

    Attributes:
        model: the model that answered.
        answers: the answers by the names of their questions.
        usage: what the request took.
    """

    model: str
    answers: Mapping[str, SystemOneAnswer]
    usage: SystemOneUsage
