"""The export is read back by Optuna itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, Made, failing, formula

from tradewind.core import Measurement, Objective, UsageError
from tradewind.evaluators import FormulaEvaluator
from tradewind.spaces import gene_values, genes
from tradewind.studies import StoredStudy, Study

optuna = pytest.importorskip("optuna")
Complete, Failed, Pruned = (getattr(optuna.trial.TrialState, name) for name in ("COMPLETE", "FAIL", "PRUNED"))
LATENCY = Objective("latency_ms", "cpu")


def timed(candidate: Any) -> dict[str, Measurement]:
    """Every third candidate crashes; a millisecond a layer."""
    return {**failing(candidate), LATENCY.name: Measurement.of(1.0 * candidate.n_layer, "ms", device="cpu")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study.create(
        tmp_path_factory.mktemp("runs") / "laptop",
        space=SPACE,
        objectives=OBJECTIVES,
        algorithm="random",
        constraints=["latency_ms@cpu<=3", "decoder_params>=1e5"],
        evaluator=Made(timed, (*OBJECTIVES, LATENCY)),
    )
    made.run(budget=14, progress=False)
    return made


def test_optuna_reads_back_all_that_a_study_holds(study: Study, tmp_path: Path) -> None:
    path = study.to_optuna(tmp_path / "x.db")
    back = optuna.load_study(study_name="laptop", storage=f"sqlite:///{path}")
    assert [d.name for d in back.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert back.metric_names == [o.name for o in OBJECTIVES]
    assert back.user_attrs["seed"] == 0
    assert back.user_attrs["space"] == study.config["space"]
    log = study.evaluations()
    assert len(back.trials) == len(log) == 14
    assert {t.state for t in back.trials} == {Complete, Failed}
    choices = {gene.name: gene for gene in genes(SPACE)}
    for trial, evaluation in zip(back.trials, log, strict=True):
        values = evaluation.values(OBJECTIVES)
        assert trial.state == (Failed if values is None else Complete)
        assert trial.values == (None if values is None else list(values))
        assert trial.params == gene_values(SPACE, evaluation.candidate)
        assert trial.user_attrs["id"] == evaluation.candidate.id
        assert type(evaluation.candidate).from_dict(trial.user_attrs["candidate"]) == evaluation.candidate
        stored = {n: Measurement.from_dict(m) for n, m in trial.user_attrs["measurements"].items()}
        assert stored == dict(evaluation.measurements)
        assert ("failed" in trial.user_attrs) == (values is None)
        assert trial.constraints["latency_ms@cpu<=3"] == evaluation.candidate.n_layer - 3
        assert trial.duration.total_seconds() == pytest.approx(evaluation.seconds, abs=1e-5)
        for name, distribution in trial.distributions.items():
            gene = choices[name]
            if isinstance(distribution, optuna.distributions.IntDistribution):
                assert tuple(range(distribution.low, distribution.high + 1, distribution.step)) == gene.choices
            else:
                assert tuple(distribution.choices) == gene.choices
    front = {t.user_attrs["id"] for t in back.best_trials}
    assert front == {e.candidate.id for e in study.frontier()}


def test_what_was_evaluated_in_part_is_pruned_with_its_reports(tmp_path: Path) -> None:
    class Halves(FormulaEvaluator):
        fidelities = (1, 3, 9)

        def evaluate_at(self, candidates: Any, fidelity: int) -> Any:
            found = self.evaluate(candidates)
            more = 10.0 - fidelity
            return [{n: dataclasses.replace(m, value=m.value + more) for n, m in one.items()} for one in found]

    study = Study.create(
        tmp_path / "parts",
        space=SPACE,
        objectives="flops",
        algorithm="mo-asha(grace=1)",
        evaluator=Halves("flops"),
    )
    study.run(budget=3, progress=False)
    assert study.config["algorithm"] == "mo-asha"
    assert study.config["settings"]["grace"] == 1
    back = optuna.load_study(study_name="mine", storage=f"sqlite:///{study.to_optuna(tmp_path / 'x.db', 'mine')}")
    log = study.evaluations(parts=True)
    assert len(back.trials) == len({e.candidate.id for e in log})
    assert sum(t.state == Complete for t in back.trials) == len(study.evaluations())
    for trial in back.trials:
        mine = [e for e in log if e.candidate.id == trial.user_attrs["id"]]
        assert trial.state == (Complete if mine[-1].fidelity is None else Pruned)
        reported = {e.fidelity: e.values(study.objectives)[0] for e in mine if e.fidelity is not None}  # type: ignore[index]
        assert trial.intermediate_values == reported
        assert {f"measurements at {f}" for f in reported} <= set(trial.user_attrs)


def test_optuna_can_search_on_from_it(study: Study, tmp_path: Path) -> None:
    path = study.to_optuna(tmp_path / "x.db")
    back = optuna.load_study(
        study_name="laptop", storage=f"sqlite:///{path}", sampler=optuna.samplers.TPESampler(seed=0)
    )
    trial = back.ask()
    assert trial.suggest_int("n_layer", 2, 4) in (2, 3, 4)
    back.tell(trial, [1e6, 1e9])
    assert len(optuna.load_study(study_name="laptop", storage=f"sqlite:///{path}").trials) == 15


def test_an_existing_file_is_left_alone(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        study.to_optuna(path)
    assert path.read_text() == "mine"


def test_a_study_without_evaluations_is_exported_too(tmp_path: Path) -> None:
    study = Study.create(
        tmp_path / "none", space=SPACE, objectives=OBJECTIVES, algorithm="random", evaluator=Made(formula)
    )
    path = StoredStudy.open(study.path).to_optuna(tmp_path / "deep" / "x.db")
    assert optuna.load_study(study_name="none", storage=f"sqlite:///{path}").trials == []
