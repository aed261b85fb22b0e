"""What a study is: the configuration that is stored with it, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.core import Constraint, Evaluator, Objective, Space, StudyError, UsageError, Workload
from tradewind.core.files import canonical_json, parse_json
from tradewind.studies.schema import SCHEMA_VERSION

ENTRIES = (
    "algorithm",
    "baselines",
    "constraints",
    "device_options",
    "evaluator",
    "objectives",
    "seed",
    "settings",
    "space",
    "workload",
)
"""What every stored configuration has."""
_RECORDED_ONLY = ("tradewind", "schema_version")
"""Facts about the making that two descriptions of one study may differ in."""
_MAKE_THE_EVALUATOR = ("objectives", "constraints", "space", "workload", "device_options")
"""Entries that the evaluator's description follows from."""
_SHORT = 60
"""Letters of a value that is told as it is; of a longer list only its changes are, of others the beginning."""
_MOST = 5
"""Differences that are told one by one."""


def describe(
    *,
    space: Space,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    algorithm: str,
    settings: Mapping[str, Any],
    seed: int,
    workload: Workload,
    device_options: Mapping[str, Any],
    evaluator: Evaluator,
    baselines: Sequence[Any],
) -> dict[str, Any]:
    """The configuration as plain data, equal to what reading it back gives; no path is in it, so a folder can move."""
    from tradewind import __version__

    config = {
        "space": space.to_dict(),
        "objectives": [objective.name for objective in objectives],
        "constraints": [str(constraint) for constraint in constraints],
        "algorithm": algorithm,
        "settings": dict(settings),
        "seed": seed,
        "workload": workload.to_dict(),
        "device_options": dict(device_options),
        "evaluator": evaluator.describe(),
        "baselines": [candidate.to_dict() for candidate in baselines],
        "tradewind": __version__,
        "schema_version": SCHEMA_VERSION,
    }
    try:
        plain: dict[str, Any] = parse_json(canonical_json(config), "the study's configuration")
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"a study's configuration is stored as JSON; give plain values as options ({error})"
        ) from error
    return plain


def check(stored: Any, origin: str) -> dict[str, Any]:
    """A stored configuration that has every entry; raises `StudyError` otherwise."""
    if not isinstance(stored, dict):
        raise StudyError(f"{origin}: the study's configuration is no JSON object")
    for key in ENTRIES:
        if key not in stored:
            raise StudyError(f"{origin}: the study's configuration lacks {key!r}")
    return stored


def changes(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What two whole configurations differ in, without what only follows from the rest (evaluator, baselines).

    Of two spaces of unlike name or family no more is told: all else follows.

    >>> changes({"workload": {"batch": 1}, "evaluator": {"batch": 1}}, {"workload": {"batch": 2}, "evaluator": {}})
    ['workload.batch was 1, now 2']
    """
    left_out = set(_RECORDED_ONLY)
    if any(stored.get(key) != given.get(key) for key in _MAKE_THE_EVALUATOR):
        left_out.add("evaluator")
    if stored.get("space") != given.get("space"):
        left_out.add("baselines")
    before, now = ({key: v for key, v in side.items() if key not in left_out} for side in (stored, given))
    spaces = [{key: side.get("space", {}).get(key) for key in ("name", "family")} for side in (before, now)]
    if spaces[0] != spaces[1]:
        before["space"], now["space"] = spaces
    return differences(before, now)


def told(sentences: Sequence[str]) -> str:
    """Differences as one line, the first few of many.

    >>> told(["seed was 0, now 1"] * 7)[-48:]
    'seed was 0, now 1; seed was 0, now 1; and 2 more'
    """
    more = [f"and {len(sentences) - _MOST} more"] if len(sentences) > _MOST else []
    return "; ".join([*sentences[:_MOST], *more])


def differences(stored: Any, given: Any, where: str = "") -> list[str]:
    """What two configurations differ in, one sentence each: ``seed was 0, now 1``.

    >>> differences({"seed": 0, "space": {"name": "gpt2"}}, {"seed": 1, "space": {"name": "gpt2"}})
    ['seed was 0, now 1']
    """
    if isinstance(stored, dict) and isinstance(given, dict):
        absent = object()
        return [
            sentence
            for key in sorted({*stored, *given})
            if stored.get(key, absent) != given.get(key, absent)
            for sentence in differences(stored.get(key), given.get(key), f"{where}.{key}" if where else key)
        ]
    if stored == given:
        return []
    if isinstance(stored, list) and isinstance(given, list):
        before, now = ({part["name"]: part for part in side} if _named(side) else {} for side in (stored, given))
        if before and now and (found := differences(before, now, where)):
            return found
        if max(len(canonical_json(side)) for side in (stored, given)) > _SHORT:
            return [f"{where} {_turnover(stored, given)}"]
    was, now_is = _beginning(stored), _beginning(given)
    return [f"{where} was {was}, now {now_is}" if was != now_is else f"{where} is another from letter {_SHORT} on"]


def _beginning(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _named(entries: list[Any]) -> bool:
    return all(isinstance(entry, dict) and "name" in entry for entry in entries)


def _turnover(stored: list[Any], given: list[Any]) -> str:
    """What one of two long lists has and the other has not."""
    lost, new = ([x for x in a if x not in b] for a, b in ((stored, given), (given, stored)))
    words = [f"{verb} {_brief(entries)}" for verb, entries in (("lost", lost), ("gained", new)) if entries]
    return " and ".join(words) or "has another order"


def _brief(entries: list[Any]) -> str:
    text = canonical_json(entries)
    return text if len(text) <= _SHORT else f"{len(entries)} entries"
