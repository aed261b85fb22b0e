"""Tokens a second of one training step, side by side with Hugging Face's GPT-2 of the same shape, in one run.

A step is forward, loss, backward and fused AdamW, in float32, with dropout off. The contestants take turns, each in a
process of its own.

    python benchmarks/training_throughput.py [--rounds 12] [--threads 2] [--json]
    python benchmarks/training_throughput.py --brief --rounds 50
    python benchmarks/training_throughput.py --layers 2 --width 128 --heads 2 --vocabulary 256 --length 64 --rounds 100

Hugging Face's GPT-2 runs with its default activation (gelu_new, several kernels) and with the fused tanh GELU, which
computes the same numbers; both with its default attention (torch's fused kernel). Our step is that of the Trainer, each
thread with its rows (`tradewind.training.threads`); beside it stands the same with every operation on all threads, and
that with its blocks as modules, without `tradewind.models.fused`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table
from turns import Step, quartiles, race

import tradewind as tw
from tradewind.training.evaluation import TokenLoss
from tradewind.training.threads import Replicas, parts, slices

OURS, OPERATIONS, MODULES = "tradewind", "tradewind, threads share operations", "and blocks as modules"
FUSED = "hugging face, fused GELU"
ACTIVATIONS = {FUSED: "gelu_pytorch_tanh", "hugging face": "gelu_new"}


def hugging_face(arch: tw.core.GPT2, activation: str) -> torch.nn.Module:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=arch.n_layer,
        n_embd=arch.d_model,
        n_head=arch.n_head[0],
        vocab_size=arch.vocab_size,
        n_positions=arch.context,
        activation_function=activation,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def stepper(model: torch.nn.Module, backward: Callable[[], torch.Tensor]) -> Step:
    """One training step; gives the loss."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step(turn: int) -> float:
        value = backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(value)

    return step


def on_all_threads(loss: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    def backward() -> torch.Tensor:
        value = loss()
        value.backward()
        return value.detach()

    return backward


def by_rows(model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Loss and gradients with a part of the batch on each thread."""
    replicas = Replicas(TokenLoss(model), parts(model, len(inputs)))
    rows = slices(len(inputs), len(replicas))

    def work(loss: torch.nn.Module, i: int) -> torch.Tensor:
        share = len(inputs[rows[i]]) / len(inputs)
        value = loss(inputs[rows[i]], targets[rows[i]])[0] * share
        value.backward()
        return value.detach()

    return lambda: torch.stack(replicas.run(work)).sum()


def contestant(name: str, arch: tw.core.GPT2, batch: int, length: int) -> Step:
    """Its step, on the same tokens for all."""
    tokens = torch.randint(arch.vocab_size, (batch, length + 1), generator=torch.Generator().manual_seed(0))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    if name in ACTIVATIONS:
        theirs = hugging_face(arch, ACTIVATIONS[name])
        assert sum(p.numel() for p in theirs.parameters()) == tw.costs.params(arch), "networks of other sizes"
        return stepper(theirs, on_all_threads(lambda: theirs(input_ids=inputs, labels=inputs).loss))
    ours = tw.models.build(arch)
    if name == OURS:
        return stepper(ours, by_rows(ours, inputs, targets))
    step = stepper(ours, on_all_threads(lambda: ours.loss(inputs, targets)))
    if name == MODULES:
        return mock.patch("tradewind.models.fused.usable", new=mock.Mock(return_value=False))(step)
    return step


def summary(times: dict[str, list[float]], tokens: int) -> dict[str, dict[str, float]]:
    """Median tokens a second, and the quartiles over rounds of our speed relative to each contestant's."""
    found = {}
    for name, seconds in times.items():
        low, middle, high = quartiles(times[OURS], seconds)
        found[name] = {
            "tokens_per_second": tokens / statistics.median(seconds),
            "best_tokens_per_second": tokens / min(seconds),
            "ours_over_it": middle,
            "lower_quartile": low,
            "upper_quartile": high,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--brief", action="store_true", help="only our step and Hugging Face's with the fused GELU")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    layers = {"n_head": (options.heads,) * options.layers, "d_inner": (4 * options.width,) * options.layers}
    arch = tw.core.GPT2(d_model=options.width, vocab_size=options.vocabulary, context=1024, **layers)
    names = [OURS, FUSED] if options.brief else [OURS, *ACTIVATIONS, OPERATIONS, MODULES]
    times = race(contestant, names, options.rounds, options.threads, arch, options.batch, options.length)
    found = summary(times, options.batch * options.length)
    if options.json:
        facts = {"torch": torch.__version__, "arch": arch.to_dict()} | vars(options)
        print(json.dumps(facts | {"contestants": found}, indent=2))
        return
    table = Table("contestant", "tokens/s", "best", "ours over it", "quartiles")
    for name, row in found.items():
        table.add_row(
            name,
            f"{row['tokens_per_second']:,.0f}",
            f"{row['best_tokens_per_second']:,.0f}",
            f"{row['ours_over_it']:.3f}",
            f"{row['lower_quartile']:.3f} to {row['upper_quartile']:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
