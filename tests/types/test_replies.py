"""Rules of replies: objects that a real server sent are readable in full, with helpers for their numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ollama_sync.types import (
    ChatResponse,
    CloudStatusResponse,
    EmbeddingsResponse,
    EmbedResponse,
    GenerateResponse,
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    SystemOneChoiceAnswer,
    SystemOneNoulAnswer,
    SystemOneNoulQuestion,
    SystemOneRequest,
    SystemOneResponse,
    SystemOneScoreAnswer,
    VersionResponse,
    View,
    WebFetchResponse,
    WebSearchResponse,
    WhoamiResponse,
)
from ollama_sync.types._raw import Wrapper

# Lines of Ollama 0.33.0-rc2, shortened only where they hold long lists.
RECORDED: list[tuple[type[View], str]] = [
    (
        ChatResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:22.648735799Z","message":{"role":"assistant","content":"The"},"done":false}',
    ),
    (
        ChatResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:22.744026832Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":107967446,"load_duration":1149566,"prompt_eval_count":39,"prompt_eval_duration":6614000,"eval_count":15,"eval_duration":94847000}',
    ),
    (
        ChatResponse,
        r'{"model":"smollm2-think:135m","created_at":"2026-11-22T13:10:31.747795469Z","message":{"role":"assistant","content":"","thinking":"Four"},"done":false}',
    ),
    (
        ChatResponse,
        r'{"model":"smollm2-jsontools:135m","created_at":"2026-11-22T13:13:09.767562952Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_eds0tsff","function":{"index":0,"name":"get_weather","arguments":{"city":"Paris"}}}]},"done":false}',
    ),
    (
        ChatResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:32.695066757Z","message":{"role":"assistant","content":"Hello"},"done":false,"logprobs":[{"token":"Hello","logprob":-2.1700901985168457,"bytes":[72,101,108,108,111],"top_logprobs":[{"token":"I","logprob":-2.22098970413208,"bytes":[73]},{"token":"","logprob":-3.118011951446533}]}]}',
    ),
    (
        ChatResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:43.363925383Z","message":{"role":"","content":""},"done":false,"_debug_info":{"rendered_template":"\u003c|im_start|\u003esystem\nHi"}}',
    ),
    (
        GenerateResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:32.96204346Z","response":"Hello","done":false,"logprobs":[{"token":"Hello","logprob":-0.5439180135726929,"bytes":[72,101,108,108,111]}]}',
    ),
    (
        GenerateResponse,
        r'{"model":"smollm2:135m","created_at":"2026-11-22T13:10:29.188691108Z","response":"The answer","done":true,"done_reason":"length","context":[1,9690,198],"total_duration":107967446}',
    ),
    (
        EmbedResponse,
        r'{"model":"all-minilm:22m","embeddings":[[0.0027752721,0.03330182],[0.09246131,0.08473058]],"total_duration":16227406,"load_duration":1087053,"prompt_eval_count":15}',
    ),
    (EmbeddingsResponse, r'{"embedding":[0.1,-0.2]}'),
    (
        ListResponse,
        r'{"models":[{"name":"all-minilm:22m","model":"all-minilm:22m","modified_at":"2026-11-22T13:08:36.290404892Z","size":45949364,"digest":"3916e706937ab68937981d4bebf584c3ea8e2e9ab78cd6306bfa9741c77ddb9e","details":{"parent_model":"","format":"gguf","family":"bert","families":["bert"],"parameter_size":"22.57M","quantization_level":"F16"},"capabilities":["completion"]}]}',
    ),
    (
        ProcessResponse,
        r'{"models":[{"name":"smollm2:135m","model":"smollm2:135m","size":209505483,"digest":"321f3f3d8581b20b92636ee10dcce285490002b7b795b40a0532150b6f9a04cd","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"134.52M","quantization_level":"Q4_1"},"expires_at":"2319-03-04T13:02:47.968895943Z","size_vram":0,"context_length":4096}]}',
    ),
    (
        ShowResponse,
        r'{"modelfile":"FROM x","template":"{{ .Prompt }}","details":{"families":null},"model_info":{"bert.block_count":6,"tokenizer.ggml.tokens":null},"tensors":[{"name":"blk.0","type":"F16","shape":[384,1536]}],"capabilities":["completion"],"modified_at":"2026-11-22T13:08:36.290404892Z","requires":"0.14.0"}',
    ),
    (
        ProgressResponse,
        r'{"status":"pulling 941f309b54ca","digest":"sha256:941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5","total":98362432,"completed":1048576}',
    ),
    (VersionResponse, r'{"version":"0.33.0-rc2"}'),
    (CloudStatusResponse, r'{"cloud":{"disabled":true,"source":"env"}}'),
]


def assert_all_declared(view: View) -> None:
    """Reach every key of the object, and of the views in it, by subscript and by attribute."""
    for key in view.keys():  # noqa: SIM118 - that keys() is complete is part of the rule
        value = view[key]
        assert getattr(view, view._fields[key].name) == value
        inner = (
            [value]
            if isinstance(value, View)
            else list(value)
            if isinstance(value, Wrapper)
            else []
        )
        for item in inner:
            assert_all_declared(item)


@pytest.mark.parametrize(("cls", "line"), RECORDED)
def test_recorded_objects_are_readable_in_full(cls: type[View], line: str) -> None:
    """Every key that a real server sent is a declared field of its type, and nothing of it is lost."""
    reply = cls.view(json.loads(line))
    assert_all_declared(reply)
    assert reply.to_dict() == json.loads(line)
    assert cls(**reply.to_dict()) == reply
    assert len(repr(reply)) <= 2001


def test_durations_in_seconds_and_speed() -> None:
    """Nanoseconds are given in seconds too, and the speed when both its numbers came."""
    reply = ChatResponse.view(json.loads(RECORDED[1][1]))
    assert reply.total_duration_s == pytest.approx(0.107967446)
    assert reply.load_duration_s == pytest.approx(0.001149566)
    assert reply.prompt_eval_duration_s == pytest.approx(0.006614)
    assert reply.eval_duration_s == pytest.approx(0.094847)
    assert reply.tokens_per_second == pytest.approx(15 / 0.094847)


@pytest.mark.parametrize(
    "numbers", [{}, {"eval_count": 3}, {"eval_duration": 3}, {"eval_count": 3, "eval_duration": 0}]
)
def test_speed_is_unknown_without_both_numbers(numbers: dict[str, int]) -> None:
    """No speed is made up, and none divides by zero."""
    reply = GenerateResponse.view(numbers)
    assert reply.tokens_per_second is None
    assert reply.total_duration_s is None


def test_no_tokens_is_a_speed_of_zero() -> None:
    """Zero tokens in a known time is a speed."""
    assert GenerateResponse.view({"eval_count": 0, "eval_duration": 5}).tokens_per_second == 0


def test_logprobs() -> None:
    """Tokens keep their bytes, and rivals are views too."""
    reply = ChatResponse.view(json.loads(RECORDED[4][1]))
    assert reply.logprobs is not None
    assert bytes(reply.logprobs[0].bytes or ()) == b"Hello"
    assert reply.logprobs[0].top_logprobs is not None
    assert reply.logprobs[0].top_logprobs[1].token == ""
    assert reply.logprobs[0].top_logprobs[1].bytes is None


def test_system_one_answers_by_type() -> None:
    """Each answer is read as its own type; a type of the future stays readable by subscript."""
    raw = {
        "model": "m",
        "answers": {
            "a": {"type": "noul", "noul": 0.9},
            "b": {"type": "choice", "choice": "x", "probabilities": {"x": 1.0}, "confidence": 1.0},
            "c": {
                "type": "score",
                "score": 1.5,
                "legend": {"0": "l"},
                "probabilities": {"0": 1.0},
                "confidence": 0.5,
            },
            "d": {"type": "future", "value": 3},
        },
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    reply = SystemOneResponse.view(raw)
    answers: Any = reply.answers
    assert [type(answers[key]) for key in "abc"] == [
        SystemOneNoulAnswer,
        SystemOneChoiceAnswer,
        SystemOneScoreAnswer,
    ]
    assert (answers["a"].noul, answers["b"].choice, answers["c"].score, answers["d"]["value"]) == (
        0.9,
        "x",
        1.5,
        3,
    )
    assert reply.usage.input_tokens == 5


def test_system_one_request() -> None:
    """A question brings its type, and the request is plain JSON."""
    request = SystemOneRequest(
        model="m", state={"a": 1}, questions={"q": SystemOneNoulQuestion(instructions="ok?")}
    )
    assert request.to_dict() == {
        "model": "m",
        "state": {"a": 1},
        "questions": {"q": {"type": "noul", "instructions": "ok?"}},
    }
    assert isinstance(request.questions["q"], SystemOneNoulQuestion)


def test_web_and_account_replies() -> None:
    """The shapes of ollama.com are read."""
    found = WebSearchResponse.view({"results": [{"title": "t", "url": "u", "content": "c"}]})
    assert found.results[0].url == found["results"][0]["url"] == "u"
    assert WebFetchResponse.view({"title": "t", "content": "c", "links": ["l"]}).links == ["l"]
    assert WhoamiResponse.view({"name": "n", "plan": "free"}).plan == "free"
