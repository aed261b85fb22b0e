"""Conformance suite of evaluators: what `tradewind.core.Evaluator` promises, as tests that pytest runs on yours.

In a test file of your own::

    import pytest
    from tradewind.testing.evaluators import EvaluatorSuite

    class TestMyEvaluator(EvaluatorSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def evaluator(cls):
            with my_evaluator() as evaluator:
                yield evaluator

        @pytest.fixture
        def candidates(self):
            return [space.sample(seed) for seed in range(3)]

An evaluator that is slow to make may be shared by the tests of the class, as above; the test of `close` comes last.
"""

from __future__ import annotations

import getpass
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tradewind.core import QUANTITIES, Evaluator, Measurement, Measurements, Objective, UsageError
from tradewind.core.files import canonical_json, parse_json

KINDS = {
    "failed": ("crash", "timeout", "oom", "error", "protocol", "unsupported"),
    "invalid": ("nan", "infinite", "negative", "unstable", "constraint"),
}
"""Kinds of reason, by status."""


def check_measurement(measurement: Measurement, objective: Objective) -> None:
    """A finite value in the objective's unit, or a reason of a known kind; whole as plain data, no canary in it."""
    assert isinstance(measurement, Measurement)
    assert measurement.unit == objective.unit
    assert measurement.method, "a measurement says how it came about"
    assert measurement.n >= 1
    if QUANTITIES[objective.quantity].on_device:
        assert measurement.device == objective.device, "a cost of a device names it"
    if measurement.ok:
        assert isinstance(measurement.value, (int, float))
        assert math.isfinite(measurement.value)
        assert not measurement.reason
        assert measurement.spread is None or 0 <= measurement.spread < math.inf
    else:
        kind, colon, detail = measurement.reason.partition(": ")
        assert measurement.value is None
        assert kind in KINDS[measurement.status], f"unknown kind of reason: {measurement.reason}"
        assert colon
        assert detail
    text = canonical_json(measurement.to_dict())
    assert Measurement.from_dict(parse_json(text)) == measurement
    check_private(text)


def check_evaluation(evaluator: Evaluator, candidates: Sequence[Any]) -> list[Measurements]:
    """One mapping a candidate, each with every objective; candidates are left as they were. Returns the mappings."""
    before = [canonical_json(candidate.to_dict()) for candidate in candidates]
    found = evaluator.evaluate(candidates)
    assert isinstance(found, list)
    assert len(found) == len(candidates)
    for measurements in found:
        assert {o.name for o in evaluator.objectives} <= set(measurements)
        for objective in evaluator.objectives:
            check_measurement(measurements[objective.name], objective)
    assert [canonical_json(candidate.to_dict()) for candidate in candidates] == before
    return found


def check_private(text: str) -> None:
    """No host name, user or home folder."""
    for canary in (platform.node(), str(Path.home()), getpass.getuser()):
        # Short names such as "vm" and "root" are found inside ordinary words.
        assert len(canary) < 6 or canary not in text, f"{canary!r} must not be in what is stored"


class EvaluatorSuite:
    """Tests that every evaluator must pass; a subclass provides the fixtures `evaluator` and `candidates` (3 or so)."""

    def test_is_an_evaluator(self, evaluator: Evaluator) -> None:
        """It has what the protocol names, and measures something, nothing twice."""
        assert isinstance(evaluator, Evaluator)
        assert isinstance(evaluator.deterministic, bool)
        names = [objective.name for objective in evaluator.objectives]
        assert names
        assert len(set(names)) == len(names)
        assert isinstance(evaluator.objectives, tuple)

    def test_nothing_to_evaluate(self, evaluator: Evaluator) -> None:
        """No candidates, no measurements."""
        assert evaluator.evaluate([]) == []

    def test_evaluation(self, evaluator: Evaluator, candidates: Sequence[Any]) -> None:
        """See `check_evaluation`; at least one candidate can be measured whole."""
        found = check_evaluation(evaluator, candidates)
        assert any(all(m.ok for m in measurements.values()) for measurements in found)

    def test_order_and_company_do_not_matter(self, evaluator: Evaluator, candidates: Sequence[Any]) -> None:
        """A deterministic evaluator gives a candidate the same values alone, among others and twice in a batch."""
        first = evaluator.evaluate(list(candidates)[:1])
        among = check_evaluation(evaluator, [*reversed(candidates), candidates[0]])
        if evaluator.deterministic:
            assert first[0] == among[-1] == among[-2]

    def test_fidelities(self, evaluator: Evaluator, candidates: Sequence[Any]) -> None:
        """Where there are any: rising, each answers in full, the last one is the whole, no other is accepted."""
        levels = list(getattr(evaluator, "fidelities", ()))
        if not levels:
            return
        assert levels == sorted({int(level) for level in levels})
        assert levels[0] > 0
        assert isinstance(evaluator.resumes, bool)  # type: ignore[attr-defined]
        some = list(candidates)[:2]
        for level in levels:
            found = evaluator.evaluate_at(some, level)  # type: ignore[attr-defined]
            assert len(found) == len(some)
            for measurements in found:
                for objective in evaluator.objectives:
                    check_measurement(measurements[objective.name], objective)
        if evaluator.deterministic:
            assert found == evaluator.evaluate(some)
        with pytest.raises(UsageError):
            evaluator.evaluate_at(some, levels[-1] + 1)  # type: ignore[attr-defined]

    def test_description(self, evaluator: Evaluator) -> None:
        """Plain facts that stay the same, with nothing private in them."""
        facts = evaluator.describe()
        text = canonical_json(facts)
        assert parse_json(text) == parse_json(canonical_json(evaluator.describe()))
        assert facts.get("kind"), "a description says what kind of evaluator it is of"
        check_private(text)

    def test_closing_twice(self, evaluator: Evaluator) -> None:
        """Closing is safe at any time."""
        evaluator.close()
        evaluator.close()
