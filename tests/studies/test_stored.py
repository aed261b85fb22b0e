from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.studies.fakes import SPACE, Made, facts, failing, formula
from tests.studies.test_snapshot import fingerprint

from tradewind.core import Measurement, StudyError, UsageError, parse_objectives
from tradewind.core.files import canonical_json
from tradewind.studies import StoredStudy, Study
from tradewind.studies.schema import SCHEMA_VERSION, study_digest
from tradewind.studies.store import STUDY_FILE


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study.create(
        tmp_path / "run",
        space=SPACE,
        objectives="decoder_params,flops",
        algorithm="drawing",
        constraints=["decoder_params>=1e6"],
        baselines=True,
    )
    made.run(budget=30, progress=False)
    return made


def test_it_reads_what_the_study_wrote_without_a_trace(study: Study) -> None:
    before = fingerprint(study.path)
    stored = StoredStudy.open(study.path)
    assert stored.evaluations(None) == study.evaluations(None)
    assert stored.config == study.config
    assert stored.status() == study.status()
    assert stored.space.to_dict() == SPACE.to_dict()
    assert [str(o) for o in stored.objectives] == ["decoder_params", "flops"]
    assert [str(c) for c in stored.constraints] == ["decoder_params>=1000000"]
    assert stored.verify() == []
    assert list(stored.frontier()) == list(study.frontier())
    assert fingerprint(study.path) == before


def test_roles_are_kept_apart(study: Study) -> None:
    stored = StoredStudy.open(study.path)
    assert [e.index for e in stored.evaluations()] == list(range(30))
    assert [e.candidate for e in stored.evaluations("baseline")] == SPACE.baselines()
    assert len(stored.evaluations(None)) == 30 + len(SPACE.baselines())
    with pytest.raises(UsageError, match="unknown role 'serach'; evaluations are search, baseline"):
        stored.evaluations("serach")


def test_a_folder_may_move(study: Study, tmp_path: Path) -> None:
    shutil.move(study.path, tmp_path / "elsewhere")
    moved = Study.open(tmp_path / "elsewhere")
    moved.run(budget=32, progress=False)
    assert len(moved.evaluations()) == 32


def test_a_frontier_may_be_bounded_further(study: Study) -> None:
    whole = study.frontier()
    values = sorted(e.measurements["decoder_params"].value or 0 for e in whole)
    bound = values[len(values) // 2]
    cut = study.frontier([f"decoder_params>={bound}", "kv_cache_mb<=1e9"])
    assert 0 < len(cut) < len(whole)
    assert all((e.measurements["decoder_params"].value or 0) >= bound for e in cut)
    assert list(study.frontier(f"decoder_params>={bound}")) == list(study.frontier([f"decoder_params>={bound}"]))
    assert len(study.frontier(["kv_cache_mb<=0"])) == 0
    assert study.frontier(["kv_cache_mb<=0"]).why_empty.endswith(" has kv_cache_mb<=0")


def test_failed_evaluations_count_but_are_on_no_frontier(tmp_path: Path) -> None:
    study = Study.create(
        tmp_path, space=SPACE, objectives="decoder_params,flops", algorithm="drawing", evaluator=Made(failing)
    )
    status = study.run(budget=30, progress=False)
    failed = [e for e in study.evaluations() if int(e.candidate.id, 16) % 3 == 0]
    assert 0 < len(failed) < 30
    assert status["failed"] == len(failed)
    assert all(e.measurements["flops"] == Measurement.failed("crash: signal 11", "FLOP") for e in failed)
    assert not {e.index for e in failed} & {e.index for e in study.frontier()}


def test_a_measured_constraint_bounds_the_frontier_and_is_measured_for_it(tmp_path: Path) -> None:
    def measured(candidate: object) -> dict[str, Measurement]:
        depth = candidate.n_layer  # type: ignore[attr-defined]
        return {**formula(candidate), "latency_ms@cpu": Measurement.of(float(depth), "ms", device="cpu")}

    common = {"space": SPACE, "objectives": "decoder_params,flops", "algorithm": "drawing", "device": "cpu"}
    with pytest.raises(UsageError, match="does not give latency_ms@cpu"):
        Study.create(tmp_path, evaluator=Made(formula), constraints=["latency_ms<=3"], **common)  # type: ignore[arg-type]
    evaluator = Made(measured, parse_objectives("decoder_params,flops,latency_ms@cpu"))
    study = Study.create(tmp_path, evaluator=evaluator, constraints=["latency_ms<=3"], **common)  # type: ignore[arg-type]
    study.run(budget=30, progress=False)
    depths = {e.architecture.n_layer for e in study.evaluations()}
    assert depths == {2, 3, 4}
    assert {e.architecture.n_layer for e in study.frontier()} <= {2, 3}
    assert {e.architecture.n_layer for e in StoredStudy(tmp_path).frontier(["latency_ms<=2"])} == {2}


def rewrite(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path / STUDY_FILE)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("measurements", '{"flops":{"unit":"FLOP","value":1}}'),
        ("seconds", 0.125),
        ("seconds", "soon"),
        ("position", 77),
        ("role", "baseline!"),
        ("candidate_id", "0" * 16),
        ("candidate", b"\xff\xfe"),
    ],
)
def test_a_changed_evaluation_is_named_and_left_out(study: Study, column: str, value: object) -> None:
    rewrite(study.path, f"UPDATE evaluation SET {column} = ? WHERE role = 'search' AND position = 17", value)
    stored = StoredStudy.open(study.path)
    (damage,) = stored.damaged
    assert "evaluation" in str(damage)
    assert "does not match its checksum" in str(damage)
    assert [e.index for e in stored.evaluations()] == [*range(17), *range(18, 30)]
    assert stored.verify() == [damage]
    assert stored.status()["damaged"] == [str(damage)]


