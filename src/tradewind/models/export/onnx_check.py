"""Whether an ONNX file computes what its model computes: both are run on the same tokens."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import torch
from torch import Tensor

from tradewind.core import UsageError, seeds
from tradewind.models.base import LanguageModel, TokenModel
from tradewind.models.export.onnx_graph import longest_of, past_of

TOLERANCE = 1e-4
"""Largest difference, relative to the largest logit, that float32 arithmetic in another order explains."""


def largest_difference(
    model: TokenModel, path: str | os.PathLike[str], vocab_size: int, *, logits: str = "all", seed: int = 0
) -> float:
    """The largest difference of any logit over the largest logit, on random tokens of a shape that the file allows.

    Reads a file of `write_onnx`. Runs in ONNX Runtime on the CPU; raises `UsageError` where it is not installed.
    """
    session = open_session(path)
    sizes = session.get_inputs()[0].shape
    batch, length = (size if isinstance(size, int) else free for size, free in zip(sizes, (3, 7), strict=True))
    tokens = _tokens(batch, length, vocab_size, seed)
    (found,) = session.run(["logits"], {"tokens": tokens.numpy()})
    with torch.inference_mode():
        return _difference(found, model(tokens.to(model.device), logits=logits))


def largest_step_difference(model: LanguageModel, path: str | os.PathLike[str], *, seed: int = 0) -> float:
    """The same for a file of `write_onnx_decoder`: one token after random ones in the model's own cache."""
    session = open_session(path)
    sizes = session.get_inputs()[1].shape
    batch = sizes[0] if isinstance(sizes[0], int) else 2
    context = sizes[2] if isinstance(sizes[2], int) else min(5, (longest_of(model) or 6) - 1)
    tokens = _tokens(batch, context + 1, model.arch.vocab_size, seed).to(model.device)
    cache = model.make_cache(batch, context + 1)
    model.prefill(tokens[:, :-1], cache)
    past = {
        f"past_{kind}_{i}": tensor.clone().cpu().numpy()
        for i, layer in enumerate(past_of(cache))
        for kind, tensor in layer.items()
    }
    (found,) = session.run(["logits"], {"tokens": tokens[:, -1:].cpu().numpy(), **past})
    with torch.inference_mode():
        return _difference(found, model.decode(tokens[:, -1:], cache))


def open_session(path: str | os.PathLike[str], threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU, with a number of threads and everything else as the runtime has it."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError("running ONNX files needs onnxruntime; install it with: pip install 'tradewind[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


def _tokens(batch: int, length: int, vocab_size: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seeds.derive(seed, "onnx check") % 2**63)
    return torch.randint(vocab_size, (batch, length), generator=stream)


def _difference(found: Any, expected: Tensor) -> float:
    wanted = expected.float().cpu()
    return float((torch.from_numpy(found).float() - wanted).abs().max() / wanted.abs().max())
