from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, Made, Slow, facts, formula

from tradewind import spaces
from tradewind.core import DeviceError, Evaluation, Measurement, Measurements, StudyError, UsageError, Workload
from tradewind.devices import energy
from tradewind.evaluators import CombinedEvaluator
from tradewind.studies import StoredStudy, Study
from tradewind.studies.lock import StudyLock
from tradewind.studies.store import STUDY_FILE


def create(path: Path, **changes: Any) -> Study:
    return Study.create(
        path, **({"space": SPACE, "objectives": "decoder_params,flops", "algorithm": "drawing", "seed": 3} | changes)
    )


def run(study: Study, budget: int = 20) -> dict[str, Any]:
    return study.run(budget=budget, progress=False)


@pytest.mark.parametrize("algorithm", ["random", "lts"])
def test_a_search_of_the_real_kind(tmp_path: Path, algorithm: str) -> None:
    study = create(tmp_path / "whole", algorithm=algorithm, constraints=["decoder_params>=2e6"], baselines=True)
    status = run(study, 60)
    assert (status["evaluations"], status["failed"], status["note"]) == (60, 0, "")
    assert status["baselines"] == len(SPACE.baselines()) > 0
    assert len({e.candidate.id for e in study.evaluations()}) == 60
    assert all(SPACE.contains(e.candidate) for e in study.evaluations())
    assert all((e.measurements["decoder_params"].value or 0) >= 2e6 for e in study.evaluations())
    assert len(study.frontier()) == status["frontier"] > 1
    parts = create(tmp_path / "parts", algorithm=algorithm, constraints=["decoder_params>=2e6"], baselines=True)
    for budget in (1, 2, 21, 34, 60):
        run(parts if budget % 2 else Study.open(parts.path), budget)
    assert facts(Study.open(parts.path).evaluations(None)) == facts(study.evaluations(None))


def test_the_budget_is_that_of_the_whole_study(tmp_path: Path) -> None:
    evaluator = Made(formula)
    study = create(tmp_path, evaluator=evaluator, baselines=[SPACE.sample(seed=77)])
    assert run(study, 12)["evaluations"] == 12
    assert run(study, 20)["evaluations"] == 20
    assert run(study, 5)["evaluations"] == 20
    assert len(evaluator.asked) == len(set(evaluator.asked)) == 21
    assert evaluator.asked[0] == SPACE.sample(seed=77).id
    with pytest.raises(UsageError, match="budget is 0"):
        run(study, 0)


def test_the_same_command_resumes(tmp_path: Path) -> None:
    first = create(tmp_path)
    run(first, 10)
    second = create(tmp_path, resume=True)
    assert len(second.evaluations()) == 10
    run(second, 20)
    run(first, 25)
    assert len(first.evaluations()) == len(StoredStudy(tmp_path).evaluations()) == 25
    assert [e.index for e in first.evaluations()] == list(range(25))


def test_settings_given_as_text_are_the_same_settings(tmp_path: Path) -> None:
    create(tmp_path, algorithm="lts", settings={"population": "50"})
    study = create(tmp_path, algorithm="lts", settings={"population": 50}, resume=True)
    assert study.config["settings"]["population"] == 50
    assert "initial" in study.config["settings"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed was 3, now 4"),
        ({"algorithm": "random"}, 'algorithm was "drawing", now "random"'),
        ({"objectives": "decoder_params,macs"}, 'objectives was \\["decoder_params","flops"\\]'),
        ({"constraints": ["flops<=1e12"]}, 'constraints was \\[\\], now \\["flops<=1000000000000"\\]'),
        ({"space": spaces.get("gpt2")}, "space.dimensions.d_inner"),
        ({"workload": Workload(seq_len=64)}, "workload.seq_len was 192, now 64"),
        ({"device_options": {"threads": 2}}, "device_options.threads was null, now 2"),
        ({"baselines": True}, r"baselines gained \d+ entries"),
        ({"evaluator": Made(formula)}, 'evaluator.kind was "formula", now "made"'),
    ],
)
def test_another_configuration_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    run(create(tmp_path))
    with pytest.raises(StudyError, match=message):
        create(tmp_path, resume=True, **changes)
    assert len(StoredStudy(tmp_path).evaluations()) == 20


def test_an_existing_study_is_not_replaced(tmp_path: Path) -> None:
    run(create(tmp_path))
    with pytest.raises(StudyError, match=r"holds a study already, with 20 evaluations; Study\.open continues it"):
        create(tmp_path)


