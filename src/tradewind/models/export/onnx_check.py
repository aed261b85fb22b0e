"""Whether an ONNX file computes what its model computes: both are run on the same tokens."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import torch

from tradewind.core import UsageError, seeds
from tradewind.models.base import TokenModel

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
    stream = torch.Generator().manual_seed(seeds.derive(seed, "onnx check") % 2**63)
    tokens = torch.randint(vocab_size, (batch, length), generator=stream)
    (found,) = session.run(["logits"], {"tokens": tokens.numpy()})
    with torch.inference_mode():
        expected = model(tokens.to(model.device), logits=logits).float().cpu()
    difference = (torch.from_numpy(found).float() - expected).abs().max() / expected.abs().max()
    return float(difference)


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
