"""Where measurements come from: which evaluator answers for which objective, and how others join in."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from tradewind import costs
from tradewind.core import Evaluation, Evaluator, Objective, Space, UsageError, Workload, parse_objectives, unknown
from tradewind.evaluators import calibrated
from tradewind.evaluators.combined import CombinedEvaluator
from tradewind.evaluators.formula import FormulaEvaluator

LOCAL_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
"""Names of devices of this machine."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One way to evaluate objectives.

    `matches` says whether it answers for an objective on candidates of a space (None: of any space). `build` makes
    the evaluator of all objectives that matched: ``build(objectives, space=, workload=, **options)``; it imports what
    is heavy. `offers` says in words what can be asked for. With `by_device` each device has an evaluator of its own.
    """

    name: str
    offers: str
    matches: Callable[[Objective, Space | None], bool]
    build: Callable[..., Evaluator]
    by_device: bool = False


_SOURCES: list[Source] = []


def register(source: Source) -> None:
    """Add a source; those added last are asked first. One of the same name is replaced."""
    _SOURCES[:] = [source, *(other for other in _SOURCES if other.name != source.name)]


def for_objectives(
    objectives: Sequence[str | Objective] | str,
    *,
    workload: Workload | None = None,
    space: Space | None = None,
    **options: Any,
) -> Evaluator:
    """The evaluator that the names ask for: closed forms, this machine's devices, and whatever was registered.

    `options` go to the sources that measure (threads, time_limit_s, memory_limit_mb...); `anchors` among them are
    readings of an earlier session, to which a device's drift is relative. Evaluators that cost nothing stand first.
    Raises `UsageError` for an objective that nothing can evaluate.

    >>> for_objectives("params,flops").deterministic
    True
    """
    wanted = parse_objectives(objectives)
    shares: dict[tuple[str, str | None], list[Objective]] = {}
    for objective in wanted:
        source = _source(objective, space)
        shares.setdefault((source.name, objective.device if source.by_device else None), []).append(objective)
    load = workload or Workload()
    parts = [
        source.build(tuple(share), space=space, workload=load, **options)
        for source in _SOURCES
        for (name, _), share in shares.items()
        if name == source.name
    ]
    parts.sort(key=lambda part: not part.deterministic)
    return parts[0] if len(parts) == 1 else CombinedEvaluator(parts)


def _source(objective: Objective, space: Space | None) -> Source:
    for source in _SOURCES:
        if source.matches(objective, space):
            return source
    place = f" on candidates of {space.name}" if space is not None else ""
    raise UsageError(
        f"nothing here evaluates {objective}{place}; there are {'; '.join(s.offers for s in reversed(_SOURCES))}"
    )


def _build_formula(objectives: Sequence[Objective], *, workload: Workload, **_: Any) -> Evaluator:
    return FormulaEvaluator(objectives, workload)


def _build_device(
    objectives: Sequence[Objective],
    *,
    workload: Workload,
    anchors: Sequence[Evaluation] = (),
    space: Space | None = None,
    **options: Any,
) -> Evaluator:
    from tradewind.evaluators.device import DeviceEvaluator

    allowed = [name for name in inspect.signature(DeviceEvaluator).parameters if name not in ("objectives", "anchors")]
    for name in options:
        if name not in allowed:
            raise unknown("option of a device", name, allowed)
    mine = [a for a in anchors if all(o.name in a.measurements for o in objectives)]
    evaluator: Evaluator = DeviceEvaluator(objectives, workload=workload, anchors=mine, **options)
    return evaluator


def _build_calibrated(objectives: Sequence[Objective], **options: Any) -> Evaluator:
    return calibrated.build(objectives, **options)


register(
    Source(
        name="calibrated",
        offers="a calibrated device (tradewind calibrate)",
        matches=lambda objective, _: objective.device is not None and calibrated.find(objective.device) is not None,
        build=_build_calibrated,
        by_device=True,
    )
)
register(
    Source(
        name="device",
        offers="latency_ms, decode_latency_ms, peak_memory_mb and energy_wh on cpu, cuda or cuda:N",
        matches=lambda objective, _: objective.device is not None and bool(LOCAL_DEVICE.fullmatch(objective.device)),
        build=_build_device,
        by_device=True,
    )
)
register(
    Source(
        name="formula",
        offers=f"closed forms ({', '.join(costs.quantities())})",
        matches=lambda objective, _: objective.quantity in costs.quantities(),
        build=_build_formula,
    )
)