def test_creation_that_was_killed_early_starts_again(tmp_path: Path) -> None:
    (tmp_path / STUDY_FILE).touch()
    with pytest.raises(StudyError, match="holds no study yet"):
        Study.open(tmp_path)
    assert run(create(tmp_path, resume=True))["evaluations"] == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "gtp2"}, "did you mean 'gpt2'"),
        ({"algorithm": "ltss"}, "did you mean 'lts'"),
        ({"objectives": "flopss"}, "did you mean 'flops'"),
        ({"objectives": "latency_ms"}, "give a device"),
        ({"objectives": "perplexity,flops"}, "nothing here evaluates perplexity"),
        ({"algorithm": "lts", "settings": {"populaton": 3}}, "did you mean 'population'"),
        ({"constraints": ["flops=3"]}, "is no constraint"),
        ({"device_options": {"timing": object()}}, "give plain values as options"),
        ({"objectives": "latency_ms@cpu", "device_options": {"thread": 2}}, "did you mean 'threads'"),
        (
            {"objectives": "flops,latency_ms@cpu", "algorithm": "exact", "baselines": True},
            "latency_ms@cpu cannot be taken apart into layers",
        ),
        (
            {"objectives": "flops,latency_ms@cpu", "workload": Workload(seq_len=1025)},
            r"latency_ms takes 1025 positions and these architectures have learned 1024; .*--length.*context=1025",
        ),
        (
            {"objectives": "decode_latency_ms@cpu", "workload": Workload(seq_len=1024)},
            r"decode_latency_ms takes 1025 positions .*--context.*context=1025",
        ),
        (
            {"constraints": ["latency_ms@cpu<=9"], "algorithm": "exact", "baselines": True},
            "latency_ms@cpu cannot be taken apart into layers",
        ),
    ],
)
def test_what_cannot_be_searched_leaves_no_folder(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_lengths_that_can_be_measured_are_searched(tmp_path: Path) -> None:
    long = Workload(seq_len=2000)
    create(tmp_path / "wider", space=SPACE.narrow(context=2000), objectives="latency_ms@cpu", workload=long)
    create(tmp_path / "closed", objectives="flops", workload=long)
    create(tmp_path / "xl", space="transformer-xl", objectives="decode_latency_ms@cpu", workload=long)
    create(tmp_path / "rotary", space="hwgpt-s", objectives="decode_latency_ms@cpu", workload=long, algorithm="lts")


def test_a_quantity_without_a_counter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "missing", lambda device: "no energy counter on this device")
    with pytest.raises(UsageError, match="energy_wh@cpu cannot be measured here: no energy counter on this device; le"):
        create(tmp_path / "run", objectives="flops,energy_wh@cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["file", "file/run", "dangling", "/proc/run"])
def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    study = create(tmp_path / "sound")
    for make in (create, study.rescue):
        with pytest.raises(UsageError, match=rf"the folder .*{place} cannot be made \(.*\); give another path"):
            make(tmp_path / place)


def test_the_folder_is_private_and_holds_no_path(tmp_path: Path) -> None:
    study = create(tmp_path / "deep" / "run")
    run(study)
    assert stat.S_IMODE(os.stat(study.path).st_mode) == 0o700
    assert sorted(file.name for file in study.path.iterdir()) == [STUDY_FILE, "study.lock"]
    content = (study.path / STUDY_FILE).read_bytes()
    assert str(tmp_path).encode() not in content
    assert os.uname().nodename.encode() not in content


def test_a_small_space_is_searched_to_its_end(tmp_path: Path) -> None:
    small = spaces.get("gpt2", n_layer=2, d_model=[128], d_inner="256..384", n_head=2)
    study = create(tmp_path, space=small, algorithm="lts")
    status = run(study, 50)
    assert (status["evaluations"], status["exhausted"]) == (small.size(), True)
    assert status["note"] == "lts has no new feasible candidate to propose"
    assert StoredStudy(tmp_path).status() == status
    assert run(Study.open(tmp_path), 50) == status
    assert run(Study.open(tmp_path), small.size())["exhausted"] is False


def test_one_process_runs_a_study(tmp_path: Path) -> None:
    study = create(tmp_path)
    with StudyLock(tmp_path), pytest.raises(StudyError, match=f"pid {os.getpid()}"):
        run(study)
    assert run(study)["evaluations"] == 20


def test_a_report_may_be_read_while_it_runs(tmp_path: Path) -> None:
    seen: list[int] = []
    study = create(
        tmp_path, evaluator=Slow(0.0, False, before=lambda: seen.append(len(StoredStudy(tmp_path).evaluations())))
    )
    run(study, 12)
    assert seen == list(range(12))


def test_what_an_evaluator_of_ones_own_measured_goes_on_with_it_only(tmp_path: Path) -> None:
    evaluator = Made(formula)
    run(create(tmp_path, evaluator=evaluator), 5)
    assert evaluator.closed == 0
    with pytest.raises(StudyError, match=r'Study\.open\(path, evaluator=.*evaluator\.kind was "made", now "formula"'):
        run(Study.open(tmp_path))
    assert run(Study.open(tmp_path, evaluator=evaluator), 8)["evaluations"] == 8


def test_an_evaluator_that_cannot_measure_stops_the_run_and_blames_no_candidate(tmp_path: Path) -> None:
    broken = True

    def measured(candidate: Any) -> dict[str, Measurement]:
        if broken and len(evaluator.asked) > 4:
            raise DeviceError("the device is gone")
        return dict(formula(candidate))

    evaluator = Made(measured)
    study = create(tmp_path, evaluator=evaluator)
    for _ in range(5):
        with pytest.raises(DeviceError, match="gone"):
            run(study)
        evaluator.asked.clear()
        evaluator.asked += "....."
    assert len(StoredStudy(tmp_path).evaluations()) == 4
    broken = False
    status = run(study)
    assert (status["evaluations"], status["failed"]) == (20, 0)


def test_a_candidate_that_ends_the_process_three_times_is_abandoned(tmp_path: Path) -> None:
    """An error that is not one of ours stands for the end of the process: neither takes the launch back."""
    whole = create(tmp_path / "whole")
    run(whole)
    poison = whole.evaluations()[7].candidate.id

    def measured(candidate: Any) -> dict[str, Measurement]:
        if candidate.id == poison:
            raise MemoryError
        return dict(formula(candidate))

    for name, deterministic in (("measured", False), ("computed", True)):
        evaluator = Made(measured, deterministic=deterministic)
        path = tmp_path / name
        create(path, evaluator=evaluator)
        for _ in range(3):
            with pytest.raises(MemoryError):
                run(Study.open(path, evaluator=evaluator))
            assert len(StoredStudy(path).evaluations()) == 7
        status = run(Study.open(path, evaluator=evaluator))
        assert (status["evaluations"], status["failed"]) == (20, 1)
        (failed,) = [e for e in StoredStudy(path).evaluations() if e.values(OBJECTIVES) is None]
        assert failed.candidate.id == poison
        assert failed.measurements["flops"].reason == "abandoned: its evaluation ended the process 3 times"
        assert evaluator.asked.count(poison) == 3
        assert facts(StoredStudy(path).evaluations())[:7] == facts(whole.evaluations())[:7]


def test_progress_is_told_to_a_function(tmp_path: Path) -> None:
    told: list[Any] = []
    create(tmp_path).run(budget=20, progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].failed) == (20, 20, 0)


