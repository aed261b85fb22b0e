"""Models as ONNX graphs: a whole sequence scored at once, or one token decoded with keys and values passed in and out.

The graph is what `torch.onnx.export` makes of our own forward (dynamo=True), in operator set 23, which has attention as
one operator. Nothing is rewritten here, so every family and every program is exported by the same few lines.

Letters: B batch, T tokens, V vocabulary, L layers, H heads, C positions cached, S head size.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.core.files import sync_folder
from tradewind.models.base import LanguageModel, TokenModel
from tradewind.models.cache import Cache, LayerCache
from tradewind.models.transformer_xl import RelativeCache, TransformerXLModel, position_codes

OPSET = 23
_TRACED = 16
"""Tokens, or cached positions, of the example that is traced where the length is left open."""
_NEEDED = ("onnx", "onnxscript")


def write_onnx(
    model: TokenModel,
    path: str | os.PathLike[str],
    *,
    batch: int | None = None,
    length: int | None = None,
    logits: str = "all",
    optimize: bool = True,
) -> Path:
    """Write the forward of a model as an ONNX file: ``tokens`` (B, T) int64 -> ``logits`` (B, T, V) or (B, 1, V).

    `batch` and `length` None are left open, up to the learned positions of a model that has them. `logits` as in
    `TokenModel.forward`; Transformer-XL gives log-probabilities. Without `optimize` the graph is not simplified, which
    takes half the time. Weights of 2 GB and more go to a second file beside it, ``NAME.data``.

    Raises `UsageError` where the exporter is not installed or a size is not possible, `FileFormatError` where the file
    cannot be written.
    """
    return _save(forward_program(model, batch, length, logits, optimize), Path(path))


def write_onnx_decoder(
    model: LanguageModel,
    path: str | os.PathLike[str],
    *,
    batch: int | None = None,
    context: int | None = None,
    optimize: bool = True,
) -> Path:
    """Write one decoding step as an ONNX file.

    Inputs: ``tokens`` (B, 1) int64 and for each layer i ``past_keys_i``, ``past_values_i`` (B, H_i, C, S_i), the C
    positions before. Outputs: ``logits`` (B, 1, V) and ``keys_i``, ``values_i`` (B, H_i, C + 1, S_i), the past of the
    next step. A layer that convolves its projections with K taps also has ``past_rows_i`` and ``rows_i`` (B, K - 1, W),
    zeros before the first token. `batch` and `context` None are left open; C is at least 1. Arguments and errors as for
    `write_onnx`.
    """
    return _save(step_program(model, batch, context, optimize), Path(path))


def forward_program(model: TokenModel, batch: int | None, length: int | None, logits: str, optimize: bool) -> Any:
    """The `torch.onnx.ONNXProgram` that `write_onnx` writes."""
    if logits not in ("all", "last"):
        raise unknown("choice of logits", logits, ("all", "last"))
    longest = longest_of(model)
    if length is not None and not 1 <= length <= (longest or length):
        bound = "" if longest is None else f" and at most {longest}, the learned positions"
        raise UsageError(f"length is {length}; it must be at least 1{bound}")
    if batch is not None and batch < 1:
        raise UsageError(f"batch is {batch}; it must be at least 1")
    if length is None and longest is not None and longest < 2:
        length = longest
    # The exporter takes sizes of 0 and 1 for constants, so the traced ones are larger.
    shape = (batch or 2, length or min(_TRACED, longest or _TRACED))
    sizes: dict[int, Any] = {}
    if batch is None:
        sizes[0] = torch.export.Dim("batch")
    if length is None:
        sizes[1] = torch.export.Dim("length", min=2, max=longest) if longest else torch.export.Dim("length", min=2)
    tokens = torch.zeros(shape, dtype=torch.int64, device=model.device)
    return _export(_Forward(model, logits), (tokens,), ["tokens"], ["logits"], ({**sizes},), optimize)


def step_program(model: LanguageModel, batch: int | None, context: int | None, optimize: bool) -> Any:
    """The `torch.onnx.ONNXProgram` that `write_onnx_decoder` writes."""
    longest = longest_of(model)
    if context is not None and not 1 <= context < (longest or context + 1):
        bound = "" if longest is None else f" and below the {longest} learned positions"
        raise UsageError(f"context is {context}; it must be at least 1{bound}")
    if context is None and longest is not None and longest < 4:
        raise UsageError(f"{longest} learned positions are too few to decode at open length; give a context")
    count, seen = batch or 2, context or min(_TRACED, (longest or _TRACED + 1) - 1)
    sizes: dict[int, Any] = {}
    if batch is None:
        sizes[0] = torch.export.Dim("batch")
    if context is None:
        dim = torch.export.Dim
        sizes[2] = dim("context", min=2, max=longest - 1) if longest else dim("context", min=2)
    past = [
        {kind: torch.zeros_like(tensor) for kind, tensor in layer.items()}
        for layer in past_of(model.make_cache(count, seen))
    ]
    token = torch.zeros((count, 1), dtype=torch.int64, device=model.device)
    kinds = [f"{kind}_{i}" for i, layer in enumerate(past) for kind in layer]
    first = {0: sizes[0]} if batch is None else {}
    shapes = (first, [{kind: first if kind == "rows" else {**sizes} for kind in layer} for layer in past])
    inputs, outputs = ["tokens", *(f"past_{kind}" for kind in kinds)], ["logits", *kinds]
    return _export(_Step(model), (token, past), inputs, outputs, shapes, optimize)


def past_of(cache: Cache) -> list[dict[str, Tensor]]:
    """What `write_onnx_decoder` takes of a cache, layer by layer: keys, values and the latest K - 1 rows.

    >>> [list(layer) for layer in past_of(Cache([(2, 32)], batch=1, length=8))]
    [['keys', 'values']]
    """
    found = []
    for layer in cache.layers:
        seen = layer.filled or layer.keys.shape[2]
        entry = {"keys": layer.keys[:, :, :seen], "values": layer.values[:, :, :seen]}
        if layer.rows is not None:
            taps = layer.rows.shape[1]
            # The row of position p is kept at p mod K, those before the first token are zeros.
            rows = [
                layer.rows[:, p % taps] if p >= 0 else torch.zeros_like(layer.rows[:, 0])
                for p in range(seen - taps + 1, seen)
            ]
            entry["rows"] = torch.stack(rows, 1)
        found.append(entry)
    return found


def problem() -> str:
    """What is missing to export, with the remedy; nothing where all is there."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"{' and '.join(missing)} is not installed; install it with: pip install 'tradewind[onnx]'"


