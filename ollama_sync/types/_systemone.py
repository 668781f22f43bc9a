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
"""Text, or a JSON object or array that the server turns into text.

Example:
    >>> content: SystemOneContent = {"subject": "You have won!"}
    >>> SystemOneRequest(model="decider", state=content, questions={}).state["subject"]
    'You have won!'
"""


class SystemOneChoiceQuestion(View):
    """Ask which one of several it is.

    Attributes:
        type: always "choice".
        instructions: the question.
        criteria: the choices: key, and what it means (None: the key says it).

    Example:
        >>> question = SystemOneChoiceQuestion(instructions="Which?", criteria={"a": "The first", "b": None})
        >>> question.type, question.criteria["a"]
        ('choice', 'The first')
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

    Example:
        >>> SystemOneNoulQuestion(instructions="Is it spam?").to_dict()
        {'type': 'noul', 'instructions': 'Is it spam?'}
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

    Example:
        >>> question = SystemOneScoreQuestion(instructions="How urgent?", criteria=["not at all", "very"])
        >>> question.type, len(question.criteria)
        ('score', 2)
    """

    type: Literal["score"] = "score"
    instructions: SystemOneContent
    criteria: Sequence[str]


SystemOneQuestion: TypeAlias = (
    SystemOneChoiceQuestion | SystemOneNoulQuestion | SystemOneScoreQuestion
)
"""A question of one of the three kinds.

Example:
    >>> question: SystemOneQuestion = SystemOneNoulQuestion(instructions="Is it spam?")
    >>> question.type
    'noul'
"""


class SystemOneRequest(View):
    """What is sent.

    Attributes:
        model: the decision model.
        state: what the questions are about.
        questions: the questions by name.
        keep_alive: how long the model stays loaded: seconds, or text as "5m".

    Example:
        >>> ask = {"spam": SystemOneNoulQuestion(instructions="Is it spam?")}
        >>> request = SystemOneRequest(model="decider", state="You have won!", questions=ask)
        >>> request.questions["spam"].instructions
        'Is it spam?'
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

    Example:
        >>> SystemOneNoulAnswer(noul=0.97).noul > 0.5
        True
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

    Example:
        >>> answer = SystemOneChoiceAnswer(choice="a", probabilities={"a": 0.75, "b": 0.25}, confidence=0.5)
        >>> answer.probabilities[answer.choice]
        0.75
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

    Example:
        >>> answer = SystemOneScoreAnswer(
        ...     score=0.5, legend={"0": "low", "1": "high"}, probabilities={"0": 0.5, "1": 0.5}, confidence=0.1
        ... )
        >>> answer.score, answer.legend["1"]
        (0.5, 'high')
    """

    type: Literal["score"] = "score"
    score: float
    legend: Mapping[str, str]
    probabilities: Mapping[str, float]
    confidence: float


SystemOneAnswer: TypeAlias = SystemOneNoulAnswer | SystemOneChoiceAnswer | SystemOneScoreAnswer
"""An answer of one of the three kinds; its `type` says which.

Example:
    >>> answer: SystemOneAnswer = SystemOneNoulAnswer(noul=0.97)
    >>> answer.type, answer.noul
    ('noul', 0.97)
"""


class SystemOneUsage(View):
    """What the request took.

    Attributes:
        input_tokens: tokens read.
        output_tokens: tokens generated.

    Example:
        >>> SystemOneUsage(input_tokens=12, output_tokens=1).input_tokens
        12
    """

    input_tokens: int
    output_tokens: int


class SystemOneResponse(View):
    """The answers.

    Attributes:
        model: the model that answered.
        answers: the answers by the names of their questions.
        usage: what the request took.

    Example:
        >>> reply = SystemOneResponse(
        ...     model="decider",
        ...     answers={"spam": {"type": "noul", "noul": 0.97}},
        ...     usage={"input_tokens": 12, "output_tokens": 1},
        ... )
        >>> type(reply.answers["spam"]).__name__, reply.usage.input_tokens
        ('SystemOneNoulAnswer', 12)
    """

    model: str
    answers: Mapping[str, SystemOneAnswer]
    usage: SystemOneUsage
