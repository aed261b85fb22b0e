"""The heterogeneous GPT-2 space of LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094, released code).

n_layer 2..15, d_model 128..960 step 64, per-layer d_inner 128..4032 step 64 with d_inner > 1.7 · d_model, per-layer
n_head 2, 4 or 8. The published search bounded decoder parameters to 6-100 million; here that is the user's constraint.
The size in the paper's abstract (> 10^54) counts d_model once a layer; the code's space, and this one, has 10^34.3.
"""

from __future__ import annotations

from tradewind.spaces.baselines import Baseline
from tradewind.spaces.dimension import DEPTH, Dimension, Rule
from tradewind.spaces.space import ArchitectureSpace

WIDTHS = Dimension("d_model", tuple(range(128, 961, 64)))
INNER = Dimension("d_inner", tuple(range(128, 4033, 64)), per_layer=True)
HEADS = Dimension("n_head", (2, 4, 8), per_layer=True)
WIDE_INNER = Rule("d_inner", "exceeds", "d_model", (17, 10))


def gpt2() -> ArchitectureSpace:
    """The space; vocabulary and context are constants that may be set."""
    return ArchitectureSpace(
        name="gpt2",
        family="gpt2",
        dimensions=(Dimension(DEPTH, tuple(range(2, 16))), WIDTHS, INNER, HEADS),
        fixed=(("vocab_size", 50257), ("context", 1024)),
        rules=(WIDE_INNER,),
        baseline=Baseline((("d_model", 1024), ("d_inner", 2048), ("n_head", 8)), least_width=960),
        description="GPT-2 with heads and inner size of every layer free (LiteTransformerSearch)",
    )
