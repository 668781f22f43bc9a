"""`Options`: how a model is loaded and how it chooses tokens.

Plain data, on any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from ollama_sync.types._view import View

__all__ = ["Options"]


class Options(View):
    """Options of a model, for the `options` of a request or the `parameters` of a new model.

    The server uses its own default, or the model's, for each option left out. Changing an option of
    the first group between two requests makes the server load the model again. The last group was
    removed from the server, which ignores those names: they are here so that old programs still run.

    Attributes:
        num_ctx: length of the context, in tokens.
        num_batch: tokens evaluated at once while reading the prompt.
        num_gpu: layers on the GPU; -1 is automatic, 0 is none.
        main_gpu: number of the GPU that holds small tensors.
        use_mmap: map the model's file instead of reading it; None is automatic.
        num_thread: CPU threads; 0 is automatic.
        draft_num_predict: tokens that a draft model proposes at a time.
        num_keep: tokens of the prompt that are kept when the context is shifted.
        seed: start of the random numbers; -1 is random.
        num_predict: most tokens to generate; -1 is unlimited.
        top_k: choose among that many likeliest tokens.
        top_p: choose among the likeliest tokens whose probabilities add up to this.
        min_p: leave out tokens less likely than this fraction of the likeliest.
        typical_p: locally typical sampling; 1.0 is off.
        repeat_last_n: tokens looked back at to discourage repeating; 0 is off, -1 is the whole context.
        temperature: randomness; 0 always takes the likeliest token.
        repeat_penalty: penalty on repeated tokens; 1.0 is none.
        presence_penalty: penalty on tokens that occurred at all.
        frequency_penalty: penalty on tokens by how often they occurred.
        stop: texts that end the generation. A list: the server refuses a bare string.

    Example:
        >>> Options(temperature=0, seed=1).to_dict()
        {'temperature': 0, 'seed': 1}
    """

    # When the model is loaded.
    num_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    use_mmap: bool | None = None
    num_thread: int | None = None
    draft_num_predict: int | None = None

    # At each request.
    num_keep: int | None = None
    seed: int | None = None
    num_predict: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_last_n: int | None = None
    temperature: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: Sequence[str] | None = None

    # Removed from the server, which ignores them.
    numa: bool | None = None
    low_vram: bool | None = None
    f16_kv: bool | None = None
    logits_all: bool | None = None
    vocab_only: bool | None = None
    use_mlock: bool | None = None
    embedding_only: bool | None = None
    tfs_z: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    penalize_newline: bool | None = None
