"""Empirical attainment surfaces: what a given share of repeated runs attains.

A run attains a point z when one of its points is nowhere worse than z. The surface of level p is the border of the
region that at least p per cent of the runs attain (Grunert da Fonseca, Fonseca, Hall 2001; Fonseca, Guerreiro,
Lopez-Ibanez, Paquete 2011, EMO).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind.core import UsageError
from tradewind.pareto.dominance import as_points


def attainment(fronts: Sequence[Any], levels: Sequence[float] = (25, 50, 75)) -> dict[float, np.ndarray]:
    """The attainment surface of each level, as the non-dominated points (K, M) that span it, sorted by column.

    `fronts` holds the points of one run each, (N_i, M), minimised; dominated points do no harm. A level of p per cent
    of n runs means ceil(p n / 100) runs. O(P log P + n P) for P points in all and M = 2, O(n^2 P log P) for M = 3;
    more objectives raise `UsageError`, as do no runs, an empty run and a level outside (0, 100].

    >>> attainment([[[1, 4], [3, 3]], [[2, 2]]], levels=(50, 100))[100].tolist()
    [[2.0, 4.0], [3.0, 3.0]]
    """
    import moocore

    runs = [as_points(front) for front in fronts]
    if not runs or any(len(run) == 0 or run.shape[1] != runs[0].shape[1] for run in runs):
        raise UsageError("attainment needs at least one run, and at least one point of the same width in every run")
    if runs[0].shape[1] not in (2, 3):
        raise UsageError(f"attainment surfaces exist here for 2 or 3 objectives; the points have {runs[0].shape[1]}")
    if any(not 0 < level <= 100 for level in levels):
        raise UsageError(f"levels are {list(levels)}; give percentages above 0 and up to 100")
    run_of_point = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    surfaces = {}
    for level in levels:
        found = moocore.eaf(np.concatenate(runs), sets=run_of_point, percentiles=[float(level)])[:, :-1]
        surfaces[level] = found[np.lexsort(found.T[::-1])]
    return surfaces
