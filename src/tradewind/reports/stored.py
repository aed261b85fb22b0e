"""Read a stored study into a `ReportData`: the only place that knows how a study is kept."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tradewind import spaces
from tradewind.core import Evaluation, UsageError, Workload
from tradewind.reports.data import ReportData
from tradewind.studies.descriptions import doubts, parts

MACHINE = (
    "device", "processor", "cores", "usable_cores", "memory_gb", "governor", "turbo", "gpu", "gpu_memory_gb", "driver",
    "cuda", "system", "threads", "python", "runtime", "torch", "onnxruntime", "correct_drift",
)  # fmt: skip
"""The facts of an evaluator's description that a report shows; all others stay in the study."""
KNOWN_KINDS = {"formula", "device", "calibrated", "combined"}
"""Evaluators that the command line makes by itself."""
TIMES = ("latency_ms", "decode_latency_ms")
"""Quantities that drift with the machine."""


def read(path: str | os.PathLike[str]) -> ReportData:
    """The study in a folder, running or not, without changing a byte of it.

    Raises `UsageError` where there is none, `StudyError` where it cannot be read.
    """
    from tradewind.studies import StoredStudy
    from tradewind.studies.store import STUDY_FILE

    folder = Path(path)
    if not (folder / STUDY_FILE).is_file():
        raise UsageError(f"there is no study in {folder}; give the folder that `tradewind search --out` made")
    study = StoredStudy.open(folder)
    everything = study.evaluations(role=None)  # whole ones: what was evaluated in part has no place in a report
    return ReportData(
        name=folder.resolve().name,
        objectives=study.objectives,
        evaluations=tuple(study.evaluations("search")),
        baseline=tuple(study.evaluations("baseline")),
        retrained=tuple(study.evaluations("retrain")),
        constraints=study.constraints,
        setup=setup(study.config, study.created_at, len(study.evaluations("search"))),
        space=study.space,
        workload=study.workload,
        drift=drift(everything),
        doubts=tuple(doubts(study.config["evaluator"])),
        damaged=tuple(map(str, study.damaged)),
    )


def setup(config: Mapping[str, Any], created_at: str, budget: int) -> dict[str, Any]:
    """The facts of a configuration that a report shows, plain data."""
    facts = {
        "space": config["space"]["name"],
        "dimensions": {d["name"]: _span(d["choices"]) for d in config["space"]["dimensions"]},
        **_of_programs(config),
        "algorithm": config["algorithm"],
        "settings": dict(config["settings"]),
        "seed": config["seed"],
        "workload": dict(config["workload"]),
        **machine(config["evaluator"]),
        "tradewind": config["tradewind"],
        "begun": created_at,
    }
    if set(_kinds(config["evaluator"])) <= KNOWN_KINDS:
        facts["command"] = command(config, budget)
    return facts


def machine(description: Any) -> dict[str, Any]:
    """What an evaluator's description says of the machine, wherever in it; the first of two answers counts."""
    found: dict[str, Any] = {}
    for part in parts(description):
        for key in MACHINE:
            if key in part and not isinstance(part[key], (dict, list)):
                found.setdefault(key, part[key])
    return {key: found[key] for key in MACHINE if key in found}


def drift(evaluations: Sequence[Evaluation]) -> tuple[tuple[int, float], ...]:
    """Readings of the anchor in the order of storing, as (search evaluations done, time relative to the first)."""
    done = 0
    first: dict[str, float] = {}
    readings = []
    for evaluation in evaluations:
        done += evaluation.role == "search"
        times = [(k, m.value) for k, m in evaluation.measurements.items() if k.partition("@")[0] in TIMES and m.value]
        if evaluation.role == "anchor" and times:
            name, value = times[0]
            readings.append((done, value / first.setdefault(name, value)))
    return tuple(readings)


def command(config: Mapping[str, Any], budget: int) -> str:
    """The command that asks for the same study; the folder of the run is left to the reader."""
    words = ["tradewind search", f"--space {config['space']['name']}"]
    words += [f"--set {name}={choices}" for name, choices in _narrowed(config["space"])]
    words.append(f"--objectives {','.join(config['objectives'])}")
    words += [f"--where '{constraint}'" for constraint in config["constraints"]]
    words.append(f"--algorithm {config['algorithm']}")
    words += [f"--setting {key}={value}" for key, value in config["settings"].items()]
    words += [f"--budget {budget}", f"--seed {config['seed']}"]
    words += workload_words(config["workload"])
    if config["device_options"].get("threads", 1) != 1:
        words.append(f"--threads {config['device_options']['threads']}")
    if config["device_options"].get("runtime", "torch") != "torch":
        words.append(f"--runtime {config['device_options']['runtime']}")
    return " ".join([*words, *([] if config["baselines"] else ["--no-baseline"]), "--out RUN"])


def workload_words(workload: Mapping[str, Any]) -> list[str]:
    """The options that ask for a workload, as far as it is not the usual one."""
    plain = Workload().to_dict()
    options = (("batch", "batch"), ("seq_len", "length"), ("dtype", "dtype"), ("logits", "logits"))
    words = [f"--{option} {workload[key]}" for key, option in options if workload[key] != plain[key]]
    return words + ([f"--context {workload['context']}"] if workload["context"] != workload["seq_len"] else [])


def _of_programs(config: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a search of programs: its space in words, the models' sizes, the text and how they are trained."""
    if config["space"]["family"] != "program":
        return {}
    choices = {d["name"]: d["choices"] for d in config["space"]["dimensions"]}
    facts: dict[str, Any] = {
        "dimensions": {name: ", ".join(found) for name, found in choices.items()},
        "models": config["space"]["constants"],
    }
    for part in parts(config["evaluator"]):
        if part.get("kind") == "program-training":
            facts |= {key: part[key] for key in ("text", "tokenizer", "recipe", "budget", "lookahead")}
    return facts


def _narrowed(space: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The dimensions whose choices are not those of the registered space, as ``--set`` takes them."""
    whole = {d["name"]: d["choices"] for d in spaces.get(space["name"]).to_dict()["dimensions"]}
    for dimension in space["dimensions"]:
        if dimension["choices"] != whole.get(dimension["name"]):
            yield dimension["name"], _span(dimension["choices"])


def _span(choices: Sequence[Any]) -> str:
    """Choices as ``--set`` takes them.

    >>> _span([2, 3, 4, 5]), _span([128, 192, 256]), _span([2, 4, 8]), _span([7])
    ('2..5', '128..256:64', '2,4,8', '7')
    """
    steps = {b - a for a, b in itertools.pairwise(choices)} if isinstance(choices[0], int) else set()
    if len(choices) > 2 and len(steps) == 1 and min(steps) > 0:
        return f"{choices[0]}..{choices[-1]}" + (f":{min(steps)}" if min(steps) > 1 else "")
    return ",".join(map(str, choices))


def _kinds(description: Any) -> list[Any]:
    return [part["kind"] for part in parts(description) if "kind" in part]