class _Forward(nn.Module):
    """The forward with its choice of logits fixed."""

    def __init__(self, model: TokenModel, logits: str) -> None:
        super().__init__()
        self.model = model
        self.logits = logits

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens, logits=self.logits)


class _Step(nn.Module):
    """One decoding step as a function of the token and the past."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, past: list[dict[str, Tensor]]) -> tuple[Tensor, ...]:
        cache = _GrowingCache(self.model, past)
        logits = self.model.head(self.model.hidden(tokens, cache))
        return (
            logits,
            *(getattr(layer, kind) for layer, given in zip(cache.layers, past, strict=True) for kind in given),
        )


class _GrowingLayer(LayerCache):
    """Keys, values and rows that grow or move by concatenation instead of being written into reserved memory."""

    def __init__(self, past: Mapping[str, Tensor]) -> None:
        super().__init__(past["keys"], past["values"], past.get("rows"))
        self.filled = self.keys.shape[2]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, C, S) and (B, H, 1, S) -> (B, H, C + 1, S)."""
        self.keys, self.values = torch.cat([self.keys, keys], 2), torch.cat([self.values, values], 2)
        self.filled = self.keys.shape[2]
        return self.keys, self.values

    def precede(self, rows: Tensor) -> Tensor:
        """The K - 1 rows before the new one, (B, K - 1, W)."""
        assert self.rows is not None
        before = self.rows
        self.rows = torch.cat([before[:, 1:], rows], 1)
        return before


class _GrowingCache(RelativeCache):
    """A cache made of the tensors of the graph's inputs; the relative keys of Transformer-XL are part of the graph."""

    def __init__(self, model: LanguageModel, past: Sequence[Mapping[str, Tensor]]) -> None:
        self.layers = [_GrowingLayer(layer) for layer in past]
        self.relative = []
        if isinstance(model, TransformerXLModel):
            codes = position_codes(self.filled + 1, model.arch.d_model, like=past[0]["keys"])
            self.relative = [layer.attention.relative_keys(codes) for layer in model._blocks()]


def longest_of(model: TokenModel) -> int | None:
    """Tokens that a model with learned positions can read."""
    learned = getattr(model, "position_embedding", None)
    return int(learned.num_embeddings) if isinstance(learned, nn.Embedding) else None


def _export(
    module: nn.Module,
    arguments: tuple[Any, ...],
    inputs: list[str],
    outputs: list[str],
    sizes: tuple[Any, ...],
    optimize: bool,
) -> Any:
    missing = problem()
    if missing:
        raise UsageError(f"export to ONNX is not possible: {missing}")
    import torch.onnx

    with _quiet(), torch.no_grad():
        return torch.onnx.export(
            module.eval(),
            arguments,
            dynamo=True,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=sizes,
            opset_version=OPSET,
            optimize=optimize,
            verbose=False,
        )


def _save(program: Any, path: Path) -> Path:
    """Write the files to a folder beside the target, then move them over it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            program.save(Path(folder) / path.name)
            # The graph last: it names the file of its weights.
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
                os.replace(file, path.parent / file.name)
            sync_folder(path.parent)
    except OSError as error:
        raise FileFormatError(
            f"cannot write {path} ({error.strerror or error}); name a file in a folder that can be written"
        ) from error
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on packages that it would use if they were there, and on itself, to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
