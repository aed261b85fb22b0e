"""How good a run is after each of its evaluations: hypervolume, IGD+ and additive epsilon, in normalised space.

All of them judge noise-free means, whatever the algorithm was told. The hypervolume (Zitzler and Thiele 1998) is a
share of the exact optimum's; IGD+ (Ishibuchi et al. 2015) and epsilon (Zitzler et al. 2003) are distances from the
exact frontier, thinned to points spread over it.

Symbols: N evaluations, M objectives, K points of the thinned frontier.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tradewind.pareto import Archive, hypervolume, nondominated_mask, oriented
from tradewind.studies.compare.optimum import REFERENCE, Optimum
from tradewind.studies.compare.record import Run

_BLOCK = 128


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """After each of N evaluations: share of the optimum's hypervolume, IGD+ and epsilon, each (N,).

    `returned` is the final share of those only that the algorithm's user would get: the front by what was told, judged
    by means. `front` holds the means, in units, of the final front by means.
    """

    share: np.ndarray
    igd_plus: np.ndarray
    epsilon: np.ndarray
    returned: float
    front: np.ndarray


def curves(run: Run, best: Optimum, thinned: np.ndarray) -> Curves:
    """The curves of a run; `thinned` (K, M) is the optimum's, made once for all runs of a case."""
    case = run.task.case
    points = best.scale.points(case, run.means)
    corner = np.full(points.shape[1], REFERENCE)
    believed = points[nondominated_mask(oriented(run.told, case.objectives))]
    igd, epsilon = distances(points, thinned)
    # An algorithm that ended by itself keeps what it has.
    rest = max(0, run.task.evaluations - len(points))
    return Curves(
        share=np.pad(volumes(points, corner) / best.hypervolume, (0, rest), mode="edge"),
        igd_plus=np.pad(igd, (0, rest), mode="edge"),
        epsilon=np.pad(epsilon, (0, rest), mode="edge"),
        returned=hypervolume(believed, corner) / best.hypervolume,
        front=run.means[nondominated_mask(points)],
    )


def volumes(points: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Hypervolume of the first 1, 2, ... N points, (N,).

    >>> volumes(np.array([[1.0, 3.0], [3.0, 3.0], [2.0, 1.0]]), np.array([4.0, 4.0])).tolist()
    [3.0, 3.0, 7.0]
    """
    archive = Archive(points.shape[1])
    found = np.empty(len(points))
    volume = 0.0
    for index, point in enumerate(points):
        if archive.add(point):
            volume = hypervolume(archive.points, corner)
        found[index] = volume
    return found


def distances(points: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IGD+ and additive epsilon of the first 1, 2, ... N points to a reference set (K, M), each (N,).

    >>> igd, epsilon = distances(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [2.0, 2.0]]))
    >>> igd.tolist(), epsilon.tolist()
    ([0.5, 0.0], [1.0, 0.0])
    """
    nearest, least = np.full(len(reference), np.inf), np.full(len(reference), np.inf)
    igd, epsilon = np.empty(len(points)), np.empty(len(points))
    for start in range(0, len(points), _BLOCK):
        block = slice(start, start + _BLOCK)
        worse = points[block, None, :] - reference[None, :, :]
        reach = np.sqrt((np.maximum(worse, 0.0) ** 2).sum(axis=2))
        reach = np.minimum.accumulate(np.vstack([nearest, reach]))[1:]
        excess = np.minimum.accumulate(np.vstack([least, worse.max(axis=2)]))[1:]
        igd[block], epsilon[block] = reach.mean(axis=1), excess.max(axis=1)
        nearest, least = reach[-1], excess[-1]
    return igd, epsilon
