"""Code against the released API keeps working: names, arguments and results; its faults do not come back."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.released import released_stats

from tradewind import costs, spaces
from tradewind.benchmarks import compat, forms, ground_truth
from tradewind.benchmarks.compat import HWGPT, RELEASED_DEVICES
from tradewind.benchmarks.hwgpt.targets import METRICS, column_of
from tradewind.core import InvalidArchitectureError, Measurement, UsageError
from tradewind.core.files import write_parquet
from tradewind.core.seeds import generator


@dataclasses.dataclass(frozen=True)
class Invented:
    """A benchmark with the interface that the class uses, which needs no fitted files."""

    name: str

    @property
    def space(self) -> spaces.ArchitectureSpace:
        return spaces.get(self.name)

    def query(self, arch: Any, metric: str) -> Measurement:
        column_of(metric)
        if metric == "params":
            return Measurement.of(costs.params(arch), "parameters")
        return Measurement.of(100.0 + METRICS.index(metric), "ms")

    def draw(self, arch: Any, metric: str, seed: int) -> Measurement:
        if metric in ("params", "flops"):
            return self.query(arch, metric)
        noise = generator(seed, arch.id, metric).normal()
        return Measurement.of(float(self.query(arch, metric).value or 0) + noise, "ms")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> HWGPT:
    monkeypatch.setattr(compat, "load", Invented)
    api = HWGPT(search_space="s", use_supernet_surrogate=False)
    api.set_arch(api.sample_arch())
    return api


def test_the_readme_of_the_release_runs(api: HWGPT) -> None:
    results = api.query()
    assert set(results["latencies"]) == set(results["energies"]) == set(RELEASED_DEVICES)
    assert {"P100", "cpu_xeon_gold"} <= set(results["latencies"])
    assert {"flops", "params", "float16_memory", "bfloat16_memory", "perplexity", "accuracy"} <= set(results)
    assert list(api.query(metric="energies")) == ["energies"]
    on_one = api.query(device="rtx2080")
    assert {name: list(values) for name, values in on_one.items()} == {
        "latencies": ["rtx2080"],
        "energies": ["rtx2080"],
    }
    assert api.query(metric="perplexity", predictor="mlp")["perplexity"] == api.compute_predictions_ppl()


def test_lists_of_mixed_metrics_and_devices(api: HWGPT) -> None:
    found = api.query(metric=["latencies", "flops"], device=["a100", "P100"])
    assert list(found) == ["latencies", "flops"]
    assert list(found["latencies"]) == ["a100", "P100"]
    assert found["latencies"]["P100"] == api.compute_predictions_hw("latencies", "p100")
    assert found["flops"] == api.get_flops()


def test_draws_are_functions_of_the_seed_and_means_are_means(api: HWGPT) -> None:
    again, other = HWGPT("s"), HWGPT("s", seed=1)
    for each in (again, other):
        each.set_arch(api.config or {})
    assert again.query() == api.query() == api.query()
    assert other.query()["latencies"] != api.query()["latencies"]
    mean = HWGPT("s", draws=False)
    mean.set_arch(api.config or {})
    assert mean.compute_predictions_hw("latencies", "a100") == 100.0 + METRICS.index("latency_ms@a100")


def test_samples_follow_the_seed_and_their_number(api: HWGPT) -> None:
    first, second = HWGPT("m", seed=3), HWGPT("m", seed=3)
    drawn = [first.sample_arch() for _ in range(3)]
    assert drawn == [second.sample_arch() for _ in range(3)]
    assert drawn[0] != drawn[1]
    assert all(len(config["sample_n_head"]) == 24 for config in drawn)


def test_a_bias_counts(api: HWGPT) -> None:
    config = api.sample_arch()
    params = {}
    for bias in ("True", "False"):
        api.set_arch(config | {"sample_bias": bias})
        params[bias] = api.get_params()
    assert params["True"] > params["False"]


def test_dead_entries_change_nothing(api: HWGPT) -> None:
    config = api.sample_arch()
    config["sample_n_layer"], config["sample_layer_indices"] = 10, list(range(10))
    api.set_arch(config)
    before = api.query()
    config["sample_n_head"][11] = 12 if config["sample_n_head"][11] != 12 else 4
    api.set_arch(config)
    assert api.query() == before


def test_metrics_and_devices_can_be_set_and_restored(api: HWGPT) -> None:
    api.set_metrics_and_devices("latencies", "h100")
    assert {name: list(values) for name, values in api.query().items()} == {"latencies": ["h100"]}
    api.init_devices()
    assert len(api.query()["energies"]) == 13


def test_the_configuration_is_that_of_the_architecture(api: HWGPT) -> None:
    api.reset_config()
    model = api.cfg_model.model
    assert model.embed_choices == [192, 384, 768]
    assert model.bias_choices == ["True", "False"]
    assert model.n_embd == (api.config or {})["sample_embed_dim"]
    assert len(model.n_head) == model.n_layer
    assert api.search_space["n_layer_choices"] == [10, 11, 12]


def test_the_model_is_the_profiled_network(api: HWGPT) -> None:
    pytest.importorskip("torch")
    config = forms.to_released_dict(forms.space_of("s").sample(5)) | {"sample_embed_dim": 192}
    api.set_arch(config)
    assert sum(p.numel() for p in api.create_model().parameters()) == api.get_params()


def test_ground_truth_methods_answer_from_imported_measurements(api: HWGPT, tmp_path: Path) -> None:
    stats = released_stats(n=4)
    table, _ = ground_truth.table_of(stats)
    write_parquet(tmp_path / "hwgpt_s.parquet", table)
    api = HWGPT("s", base_path=tmp_path)
    for key, entry in stats.items():
        assert api.get_gt_latencies("P100", key) == pytest.approx(entry["P100"]["latencies"], rel=1e-6)
        assert api.get_gt_energies("cpu_amd_7452", key) == pytest.approx(entry["cpu_amd_7452"]["energies"], rel=1e-6)
        assert api.get_gt_agnostic(key, "flops") == entry["flops"]
    everything = api.query_gt_all_archs("latencies", "a100")
    assert set(everything) == set(stats)
    assert everything[key] == api.get_gt_latencies("a100", key)
    assert set(api.query_gt_all_archs("perplexity").values()) == {api.get_gt_agnostic(k, "perplexity") for k in stats}
    assert all(isinstance(v, float) for v in api.query_gt_all_archs("energies", "cpu_amd_7452").values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda api: HWGPT("xl"), "unknown search space 'xl'"),
        (lambda api: HWGPT("s", use_supernet_surrogate=True), "supernet is not part of this package"),
        (lambda api: api.query(predictor="supernet"), "supernet is not part of this package"),
        (lambda api: api.query(predictor="autogluon"), "unknown predictor 'autogluon'"),
        (lambda api: api.query(metric="latency"), "did you mean 'latencies'"),
        (lambda api: api.query(device="a1000"), "did you mean 'a100'"),
        (lambda api: api.get_memory("float32_memory"), "unknown memory"),
        (lambda api: api.query_gt_all_archs("latencies"), "name one"),
        (lambda api: HWGPT("s").query(), "set an architecture first"),
        (
            lambda api: HWGPT("s", base_path="/nowhere").get_gt_latencies("a100", "x"),
            "there is no hwgpt_s.parquet|reads gpt",
        ),
    ],
)
def test_wrong_use_is_refused_in_words(call: Any, message: str, api: HWGPT) -> None:
    with pytest.raises(UsageError, match=message):
        call(api)


def test_an_architecture_outside_the_space_is_refused(api: HWGPT) -> None:
    with pytest.raises(InvalidArchitectureError, match="d_model"):
        api.set_arch(api.sample_arch() | {"sample_embed_dim": 200})
    with pytest.raises(InvalidArchitectureError):
        HWGPT("m").set_arch(api.sample_arch())


def test_the_page_about_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hwgpt-compat.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, {})
    assert "{'latencies': {'a100': " in capsys.readouterr().out


def test_it_stands_on_the_benchmark_itself() -> None:
    api = HWGPT("l", draws=False)
    config = api.sample_arch()
    api.set_arch(config)
    arch = forms.from_released_dict(config)
    for metric, place, ours in (("latencies", "P100", "latency_ms@p100"), ("energies", "h100", "energy_wh@h100")):
        assert api.query(metric=metric, device=place)[metric][place] == api.benchmark.query(arch, ours).value
    assert api.get_params() == costs.params(arch)
