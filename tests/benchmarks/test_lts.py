"""The trained architectures of LiteTransformerSearch: the published figures of decoder parameters, honest errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tradewind import costs
from tradewind.benchmarks import judging, lts
from tradewind.core import FileFormatError, UsageError
from tradewind.core.seeds import generator

# Rows; Spearman of decoder and total parameters; Kendall of decoder.
WHOLE = {
    "lts-gpt2-wt103": (150, 0.9666, 0.7285, 0.8481),
    "lts-gpt2-lm1b": (158, 0.9816, 0.9441, 0.9020),
    "lts-xl-wt103": (153, 0.9767, 0.2093, 0.8679),
    "lts-xl-lm1b": (142, 0.9988, 0.9988, 0.9764),
    "lts-xl-wt103-homogeneous": (71, 0.9494, 0.2645, 0.8133),
    "lts-pareto-gpt2-arm": (45, 0.9947, 0.9794, 0.9469),
    "lts-pareto-gpt2-titanxp": (38, 0.9923, 0.9716, 0.9459),
    "lts-pareto-xl-arm": (39, 0.9916, 0.9894, 0.9372),
    "lts-pareto-xl-titanxp": (40, 0.9856, 0.9771, 0.9077),
}
# Common ratio and Spearman of decoder at the top 10, 20, 50%; common ratio of total at the top 10%.
TOP = {
    "lts-gpt2-wt103": ((0.600, 0.714), (0.900, 0.469), (0.933, 0.931), 0.733),
    "lts-gpt2-lm1b": ((0.875, 0.938), (0.969, 0.982), (0.987, 0.988), 0.875),
    "lts-xl-wt103": ((0.600, 0.725), (0.839, 0.597), (0.961, 0.878), 0.067),
    "lts-xl-lm1b": ((0.857, 0.921), (1.000, 0.955), (1.000, 0.996), 0.857),
    "lts-xl-wt103-homogeneous": ((0.714, 0.607), (0.786, 0.820), (0.889, 0.919), 0.286),
}


def write_random(folder: Path, n: int = 30, **changes: list) -> Path:
    rng = generator(0, "table")
    depth = rng.integers(1, 5, size=n)
    columns = {
        "arch_id": [f"a{i}" for i in range(n)],
        "backbone": ["gpt2"] * n,
        "dataset": ["wikitext-103"] * n,
        "study": ["random"] * n,
        "d_model": [64] * n,
        "d_embed": [64] * n,
        "div_val": [1] * n,
        "vocab_size": [50264] * n,
        "n_head": [[2] * d for d in depth],
        "d_inner": [[128] * d for d in depth],
        "published_total_params": [10**6] * n,
        "valid_ppl": (100 / depth).tolist(),
    }
    path = folder / "lts_random.parquet"
    pq.write_table(pa.table(columns | changes), path)
    return path


@pytest.mark.data
@pytest.mark.parametrize("name", lts.names())
def test_published_correlations_of_decoder_and_total_parameters(name: str, data_dir: Path) -> None:
    table = lts.load(name, data_dir)
    rows, decoder, total, tau = WHOLE[name]
    judged = table.judge("decoder_params", resamples=2)
    assert len(table.truth) == rows
    assert judged["spearman"].value == pytest.approx(decoder, abs=6e-5)
    assert judged["kendall"].value == pytest.approx(tau, abs=6e-5)
    assert table.judge("total_params", resamples=2)["spearman"].value == pytest.approx(total, abs=6e-5)


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in lts.names() if "-xl-" in name])
def test_architectures_have_the_published_number_of_parameters(name: str, data_dir: Path) -> None:
    table = lts.load(name, data_dir)
    assert costs.params(table.architectures).tolist() == table.total_params.tolist()
    assert table.architectures.d_embed.tolist() == table.d_embed.tolist()


@pytest.mark.data
@pytest.mark.parametrize("name", TOP)
def test_published_agreement_at_the_top(name: str, data_dir: Path) -> None:
    table = lts.load(name, data_dir)
    judged = table.judge("decoder_params", resamples=2)
    *tops, total = TOP[name]
    for share, (ratio, correlation) in zip(("10%", "20%", "50%"), tops, strict=True):
        assert judged[f"common_ratio@{share}"].value == pytest.approx(ratio, abs=6e-4)
        assert judged[f"top_spearman@{share}"].value == pytest.approx(correlation, abs=6e-4)
    assert table.judge("total_params", resamples=2)["common_ratio@10%"].value == pytest.approx(total, abs=6e-4)


def test_rows_without_a_perplexity_are_left_out(tmp_path: Path) -> None:
    perplexity = [float(i + 20) for i in range(28)] + [None, None]
    table = lts.load("lts-gpt2-wt103", write_random(tmp_path, valid_ppl=perplexity))
    assert len(table.perplexity) == len(table.architectures) == len(table.arch_ids) == 28


def test_a_perfect_score_and_its_opposite(tmp_path: Path) -> None:
    table = lts.load("lts-gpt2-wt103", write_random(tmp_path))
    best = table.judge(table.truth, resamples=50)
    assert [e.value for e in best.values() if not np.isnan(e.value)] == pytest.approx([1.0] * 6)
    assert table.judge(-table.truth, resamples=50)["spearman"].value == pytest.approx(-1.0)
    gain = table.compare(-table.truth, table.truth, resamples=50)["spearman"]
    assert (gain.value, gain.low, gain.high) == pytest.approx((-2, -2, -2))


def test_intervals_are_a_function_of_the_seed(tmp_path: Path) -> None:
    table = lts.load("lts-gpt2-wt103", write_random(tmp_path))
    scores = generator(1, "scores").normal(size=30)
    assert table.judge(scores, seed=3, resamples=50) == table.judge(scores, seed=3, resamples=50)
    assert table.judge(scores, seed=3, resamples=50) != table.judge(scores, seed=4, resamples=50)


def test_undefined_statistics_are_null_in_json() -> None:
    constant = judging.judge(range(20), [1] * 20, resamples=5)
    assert constant["spearman"].to_dict() == {"value": None, "low": None, "high": None}


def test_quality_sees_the_embedding_of_the_rows(tmp_path: Path) -> None:
    table = lts.load("lts-gpt2-wt103", write_random(tmp_path, d_embed=[32] * 15 + [64] * 15))
    scores = table.scores("quality") - np.log(table.architectures.n_layer)
    assert np.ptp(scores[:15]) == pytest.approx(0, abs=0.02)
    assert scores[20] - scores[0] == pytest.approx(np.log(2) / 2, abs=0.02)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: lts.load("lts-gtp2-wt103", path), UsageError, "did you mean 'lts-gpt2-wt103'"),
        (lambda path: lts.load("lts-gpt2-wt103", path / "none"), UsageError, "there is no lts_random.parquet"),
        (lambda path: lts.load("lts-gpt2-wt103"), UsageError, "TRADEWIND_DATA"),
        (lambda path: lts.load("lts-gpt2-lm1b", path), FileFormatError, "no rows with"),
        (lambda path: lts.load("lts-pareto-gpt2-arm", path / "lts_random.parquet"), FileFormatError, "column 'device'"),
        (lambda path: lts.load("lts-gpt2-wt103", path).judge("quality_"), UsageError, "did you mean 'quality'"),
        (lambda path: lts.load("lts-gpt2-wt103", path).judge([1, 2]), UsageError, "one length"),
    ],
)
def test_wrong_use_is_refused_in_words(call, error, message, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("TRADEWIND_DATA", raising=False)
    write_random(tmp_path)
    with pytest.raises(error, match=message):
        call(tmp_path)
