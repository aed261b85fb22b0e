"""Objectives and constraints: named quantities with a unit and a direction, on a device where that matters."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Sequence

from tradewind.core.errors import UsageError, unknown


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A kind of number: what it means, its unit, whether less is better and whether it belongs to a device."""

    name: str
    unit: str
    minimise: bool
    on_device: bool
    meaning: str


QUANTITIES: dict[str, Quantity] = {
    q.name: q
    for q in (
        Quantity("decoder_params", "parameters", False, False, "parameters without embeddings: the proxy of quality"),
        Quantity("quality", "nats", False, False, "closed-form proxy of quality: minus the expected log perplexity"),
        Quantity("params", "parameters", True, False, "all parameters, tied ones once"),
        Quantity("embedding_params", "parameters", True, False, "parameters of embeddings and output layer"),
        Quantity("flops", "FLOP", True, False, "floating-point operations of one forward over batch x length"),
        Quantity("macs", "MAC", True, False, "multiply-accumulates of one forward over batch x length"),
        Quantity("decode_flops", "FLOP", True, False, "floating-point operations to decode one token at a context"),
        Quantity("kv_cache_mb", "MB", True, False, "key-value cache at a context, 10^6 bytes"),
        Quantity("activation_mb", "MB", True, False, "estimate of peak activations of one forward, 10^6 bytes"),
        Quantity("perplexity", "perplexity", True, False, "validation perplexity"),
        Quantity("accuracy", "fraction", False, False, "top-1 next-token accuracy on validation data"),
        Quantity("float16_memory_mb", "MB", True, False, "memory allocated after one float16 forward, 10^6 bytes"),
        Quantity("bfloat16_memory_mb", "MB", True, False, "memory allocated after one bfloat16 forward, 10^6 bytes"),
        Quantity("latency_ms", "ms", True, True, "median wall time of one forward (prefill) over batch x length"),
        Quantity("decode_latency_ms", "ms", True, True, "median wall time to decode one token with a cache"),
        Quantity("peak_memory_mb", "MB", True, True, "peak memory of weights and activations, 10^6 bytes"),
        Quantity("energy_wh", "Wh", True, True, "energy of one forward over batch x length"),
    )
}


@dataclasses.dataclass(frozen=True)
class Objective:
    """A quantity to optimise or bound, e.g. ``latency_ms@cpu``.

    >>> Objective.parse("latency_ms", device="cpu")
    Objective('latency_ms@cpu', minimise, ms)
    """

    quantity: str
    device: str | None = None

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise unknown("objective", self.quantity, QUANTITIES)
        if not QUANTITIES[self.quantity].on_device and self.device is not None:
            raise UsageError(f"{self.quantity} does not depend on a device; write it without '@{self.device}'")
        if self.device is not None and not re.fullmatch(r"[A-Za-z0-9_.:-]+", self.device):
            raise UsageError(f"{self.device!r} is no device name; use letters, digits and . _ : -")

    @classmethod
    def parse(cls, text: str | Objective, device: str | None = None) -> Objective:
        """Read ``quantity`` or ``quantity@device``; a device quantity without a device takes `device`.

        Raises `UsageError` if it then still has none, or if the quantity is unknown.
        """
        if isinstance(text, Objective):
            return text
        quantity, at, place = text.strip().partition("@")
        if quantity not in QUANTITIES:
            raise unknown("objective", quantity, QUANTITIES)
        if not QUANTITIES[quantity].on_device:
            return cls(quantity, place if at else None)
        if not (place or device):
            raise UsageError(f"{quantity} is measured on a device; write {quantity}@cpu or give a device")
        return cls(quantity, place or device)

    @property
    def name(self) -> str:
        """``quantity`` or ``quantity@device``: the key under which measurements are kept."""
        return f"{self.quantity}@{self.device}" if self.device else self.quantity

    @property
    def unit(self) -> str:
        """Unit of the quantity."""
        return QUANTITIES[self.quantity].unit

    @property
    def minimise(self) -> bool:
        """True where less is better."""
        return QUANTITIES[self.quantity].minimise

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Objective({self.name!r}, {'minimise' if self.minimise else 'maximise'}, {self.unit})"


def parse_objectives(objectives: Sequence[str | Objective] | str, device: str | None = None) -> tuple[Objective, ...]:
    """Objectives from names or one comma-separated text; at least one, none twice."""
    if isinstance(objectives, str):
        objectives = [part for part in objectives.split(",") if part.strip()]
    parsed = tuple(Objective.parse(o, device) for o in objectives)
    if not parsed:
        raise UsageError("give at least one objective, e.g. decoder_params,latency_ms@cpu")
    for objective in parsed:
        if parsed.count(objective) > 1:
            raise UsageError(f"the objective {objective} stands twice; give it once")
    return parsed


_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A bound on a quantity, e.g. ``decoder_params>=4e6``.

    >>> Constraint.parse("latency_ms<=300", device="cpu").holds(250.0)
    True
    """

    objective: Objective
    relation: str
    bound: float

    @classmethod
    def parse(cls, text: str | Constraint, device: str | None = None) -> Constraint:
        """Read ``quantity[@device] RELATION number`` with one of <=, >=, <, >; raises `UsageError`."""
        if isinstance(text, Constraint):
            return text
        match = re.fullmatch(r"\s*([\w@.:-]+?)\s*(<=|>=|<|>)\s*(\S+)\s*", text) if isinstance(text, str) else None
        bound = _number(match[3]) if match else None
        if match is None or bound is None:
            raise UsageError(
                f"{text!r} is no constraint; write an objective, one of <= >= < > and a number, e.g. 'latency_ms<=300'"
            )
        return cls(Objective.parse(match[1], device), match[2], bound)

    def holds(self, value: float) -> bool:
        """Whether a value satisfies the bound."""
        return _OPERATORS[self.relation](value, self.bound)

    def __str__(self) -> str:
        return f"{self.objective}{self.relation}{repr(self.bound).removesuffix('.0')}"


Constraints = str | Constraint | Sequence[str | Constraint]
"""What may be given where constraints are asked for."""


def parse_constraints(constraints: Constraints, device: str | None = None) -> tuple[Constraint, ...]:
    """Constraints from their texts; one may be given alone.

    >>> [str(c) for c in parse_constraints("decoder_params>=4e6")]
    ['decoder_params>=4000000']
    """
    several = (constraints,) if isinstance(constraints, (str, Constraint)) else constraints
    return tuple(Constraint.parse(constraint, device) for constraint in several)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
