"""Tokens a second of a sandwich step of four networks, beside plain training steps, interleaved in one run.

Shape: n_layer 6, d_model 512, 8 heads, vocabulary 8,192, batch 8 x 256, float32; a step is forward, backward and fused
AdamW. The sandwich is the largest, the smallest and two random networks of a space with widths spaced as logarithms
(64..512), 1..6 layers, 1..8 heads and inner sizes 64..2048 for each layer; its tokens count once.

    plain      our GPT-2
    plain hf   Hugging Face's GPT-2 (with --hf)
    divided    our sandwich: the networks divide the batch among them, so each token is read by one of them
    sandwich   our sandwich in which every network reads the whole batch (--whole-batch), as all below
    by state   the straightforward way: modules that are told their sizes before each forward, slices by indexing,
               gradients of the whole weight's size for every slice, loss over all logits at once
    whittle    the library whittle, networks of the same widths, depths and inner sizes (with --whittle)

Ours are done as the trainer does, each thread with its rows. A round runs each once; ratios are medians (and quartiles)
over rounds of ratios within a round. The JSON file also has the closed-form operations of a sandwich in which every
network reads the whole batch over those of a plain step.

    OMP_NUM_THREADS=2 python benchmarks/supernet_step.py --rounds 7 --hf

For whittle, whose requirements differ from ours:
`pip install --no-deps whittle==0.6.0 litgpt==0.5.12 lightning lightning-utilities torchmetrics jsonargparse`.
Its heads have at most 64 numbers, so its networks have a head for every 64 of their width; they have no positions.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from turns import WARM_UP, Step, quartiles, race

from tradewind import costs, models, spaces
from tradewind.core import GPT2, Architecture
from tradewind.core.files import write_json
from tradewind.models.supernet import SubNetwork, Supernet
from tradewind.training.supernet import Sampling
from tradewind.training.threads import Replicas, parts, slices

BATCH, LENGTH, WORDS = 8, 256, 8192
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
SAMPLING = Sampling(spaces.from_dict(SPACE), "sandwich", 4)
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

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> logits (B, T, V) of the selected network."""
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
        return F.linear(_norm(x, self.norm), self.words.weight[:, :d])


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


class Learner(NamedTuple):
    """A model, the gradients of a step on (B, T) tokens and targets, and one network's loss on others."""

    model: nn.Module
    backward: Callable[[int, Tensor, Tensor], None]
    loss: Callable[[Architecture, Tensor, Tensor], Tensor]


def learner(name: str) -> Learner:
    """The contestant of a name, see above."""
    if name == "plain":
        return plain()
    if name == "plain hf":
        return plain_hf()
    if name == "by state":
        sized = Sized()
        return selected(sized, lambda arch: setattr(sized, "selected", arch))
    if name == "whittle":
        model = whittle()
        return selected(model, functools.partial(select, model))
    if name not in ("divided", "sandwich"):
        raise SystemExit(f"there is no contestant {name!r}; the names are told by --help")
    return sandwich(SAMPLING.networks if name == "divided" else 1)


