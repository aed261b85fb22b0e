"""Step time of blocks made from programs beside the same Transformer block written by hand.

    python benchmarks/program_blocks.py [--d-model 512] [--seq-len 512] [--batch 2] [--rounds 15] [--json]

A step is forward and backward in float32 on one thread, measured in processor time. Every round times each block once,
so that load on the machine falls on all; a ratio is the median over rounds of the ratio within a round, with the
quartiles. `hand-written` is a pre-norm ReLU block of 8 heads on PyTorch's own layers; `seed` is the same as a program,
fused; `faithful` is the seed with one operation a primitive; `mdha` is the seed with a depthwise convolution of width 3
after each of q, k and v; `primer-ez` squares its ReLU as well. `block ...` are the same networks as blocks of the gpt2
family, whose linear maps have biases, and `attention ...` their attention alone.
"""

from __future__ import annotations

import argparse
import json
import os
import time

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from tradewind.core.blocks import BLOCKS  # noqa: E402
from tradewind.models.attention import Attention  # noqa: E402
from tradewind.models.gpt2 import GPT2Block  # noqa: E402
from tradewind.models.parts import MultiDConvHeadAttention  # noqa: E402
from tradewind.models.program import lower  # noqa: E402
from tradewind.programs import Program, primer_ez, resolve, transformer  # noqa: E402

N_HEAD = 8
RATIOS = (
    ("seed", "hand-written"),
    ("faithful", "seed"),
    ("mdha", "seed"),
    ("primer-ez", "seed"),
    ("block vanilla", "hand-written"),
    ("block mdha", "block vanilla"),
    ("block primer-ez", "block vanilla"),
    ("attention mdha", "attention"),
)


class HandWritten(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention_norm(x)
        heads = (m(y).unflatten(-1, (N_HEAD, -1)).transpose(1, 2) for m in (self.query, self.key, self.value))
        x = x + self.out(F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.down(F.relu(self.up(self.mlp_norm(x))))


def mdha() -> Program:
    """The seed with Primer-EZ's head projections."""
    return transformer().with_body(3, primer_ez().subprograms[3].instructions)


def blocks(d_model: int, seq_len: int) -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {"hand-written": HandWritten(d_model)}
    for name, program, fuse in (
        ("seed", transformer(), True),
        ("faithful", transformer(), False),
        ("mdha", mdha(), True),
        ("primer-ez", primer_ez(), True),
    ):
        made[name] = lower(resolve(program), d_model, seq_len, fuse).to_empty(device="cpu")
    for name in ("vanilla", "mdha", "primer-ez"):
        made[f"block {name}"] = GPT2Block(d_model, N_HEAD, 4 * d_model, 0.0, BLOCKS[name])
    made["attention"], made["attention mdha"] = Attention(d_model, N_HEAD), MultiDConvHeadAttention(d_model, N_HEAD)
    for block in made.values():
        for parameter in block.parameters():
            nn.init.normal_(parameter, std=0.02)
    return made


def step_seconds(block: nn.Module, x: Tensor) -> float:
    start = time.process_time()
    block(x).sum().backward()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--d-model", type=int, default=512)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = blocks(arguments.d_model, arguments.seq_len)
    x = torch.randn(arguments.batch, arguments.seq_len, arguments.d_model, requires_grad=True)
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(arguments.rounds + 1):
        for name, block in made.items():
            found = step_seconds(block, x)
            if turn:  # the first round warms up
                seconds[name].append(found)
    figures = {}
    for name, base in RATIOS:
        ratios = np.array(seconds[name]) / np.array(seconds[base])
        figures[f"{name} / {base}"] = [round(float(q), 3) for q in np.quantile(ratios, [0.5, 0.25, 0.75])]
    milliseconds = {name: round(1e3 * float(np.median(found)), 1) for name, found in seconds.items()}
    if arguments.json:
        print(json.dumps({**vars(arguments), "step_ms": milliseconds, "ratios": figures}, indent=2))
        return
    table = Table(title=f"width {arguments.d_model}, {arguments.batch} x {arguments.seq_len} tokens")
    table.add_column("block")
    table.add_column("CPU ms a step", justify="right")
    for name, value in milliseconds.items():
        table.add_row(name, f"{value:.1f}")
    console = Console()
    console.print(table)
    for what, (median, low, high) in figures.items():
        console.print(f"{what}: {median:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
