"""Tokens a second of a sandwich step of four networks, beside plain training steps, interleaved in one run.

Shape: n_layer 6, d_model 512, 8 heads, vocabulary 8,192, batch 8 x 256, float32; a step is forward, backward and fused
AdamW. The sandwich is the largest, the smallest and two random networks of a space with widths spaced as logarithms
(64..512), 1..6 layers, 1..8 heads and inner sizes 64..2048 for each layer; its tokens count once.

    plain      our GPT-2
    plain hf   Hugging Face's GPT-2 (with --hf)
    sandwich   `Supernet.accumulate` for each network, each thread with its rows as in the trainer
    threads    the same with every operation on all threads
    divided    the sandwich whose networks divide the batch; each token is read by one of them
    by state   the straightforward way: modules that are told their sizes before each forward, slices by indexing,
               gradients of the whole weight's size for every slice, loss over all logits at once
    whittle    the library whittle, networks of the same widths, depths and inner sizes (with --whittle)

A round runs each once, in turn; ratios are medians over rounds of ratios within a round, so a machine that is busy for
a while disturbs both sides. Beside them stand the closed-form operations of a sandwich over those of a plain step.

    OMP_NUM_THREADS=2 python benchmarks/supernet_step.py --rounds 7 --hf

For whittle, whose requirements differ from ours:
`pip install --no-deps whittle==0.6.0 litgpt==0.5.12 lightning lightning-utilities torchmetrics jsonargparse`.
Its heads have at most 64 numbers, so its networks have a head for every 64 of their width; they have no positions.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind import costs, models, spaces
from tradewind.core import GPT2, Architecture
from tradewind.core.files import write_json
from tradewind.models.supernet import SubNetwork, Supernet
from tradewind.training.supernet import Sampling
from tradewind.training.threads import Replicas, parts, slices

BATCH, LENGTH, WORDS = 8, 256, 8192
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SPACE = {
    "name": "log-widths",
    "family": "gpt2",
    "dimensions": [
        {"name": "n_layer", "choices": [1, 2, 3, 4, 5, 6]},
        {"name": "d_model", "choices": [64, 96, 128, 192, 256, 384, 512]},
        {"name": "n_head", "choices": [1, 2, 4, 8], "per_layer": True},
        {"name": "d_inner", "choices": list(range(64, 2049, 64)), "per_layer": True},
    ],
    "constants": {"vocab_size": WORDS, "context": LENGTH},
}
FULL = GPT2(d_model=512, n_head=(8,) * 6, d_inner=(2048,) * 6, vocab_size=WORDS, context=LENGTH)


class Sized(nn.Module):
    """GPT-2 whose modules hold the sizes of the network that is selected."""

    def __init__(self) -> None:
        super().__init__()
        d, f = FULL.d_model, 4 * FULL.d_model
        self.words, self.places = nn.Embedding(WORDS, d), nn.Embedding(LENGTH, d)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(d), "qkv": nn.Linear(d, 3 * d), "out": nn.Linear(d, d),
                    "norm2": nn.LayerNorm(d), "up": nn.Linear(d, f), "down": nn.Linear(f, d),
                }
            )
            for _ in range(FULL.n_layer)
        )  # fmt: skip
        self.norm = nn.LayerNorm(d)
        self.selected: Architecture = FULL
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, 0, 0.02)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        d = self.selected.d_model
        x = self.words.weight[:, :d][tokens] + self.places.weight[:, :d]
        for part, heads, f in zip(self.layers, self.selected.n_head, self.selected.d_inner, strict=False):
            y = _norm(x, part["norm1"])
            rows = [slice(i * FULL.d_model, i * FULL.d_model + d) for i in range(3)]
            q, k, v = (
                F.linear(y, part["qkv"].weight[r, :d], part["qkv"].bias[r]).unflatten(-1, (heads, -1)).transpose(1, 2)
                for r in rows
            )
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + F.linear(mixed, part["out"].weight[:d, :d], part["out"].bias[:d])
            y = F.gelu(
                F.linear(_norm(x, part["norm2"]), part["up"].weight[:f, :d], part["up"].bias[:f]), approximate="tanh"
            )
            x = x + F.linear(y, part["down"].weight[:d, :f], part["down"].bias[:d])
        logits = F.linear(_norm(x, self.norm), self.words.weight[:, :d])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    d = x.shape[-1]
    return F.layer_norm(x, (d,), norm.weight[:d], norm.bias[:d])


def whittle() -> nn.Module:
    """GPT of whittle and litgpt with our shape, and the same work: no rotary embedding, a tied head, the tanh GELU."""
    from whittle.models.gpt import GPT, Config

    model = GPT(
        Config(
            n_layer=FULL.n_layer, n_embd=FULL.d_model, n_head=FULL.d_model // 64, intermediate_size=4 * FULL.d_model,
            padded_vocab_size=WORDS, block_size=LENGTH, rotary_percentage=0.0, parallel_residual=False, bias=True,
            lm_head_bias=False, gelu_approximate="tanh", mlp_class_name="GptNeoxMLP", norm_class_name="LayerNorm",
        )
    )  # fmt: skip
    model.apply(model._init_weights)
    model.transformer.wte.weight = model.lm_head.weight
    return model.train()


def select(model: Any, arch: Architecture) -> None:
    """Tell whittle's model the sizes of a network."""
    heads = next(count for count in range(-(-arch.d_model // 64), arch.d_model) if arch.d_model % count == 0)
    model.set_sub_network(
        sub_network_n_embd=arch.d_model,
        sub_network_intermediate_size=list(arch.d_inner),
        sub_network_n_layers=arch.n_layer,
        sub_network_num_heads=[heads] * arch.n_layer,
        sub_network_query_groups=[heads] * arch.n_layer,
        sub_network_head_size=arch.d_model // heads,
    )


def steps(
    tokens: Tensor, targets: Tensor, sampling: Sampling, with_hf: bool, with_whittle: bool
) -> dict[str, Callable[[int], None]]:
    plain, sized = models.build(FULL).train(), Sized()
    supernet = Supernet(models.build(FULL)).train()
    replicas = Replicas(supernet, parts(supernet, BATCH))

    @functools.cache
    def end(net: Supernet, arch: Architecture) -> SubNetwork:
        """A network that every step has, made once."""
        return net.at(arch)

    def part(net: Supernet, arch: Architecture) -> SubNetwork:
        return end(net, arch) if arch in sampling.extremes else net.at(arch)

    optimizers: dict[str, torch.optim.Optimizer] = {}

    def optimised(name: str, model: nn.Module, backward: Callable[[int], None]) -> Callable[[int], None]:
        optimizers[name] = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step(index: int) -> None:
            backward(index)
            optimizers[name].step()
            optimizers[name].zero_grad(set_to_none=True)

        return step

    def by_operations(index: int) -> None:
        for arch in sampling.step(index, 0):
            supernet.accumulate(part(supernet, arch), lambda model: model.loss(tokens, targets))

    def sandwich(index: int, divided: bool = False) -> None:
        archs = sampling.step(index, 0)
        shares = len(archs) if divided else 1
        rows = slices(BATCH // shares, len(replicas))
        texts = list(zip(tokens.chunk(shares), targets.chunk(shares), strict=True))

        def work(net: Supernet, i: int) -> None:
            for place, arch in enumerate(archs):
                read, wanted = (text[rows[i]] for text in texts[place % shares])
                net.accumulate(part(net, arch), lambda model, read=read, wanted=wanted: model.loss(read, wanted))

        replicas.run(work)

    def by_state(index: int) -> None:
        for arch in sampling.step(index, 0):
            sized.selected = arch
            sized.loss(tokens, targets).backward()

    found = {
        "plain": optimised("plain", plain, lambda _: plain.loss(tokens, targets).backward()),
        "sandwich": optimised("sandwich", supernet, sandwich),
        "threads": optimised("threads", supernet, by_operations),
        "divided": optimised("divided", supernet, functools.partial(sandwich, divided=True)),
        "by state": optimised("by state", sized, by_state),
    }
    if with_whittle:
        other = whittle()

        def by_whittle(index: int) -> None:
            for arch in sampling.step(index, 0):
                select(other, arch)
                F.cross_entropy(other(tokens).flatten(0, 1), targets.flatten()).backward()

        found["whittle"] = optimised("whittle", other, by_whittle)
    if with_hf:
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            n_embd=512, n_layer=6, n_head=8, vocab_size=WORDS, n_positions=LENGTH, resid_pdrop=0, embd_pdrop=0,
            attn_pdrop=0, bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        theirs = GPT2LMHeadModel(config).train()
        labels = torch.cat([tokens[:, :1], targets], 1)[:, :LENGTH]
        found["plain hf"] = optimised("plain hf", theirs, lambda _: theirs(tokens, labels=labels).loss.backward())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for busy machines")
    parser.add_argument("--hf", action="store_true", help="also Hugging Face's GPT-2")
    parser.add_argument("--whittle", action="store_true", help="also whittle's sandwich")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    clock = CLOCKS[given.clock]
    stream = torch.Generator().manual_seed(0)
    text = torch.randint(WORDS, (BATCH, LENGTH + 1), generator=stream)
    sampling = Sampling(spaces.from_dict(SPACE), "sandwich", 4)
    timed = steps(text[:, :-1].contiguous(), text[:, 1:].contiguous(), sampling, given.hf, given.whittle)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for index in range(given.rounds + 1):
        for name, step in timed.items():
            started = clock()
            step(index)
            if index:
                seconds[name].append(clock() - started)
    found = {
        name: {
            "tokens_per_second": BATCH * LENGTH / statistics.median(times),
            **{
                f"over_{base.replace(' ', '_')}": statistics.median(b / t for b, t in zip(others, times, strict=True))
                for base, others in seconds.items()
            },
        }
        for name, times in seconds.items()
    }
    work = [sum(map(int, costs.flops(sampling.step(i + 1, 0), seq_len=LENGTH))) for i in range(given.rounds)]
    ratio = statistics.median(work) / costs.flops(FULL, seq_len=LENGTH)
    report = {
        "operations_over_plain": ratio,
        "threads": torch.get_num_threads(),
        "rounds": given.rounds,
        "clock": given.clock,
        "steps": found,
        "seconds": seconds,
    }
    if given.out:
        write_json(given.out, report)
    print(
        json.dumps(
            {name: {key: round(value, 3) for key, value in row.items()} for name, row in found.items()}, indent=1
        )
    )


if __name__ == "__main__":
    main()