class Watching(Made):
    """Measures an anchor before every third candidate, as a device evaluator does."""

    def __init__(self, anchors: Sequence[Evaluation] = ()) -> None:
        super().__init__(formula)
        self.anchors = list(anchors)

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        if len(self.asked) % 3 == 0:
            anchor = SPACE.sample(seed=0)
            measured = {"latency_ms@cpu": Measurement.of(10.0 + len(self.anchors), "ms", spread=float("nan"))}
            self.anchors.append(Evaluation(len(self.anchors), anchor, measured, "anchor", 0.1))
        return super().evaluate(candidates)


def test_anchors_are_stored_beside_the_evaluations_that_follow_them(tmp_path: Path) -> None:
    study = create(tmp_path, evaluator=CombinedEvaluator([Watching()]))
    run(study, 7)
    stored = StoredStudy(tmp_path)
    assert all(e.values(OBJECTIVES) for e in stored.evaluations())
    roles = [e.role for e in stored.evaluations(None)]
    assert roles == [*["anchor", "search", "search", "search"] * 2, "anchor", "search"]
    assert [e.index for e in stored.evaluations("anchor")] == [0, 1, 2]
    assert [e.measurements["latency_ms@cpu"].value for e in stored.evaluations("anchor")] == [10.0, 11.0, 12.0]
    assert stored.status()["anchors"] == 3
    evaluator = CombinedEvaluator([Watching(stored.evaluations("anchor"))])
    run(Study.open(tmp_path, evaluator=evaluator), 8)
    assert [e.index for e in StoredStudy(tmp_path).evaluations("anchor")] == [0, 1, 2, 3]
    assert StoredStudy(tmp_path).evaluations("anchor")[-1].measurements["latency_ms@cpu"].value == 13.0


def test_an_anchor_s_reading_stands_for_no_evaluation(tmp_path: Path) -> None:
    """It holds times only, so the candidate is measured like any other when the search comes to it."""
    small = spaces.get("gpt2", n_layer=2, d_model=[128], d_inner="256..384", n_head=2)
    anchor = small.sample(seed=0)
    reading = Evaluation(0, anchor, {"latency_ms@cpu": Measurement.of(1.0, "ms")}, "anchor")

    class Anchored(Made):
        anchors: tuple[Evaluation, ...] = ()

        def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
            self.anchors = (reading,)
            return super().evaluate(candidates)

    evaluator = Anchored(formula)
    study = create(tmp_path, space=small, algorithm="random", evaluator=evaluator, baselines=[anchor])
    run(study, 1)
    study = Study.open(tmp_path, evaluator=evaluator)
    assert run(study, small.size())["failed"] == 0
    assert len(study.evaluations("anchor")) == 1
    assert anchor.id in {e.candidate.id for e in study.evaluations()}
    assert all(e.values(OBJECTIVES) is not None for e in study.evaluations())
    assert evaluator.asked.count(anchor.id) == 1