def test_a_vanished_evaluation_is_noticed(study: Study) -> None:
    rewrite(study.path, "DELETE FROM evaluation WHERE role = 'search' AND position = 29")
    assert [str(d) for d in StoredStudy(study.path).verify()] == [
        f"tally: {30 + len(SPACE.baselines())} evaluations were counted, {29 + len(SPACE.baselines())} are here"
    ]


def test_a_damaged_study_is_read_but_not_run(study: Study, tmp_path: Path) -> None:
    rewrite(study.path, "UPDATE evaluation SET seconds = 9 WHERE role = 'search' AND position IN (3, 20)")
    damaged = Study.open(study.path)
    before = fingerprint(study.path)
    with pytest.raises(StudyError, match=r"is damaged \(evaluation \d+ \(search 3\).*rescue"):
        damaged.run(budget=40, progress=False)
    kept = damaged.rescue(tmp_path / "rescued")
    assert {name: content for name, (content, _) in fingerprint(study.path).items()} == {
        name: content for name, (content, _) in before.items()
    }
    rescued = Study.open(tmp_path / "rescued")
    assert rescued.verify() == []
    assert rescued.evaluations(None) == kept
    rescued.run(budget=40, progress=False)
    assert facts(rescued.evaluations())[:28] == facts(damaged.evaluations())
    assert [e.index for e in rescued.evaluations()][-12:] == list(range(30, 42))
    with pytest.raises(StudyError, match="holds a study already"):
        damaged.rescue(tmp_path / "rescued")


def test_a_changed_configuration_is_refused(study: Study) -> None:
    rewrite(study.path, "UPDATE study SET config = replace(config, '\"seed\":0', '\"seed\":1')")
    with pytest.raises(StudyError, match="configuration is damaged"):
        StoredStudy.open(study.path)


def test_a_foreign_configuration_with_a_good_checksum_is_refused(study: Study) -> None:
    config = canonical_json({"seed": 0})
    digest = study_digest(SCHEMA_VERSION, "today", config)
    rewrite(study.path, "UPDATE study SET config = ?, created_at = 'today', sha256 = ?", config, digest)
    with pytest.raises(StudyError, match="the study's configuration lacks 'algorithm'"):
        StoredStudy.open(study.path)


def test_a_newer_study_is_refused_without_a_trace(study: Study) -> None:
    rewrite(study.path, "UPDATE study SET schema_version = 3")
    before = fingerprint(study.path)
    for opened in (StoredStudy, Study):
        with pytest.raises(StudyError, match="schema version 3, this Tradewind reads 2"):
            opened.open(study.path)
    assert fingerprint(study.path) == before


def opened(folder: Path) -> tuple[StoredStudy | None, list[str]]:
    """The study and what `verify` finds, or none and why it is refused."""
    try:
        stored = StoredStudy.open(folder)
        return stored, [str(damage) for damage in stored.verify()]
    except StudyError as error:
        return None, [str(error)]


def test_flipped_bits_are_detected_or_harmless(study: Study, tmp_path: Path) -> None:
    """Seeded single-bit flips of the database file: never another value, never an error without the path."""
    sound = StoredStudy(study.path)
    log, config = facts(sound.evaluations(None)), sound.config
    content = (study.path / STUDY_FILE).read_bytes()
    draw = random.Random(7)
    flipped = tmp_path / "flipped"
    flipped.mkdir()
    outcomes = {"refused": 0, "named": 0, "harmless": 0}
    for _ in range(120):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        (flipped / STUDY_FILE).write_bytes(damaged)
        stored, findings = opened(flipped)
        if stored is None:
            assert str(flipped) in findings[0]
            outcomes["refused"] += 1
            continue
        assert stored.config == config
        kept = facts(stored.evaluations(None))
        assert all(fact in log for fact in kept)
        assert findings or kept == log
        outcomes["named" if findings else "harmless"] += 1
    assert outcomes["named"] > 30


def test_a_truncated_file_is_detected(study: Study, tmp_path: Path) -> None:
    content = (study.path / STUDY_FILE).read_bytes()
    log = facts(study.evaluations(None))
    cut = tmp_path / "cut"
    cut.mkdir()
    for length in range(0, len(content), 4096):
        (cut / STUDY_FILE).write_bytes(content[:length])
        stored, findings = opened(cut)
        assert findings
        if stored is None:
            assert str(cut) in findings[0]
        else:
            assert all(fact in log for fact in facts(stored.evaluations(None)))
