from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from matplotlib.image import imread
from tests.reports.synthetic import NAMES, study

from tradewind.core import Evaluation, UsageError, parse_objectives
from tradewind.reports import style
from tradewind.reports.figures import figures, layers, projections


@pytest.mark.parametrize(
    ("names", "panels"),
    [("decoder_params,latency_ms@cpu", 1), (NAMES, 3)],
)
def test_every_figure_is_drawn_in_the_size_it_says(tmp_path: Path, names: str, panels: int) -> None:
    made = figures(study(90, names=names))
    assert set(made) == {"frontier", "speedup", "hypervolume", "profile"}
    assert sum(axes.get_visible() for axes in made["frontier"].axes) == panels
    for name, picture in made.items():
        image = imread(style.save(picture, tmp_path / f"{name}.png"))
        width, height = picture.get_size_inches()
        assert image.shape[:2] == (round(height * style.DPI), round(width * style.DPI))
        assert image[..., :3].std() > 0.01


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (figures(study(30))["frontier"] for _ in range(2))
    assert style.save(first, tmp_path / "a.png").read_bytes() == style.save(second, tmp_path / "b.png").read_bytes()


def test_points_on_paper_are_those_of_the_study() -> None:
    data = study(60, names="decoder_params,latency_ms@cpu")
    (axes,) = figures(data)["frontier"].axes
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert drawn[f"evaluated ({len(data.valued)})"].tolist() == [
        [ms, params] for params, ms in (e.values(data.objectives) or (0, 0) for e in data.valued)
    ]
    front, baseline = (container.lines[0].get_xydata() for container in axes.containers)
    assert front.tolist() == data.frontier.values[:, ::-1].tolist()
    assert baseline[:, 1].tolist() == [e.measurements["decoder_params"].value for e in data.baseline]


def test_nothing_is_drawn_without_data() -> None:
    assert figures(dataclasses.replace(study(20), evaluations=(), baseline=())) == {}
    made = figures(dataclasses.replace(study(20), baseline=()))
    assert set(made) == {"frontier", "hypervolume", "profile"}
    assert "frontier" not in figures(study(20, names="latency_ms@cpu"))


class Program:
    id = "0" * 16


def test_candidates_without_layers_have_no_profile() -> None:
    data = study(20)
    trials = tuple(Evaluation(e.index, Program(), e.measurements) for e in data.evaluations)
    assert "profile" not in figures(dataclasses.replace(data, evaluations=trials))


def test_projections() -> None:
    names = ["decoder_params", "flops", "params", "macs", "quality"]
    pairs = {n: [f"{x}/{y}" for x, y in projections(parse_objectives(names[:n]))] for n in range(1, 6)}
    assert pairs[1] == []
    assert pairs[2] == ["flops/decoder_params"]
    assert pairs[3] == ["flops/decoder_params", "params/decoder_params", "flops/params"]
    assert len(pairs[4]) == 6
    assert len(pairs[5]) == 4


def test_layers_pad_with_nothing() -> None:
    assert str(layers([(1, 2, 3), (4,)]).tolist()) == "[[1.0, 4.0], [2.0, nan], [3.0, nan]]"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 9.0], False), ([1.0, 10.0], True), ([0.0, 10.0], False), ([-1.0, 100.0], False), ([], False)],
)
def test_logarithmic_axes_are_for_positive_values_over_a_decade(values: list[float], expected: bool) -> None:
    assert style.logarithmic(values) is expected


@pytest.mark.parametrize("values", [[3.0, 60.0], [4e5, 1.3e8], [0.02, 0.9], [1.0, 10.0]])
def test_ticks_lie_around_and_within_the_values(values: list[float]) -> None:
    ticks = style.log_ticks(values)
    assert sum(values[0] <= tick <= values[1] for tick in ticks) >= 2
    assert ticks[0] <= values[0]
    assert ticks[-1] >= values[1] / 2


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "plotly" else object())
    with pytest.raises(UsageError, match=r"figures need plotly.*pip install 'tradewind\[plot\]'"):
        style.require_plot_extra()
