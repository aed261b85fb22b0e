"""The Transformer-XL space of LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094, released code).

As its GPT-2 space, with n_layer 2..16 and the adaptive embedding of Transformer-XL. The published runs fix div_val 4
and d_embed = d_model (0 here); ``narrow(div_val="1,2,4", d_embed="128,256,512")`` searches them too. Defaults of the
other constants are those of the WikiText-103 study.
"""

from __future__ import annotations

from typing import Any

from tradewind.spaces.baselines import Baseline
from tradewind.spaces.dimension import DEPTH, Dimension
from tradewind.spaces.gpt2 import HEADS, INNER, WIDE_INNER, WIDTHS
from tradewind.spaces.space import ArchitectureSpace

LM1B: dict[str, Any] = {"context": 32, "mem_len": 32, "tie_projs": False}
"""What the runs on LM1B fixed, whatever their vocabulary."""
RELEASED: dict[int, dict[str, Any]] = {
    267736: {"cutoffs": (19997, 39997, 199997)},
    793470: {"cutoffs": (59997, 99997, 639997), **LM1B},
}
"""What the released tables leave out, by the vocabularies of WikiText-103 and LM1B."""


def transformer_xl() -> ArchitectureSpace:
    """The space; vocabulary, cutoffs, context, memory length, div_val and d_embed are constants that may be set."""
    return ArchitectureSpace(
        name="transformer-xl",
        family="transformer-xl",
        dimensions=(Dimension(DEPTH, tuple(range(2, 17))), WIDTHS, INNER, HEADS),
        fixed=(
            ("vocab_size", 267735),
            ("cutoffs", (19997, 39997, 199997)),
            ("context", 192),
            ("mem_len", 192),
            ("div_val", 4),
            ("d_embed", 0),
        ),
        rules=(WIDE_INNER,),
        baseline=Baseline(
            (("d_model", 512), ("d_inner", 2048), ("n_head", 8), ("div_val", 4), ("d_embed", 0)), least_width=512
        ),
        description="Transformer-XL with heads and inner size of every layer free (LiteTransformerSearch)",
    )
