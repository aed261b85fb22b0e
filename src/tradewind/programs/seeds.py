"""Programs to start from: the Transformer, Primer-EZ, Primer, and the program that the search of Primer found.

Source: So et al. 2021, arXiv 2109.08668: the ten subprograms of appendix A.2, the listings of Figures 24 and 25, and
the equations of section 4. `transformer` and `evolved` carry the silent genes of the published listings.
"""

from __future__ import annotations

import dataclasses

from tradewind.programs.program import Instruction, Program, Subprogram

HEAD, MODEL, INNER, OTHER = range(4)
"""Dimension slots that the seeds use: head size, d_model, inner size, and the one that silent genes point to."""


def transformer() -> Program:
    """The pre-norm ReLU Transformer block of 8 heads, the seed of the search (Figure 24).

    Its constants are 0 and 0.125 = 1/√64, the scale of the attention at d_model 512.

    >>> [subprogram.name for subprogram in transformer().subprograms[:3]]
    ['main', 'self-attention', 'feed-forward']
    """
    main = [
        _do("S5", 0),
        _do("S1", 2, branch=8),
        _do("CONV_1X1", 3, dimension=MODEL),
        _do("S8", 0, 4),
        _do("S5", 5),
        _do("S2", 6),
        _do("S8", 5, 7),
    ]
    attention = [
        _do("S3", 0),
        _do("S3", 0),
        _do("C_MUL", 3, constant=1),
        _do("S3", 0),
        _do("T_MAT_MUL", 4, 2),
        _do("S4", 6),
        _do("MAT_MUL", 7, 5),
    ]
    feed_forward = [
        _do("CONV_1X1", 0, dimension=INNER),
        _do("SHIFT", 2),
        _do("S9", 3),
        _do("CONV_1X1", 4, dimension=MODEL),
        _do("SHIFT", 5),
    ]
    z_score = [
        _do("RED_MEAN", 0),
        _do("DIFFERENCE", 0, 2),
        _do("MULTIPLY", 3),
        _do("RED_MEAN", 4),
        _do("ABS_ROOT", 5),
        _do("DIVIDE", 3, 6),
    ]
    bodies = {
        "main": main,
        "self-attention": attention,
        "feed-forward": feed_forward,
        "head-projection": [_do("CONV_1X1", 0, dimension=HEAD)],
        "softmax": [_do("EXP", 0), _do("MASK", 2), _do("RED_SUM", 3), _do("DIVIDE", 3, 4)],
        "layer-norm": [_do("S6", 0), _do("S7", 2)],
        "z-score": z_score,
        "scale-shift": [_do("SCALE", 0), _do("SHIFT", 2)],
        "residual": [_do("ADD", 0, 1)],
        "relu": [_do("MAX", 0)],
    }
    return Program(
        tuple(Subprogram(name, tuple(body)) for name, body in bodies.items()),
        constants=(0.0, 0.125),
        dimensions=(1, 8, 32, 2, 4, 16),
    )


def primer_ez() -> Program:
    """The Transformer with the two changes that matter: squared ReLU, and DCONV 3X1 after each head projection.

    >>> [i.op for i in primer_ez().subprograms[9].instructions]
    ['MAX', 'SQUARE']
    """
    seed = transformer()
    seed = seed.with_body(3, [*seed.subprograms[3].instructions, _do("DCONV_3X1", 2)])
    return seed.with_body(9, [*seed.subprograms[9].instructions, _do("SQUARE", 2)])


def primer() -> Program:
    """Primer: Primer-EZ with q projected from k, the norm after the feed-forward, and the custom norm.

    The shared projection is per head, as in the evolved program; q is scaled as in multi-DConv-head attention.

    >>> [i.op for i in primer().subprograms[2].instructions]
    ['CONV_1X1', 'SHIFT', 'S9', 'CONV_1X1']
    """
    seed = primer_ez()
    main = list(seed.subprograms[0].instructions)
    main[4:6] = [_do("S2", 5), _do("S5", 6)]
    attention = list(seed.subprograms[1].instructions)
    attention[1] = _do("CONV_1X1", 2, dimension=HEAD)
    z_score = list(seed.subprograms[6].instructions)
    z_score[2] = _do("MULTIPLY", 3, 0)
    seed = seed.with_body(0, main).with_body(1, attention).with_body(6, z_score)
    return seed.with_body(2, seed.subprograms[2].instructions[:-1])


def evolved() -> Program:
    """The program that the search found, dead instructions and silent genes included (Figure 25).

    >>> evolved().constants
    (-1.12, -0.57)
    """
    seed = transformer()
    main = list(seed.subprograms[0].instructions)
    main[4:6] = [_do("S2", 5), _do("S5", 6)]
    z_score = list(seed.subprograms[6].instructions)
    z_score[2] = _do("MULTIPLY", 3, 0)
    attention = [
        _do("S3", 0),
        _do("S3", 0, 1),
        _do("CONV_1X1", 3, 1, dimension=HEAD),
        _do("S3", 0),
        _do("T_MAT_MUL", 4, 3),
        _do("S4", 6),
        _do("SCALE", 7, 3, dimension=MODEL),
        _do("MAT_MUL", 8, 5),
    ]
    feed_forward = [
        _do("CONV_1X1", 0, 1, dimension=INNER, branch=2),
        _do("SHIFT", 2),
        _do("S9", 3),
        _do("CONV_1X1", 4, dimension=MODEL),
    ]
    projection = [
        _do("MAX", 1, constant=1),
        _do("CONV_1X1", 0, dimension=HEAD),
        _do("DCONV_3X1", 3, 0, dimension=MODEL),
        _do("C_MUL", 4, dimension=MODEL),
    ]
    changed = {
        0: main,
        1: attention,
        2: feed_forward,
        3: projection,
        4: [*seed.subprograms[4].instructions, _do("TANH", 5, 0, dimension=MODEL)],
        6: z_score,
        7: [_do("SCALE", 0), _do("SHIFT", 2, constant=1, dimension=MODEL)],
        8: [_do("ADD", 0, 1), _do("ADD", 2, 1)],
        9: [_do("MAX", 0, constant=1), _do("SQUARE", 2, 0)],
    }
    for index, body in changed.items():
        seed = seed.with_body(index, body)
    return dataclasses.replace(seed, constants=(-1.12, -0.57), dimensions=(1, 8, 48, 16, 4, 16))


def _do(
    op: str,
    input_1: int,
    input_2: int | None = None,
    constant: int = 0,
    dimension: int = OTHER,
    branch: int = 1,
) -> Instruction:
    """An instruction; a second input that is not given is the first one, as in the listings."""
    return Instruction(op, input_1, input_1 if input_2 is None else input_2, constant, dimension, branch)