def contestant(name: str) -> Step:
    """Its step, on the same tokens and networks for all."""
    text = torch.randint(WORDS, (BATCH, LENGTH + 1), generator=torch.Generator().manual_seed(0))
    tokens, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()
    model, backward, _ = learner(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(turn: int) -> None:
        backward(turn, tokens, targets)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def plain() -> Learner:
    model = models.build(FULL).train()
    replicas = Replicas(model, parts(model, BATCH))
    rows = slices(BATCH, len(replicas))

    def backward(turn: int, tokens: Tensor, targets: Tensor) -> None:
        def work(net: Any, i: int) -> None:
            (net.loss(tokens[rows[i]], targets[rows[i]]) * len(tokens[rows[i]]) / BATCH).backward()

        replicas.run(work)

    return Learner(model, backward, lambda arch, tokens, targets: model.loss(tokens, targets))


def plain_hf() -> Learner:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_embd=512, n_layer=6, n_head=8, vocab_size=WORDS, n_positions=LENGTH, resid_pdrop=0, embd_pdrop=0,
        attn_pdrop=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()

    def loss(arch: Architecture, tokens: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = model(tokens, labels=torch.cat([tokens[:, :1], targets], 1)[:, :LENGTH]).loss
        return found

    return Learner(model, lambda turn, tokens, targets: loss(FULL, tokens, targets).backward(), loss)


def selected(model: Any, select: Callable[[Architecture], None]) -> Learner:
    """The sandwich of a model that is told the network before each forward."""

    def loss(arch: Architecture, tokens: Tensor, targets: Tensor) -> Tensor:
        select(arch)
        return F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())

    def backward(turn: int, tokens: Tensor, targets: Tensor) -> None:
        for arch in SAMPLING.step(turn, 0):
            (loss(arch, tokens, targets) / SAMPLING.networks).backward()

    return Learner(model, backward, loss)


def lesson(tokens: Tensor, targets: Tensor, weight: float, model: Any) -> Tensor:
    loss: Tensor = model.loss(tokens, targets) * weight
    return loss


def sandwich(texts: int) -> Learner:
    """Ours, whose networks read the batch's `texts` parts in turn."""
    supernet = Supernet(models.build(FULL)).train()
    replicas = Replicas(supernet, parts(supernet, BATCH // texts))
    rows = slices(BATCH // texts, len(replicas))

    @functools.cache
    def end(net: Supernet, arch: Architecture) -> SubNetwork:
        """A network that every step has, made once."""
        return net.at(arch)

    def backward(turn: int, tokens: Tensor, targets: Tensor) -> None:
        chunks = list(zip(tokens.chunk(texts), targets.chunk(texts), strict=True))

        def work(net: Supernet, i: int) -> None:
            for place, arch in enumerate(SAMPLING.step(turn, 0)):
                read, wanted = (part[rows[i]] for part in chunks[place % texts])
                weight = len(read) / len(chunks[0][0]) / SAMPLING.networks
                part = end(net, arch) if arch in SAMPLING.extremes else net.at(arch)
                net.accumulate(part, functools.partial(lesson, read, wanted, weight))

        replicas.run(work)

    def loss(arch: Architecture, tokens: Tensor, targets: Tensor) -> Tensor:
        part = supernet.at(arch)
        found: Tensor = part.with_weights(part.weights()).loss(tokens, targets)
        return found

    return Learner(supernet, backward, loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hf", action="store_true", help="also Hugging Face's GPT-2")
    parser.add_argument("--whittle", action="store_true", help="also whittle's sandwich")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    names = ["plain", "divided", "sandwich", "by state"]
    names += ["whittle"] * given.whittle + ["plain hf"] * given.hf
    seconds = race(contestant, names, given.rounds, given.threads)
    found = {
        name: {
            "tokens_per_second": BATCH * LENGTH / statistics.median(times),
            **{f"over_{base.replace(' ', '_')}": quartiles(times, others) for base, others in seconds.items()},
        }
        for name, times in seconds.items()
    }
    turns = range(WARM_UP, WARM_UP + given.rounds)
    work = [sum(map(int, costs.flops(SAMPLING.step(turn, 0), seq_len=LENGTH))) for turn in turns]
    ratio = statistics.median(work) / costs.flops(FULL, seq_len=LENGTH)
    report = {
        "operations_over_plain": ratio,
        "threads": given.threads,
        "rounds": given.rounds,
        "steps": found,
        "seconds": seconds,
    }
    if given.out:
        write_json(given.out, report)
    table = Table("contestant", "tokens/s", *(f"over {base}" for base in seconds))
    for name, row in found.items():
        ratios = [row[f"over_{base.replace(' ', '_')}"] for base in seconds]
        cells = [f"{middle:.2f} ({low:.2f}-{high:.2f})" for low, middle, high in ratios]
        table.add_row(name, f"{row['tokens_per_second']:,.0f}", *cells)
    Console(width=max(120, Console().width)).print(table)


if __name__ == "__main__":
    main()
