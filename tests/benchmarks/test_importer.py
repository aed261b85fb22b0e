"""Imports of the released layout and of tables: what comes through, what is mended, what is refused, what survives."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.benchmarks.released import released_stats

from tradewind import costs
from tradewind.benchmarks import forms, ground_truth, importer, schema
from tradewind.benchmarks.importer import import_measurements
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.core import FileFormatError, UsageError


def write_pickle(folder: Path, stats: Any, protocol: int = 4) -> Path:
    path = folder / "stats.pkl"
    path.write_bytes(pickle.dumps(stats, protocol))
    return path


def canonical(n: int = 5, scale: str = "s") -> dict[str, list]:
    archs = forms.space_of(scale).sample_many(n, seed=2)
    return {
        "embed_dim": archs.d_model.tolist(),
        "n_layer": archs.n_layer.tolist(),
        "n_head": [list(a.n_head) for a in archs],
        "mlp_ratio": [list(a.mlp_ratio) for a in archs],
        "bias": archs.bias.tolist(),
        "latency_ms.a100": [[10.0 + i, 11.0 + i] for i in range(n)],
    }


def write_table(folder: Path, columns: dict[str, Any], name: str = "mine.parquet") -> Path:
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def test_the_released_pickle_comes_through_number_by_number(tmp_path: Path) -> None:
    stats = released_stats()
    done = import_measurements(write_pickle(tmp_path, stats), tmp_path / "out")
    assert (done.scale, done.architectures) == ("s", 6)
    assert done.path == tmp_path / "out" / "hwgpt_s.parquet"
    assert "energy_wh@p100" in done.metrics
    table = MeasuredTable.load("s", tmp_path / "out")
    for key, entry in stats.items():
        arch = forms.from_released_string(key)
        for name, device in (("a100", "a100"), ("P100", "p100"), ("cpu_amd_7452", "cpu_amd_7452")):
            latency = table.observations(arch, f"latency_ms@{device}")
            assert latency == pytest.approx(entry[name]["latencies"], rel=1e-6)
            assert table.observations(arch, f"energy_wh@{device}") == pytest.approx(
                np.atleast_1d(entry[name]["energies"]), rel=1e-6
            )
        assert table.measured(arch, "perplexity").value == pytest.approx(entry["perplexity"], rel=1e-6)
        assert table.measured(arch, "flops").value == entry["flops"]
        assert table.measured(arch, "float16_memory_mb").value == 500.5


def test_numpy_numbers_and_other_protocols_give_the_same_table(tmp_path: Path) -> None:
    plain, numpy = released_stats(n=3), released_stats(n=3)
    for entry in numpy.values():
        for value in entry.values():
            if isinstance(value, dict):
                value["latencies"] = [np.float64(v) for v in value["latencies"]]
                value["energies"] = (
                    np.array(value["energies"]) if isinstance(value["energies"], list) else value["energies"]
                )
    first = import_measurements(write_pickle(tmp_path, plain, 3), tmp_path / "a")
    second = import_measurements(write_pickle(tmp_path, numpy, 5), tmp_path / "b")
    assert pq.read_table(first.path).equals(pq.read_table(second.path))


def test_seconds_among_milliseconds_are_mended_and_counted() -> None:
    stats = released_stats(n=3)
    expected = {key: list(entry["cpu_amd_7452"]["latencies"]) for key, entry in stats.items()}
    for entry in stats.values():
        latencies = entry["cpu_amd_7452"]["latencies"]
        latencies[0], latencies[7] = latencies[0] / 1000, latencies[7] / 1000
    table, notes = ground_truth.table_of(stats)
    assert notes == ["cpu_amd_7452: 6 latencies were in seconds and are now milliseconds"]
    for row, latencies in zip(table["latency_ms.cpu_amd_7452"].to_pylist(), expected.values(), strict=True):
        assert row == pytest.approx(latencies, rel=1e-6)


def test_failed_flops_become_empty_and_wrong_params_are_told(tmp_path: Path) -> None:
    stats = released_stats(n=3)
    arch, *_ = map(forms.from_released_string, stats)
    for entry in stats.values():
        entry["flops"] = 0
    stats[forms.to_released_string(arch)]["params"] = costs.params(arch)
    done = import_measurements(write_pickle(tmp_path, stats), tmp_path)
    assert done.notes[0].startswith("flops of 3 architectures were 0")
    assert done.notes[1].startswith("params of 2 rows are not those of the profiled network")
    measurement = MeasuredTable.load("s", tmp_path).measured(arch, "flops")
    assert measurement.status == "failed"
    assert "not published" in measurement.reason


def test_energies_in_another_unit_are_noticed_and_converted() -> None:
    stats = released_stats(n=3)
    for entry in stats.values():
        for value in entry.values():
            if isinstance(value, dict):
                value["energies"] = (np.array(value["energies"]) * 1000).tolist()
    with pytest.raises(FileFormatError, match=r"energies on a100 read as Wh imply a median power of .* mWh"):
        ground_truth.table_of(stats)
    mended, _ = ground_truth.table_of(stats, "mWh")
    plain, _ = ground_truth.table_of(released_stats(n=3))
    for ours, theirs in zip(mended["energy_wh.a100"].to_pylist(), plain["energy_wh.a100"].to_pylist(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


KEY = next(iter(released_stats(n=1)))


@pytest.mark.parametrize(
    ("stats", "message"),
    [
        ([1, 2], "expected a dictionary from architecture strings .* found list"),
        ({}, "found dict"),
        ({1: {}}, "the key '1' where an architecture string belongs"),
        ({"bert": {}}, "reads gpt-scale"),
        ({KEY: [1]}, "expected a dictionary of measurements, found list"),
        ({KEY: {"tpu": {"latencies": [1.0]}}}, "unknown entry 'tpu'"),
        ({KEY: {"a100": [1.0]}}, "a100 holds list"),
        ({KEY: {"a100": {"latencies": ["1"]}}}, "latencies on a100: expected numbers, found str"),
        ({KEY: {"a100": {"latencies": []}}}, "0 values"),
        ({KEY: {"a100": {"latencies": [1.0] * 1001}}}, "1,001 values"),
        ({KEY: {"a100": {"latencies": [True]}}}, "expected numbers, found bool"),
        ({KEY: {"params": 10**400}}, "too large"),
        ({KEY: {"params": 1.5}}, "not a whole number"),
        ({KEY: {"perplexity": {}}}, "expected numbers, found dict"),
    ],
)
def test_another_layout_is_refused_with_what_was_found(stats: Any, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        ground_truth.table_of(stats)


def test_a_gadget_is_refused_through_the_child_and_named(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Gadget:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {canary}",)

    path = write_pickle(tmp_path, {KEY: {"a100": {"latencies": [Gadget()]}}})
    with pytest.raises(FileFormatError, match=r"the pickle holds the name posix\.system"):
        import_measurements(path, tmp_path / "out")
    assert not canary.exists()
    assert not (tmp_path / "out").exists()


def test_a_child_that_dies_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    depth = 3_000_000  # a tuple in a tuple ... as a key: hashing it exhausts the stack of the process
    path = tmp_path / "stats.pkl"
    path.write_bytes(b"\x80\x04})" + b"\x85" * depth + b"Ns.")
    with pytest.raises(FileFormatError, match="brought down the process that read it"):
        import_measurements(path, tmp_path / "out")


def test_time_and_memory_are_bounded(tmp_path: Path) -> None:
    many = tmp_path / "many.pkl"
    many.write_bytes(b"\x80\x04](" + b"N" * 20_000_000 + b"e.")
    with pytest.raises(FileFormatError, match=r"4096 MB or 1 seconds|could not be read in 2 seconds"):
        import_measurements(many, tmp_path / "out", seconds=1)
    text = tmp_path / "text.pkl"
    text.write_bytes(b"\x80\x04X" + (2**28).to_bytes(4, "little") + bytes(2**28) + b".")
    with pytest.raises(FileFormatError, match=r"text\.pkl needs more than 600 MB"):
        import_measurements(text, tmp_path / "out", memory_mb=600)


def test_a_table_of_ones_own_comes_through_with_its_unknown_columns_told(tmp_path: Path) -> None:
    columns = canonical() | {"comment": ["x"] * 5, "arch_index": [7, 3, 5, 1, 2]}
    done = import_measurements(write_table(tmp_path, columns), tmp_path / "out")
    assert done.notes == ("columns left out: comment",)
    found = pq.read_table(done.path)
    assert found["arch_index"].to_pylist() == [7, 3, 5, 1, 2]
    assert found["latency_ms.a100"].to_pylist() == columns["latency_ms.a100"]
    assert found.schema.field("n_head").type == pa.list_(pa.int8())
    with pytest.raises(UsageError, match="is already there"):
        import_measurements(tmp_path / "mine.parquet", tmp_path / "out")


def test_it_goes_to_the_folder_that_benchmarks_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEWIND_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    done = import_measurements(write_table(tmp_path, canonical()))
    assert done.path == tmp_path / "home" / "tradewind" / "hwgpt_s.parquet"
    assert len(MeasuredTable.load("s")) == 5


def without(columns: dict[str, list], name: str) -> dict[str, list]:
    return {key: value for key, value in columns.items() if key != name}


BASE = canonical()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (without(BASE, "n_head"), r"no column 'n_head'; .* .found: embed_dim"),
        (without(BASE, "latency_ms.a100"), "holds no measurement"),
        (BASE | {"bias": ["yes"] * 5}, "'bias' is not bool"),
        (BASE | {"embed_dim": [384.5] * 5}, "'embed_dim' is not int16"),
        (BASE | {"embed_dim": [384] * 4 + [400]}, "row 4 lies outside the scale s"),
        (BASE | {"n_layer": [9] * 5}, "row 0 has n_layer 9"),
        (BASE | {"mlp_ratio": [[2]] * 5}, "mlp_ratio has 1 entries"),
        (BASE | {"n_head": [None, *BASE["n_head"][1:]]}, "empty cells"),
        (BASE | {"latency_ms.a100": [[1.0], [1.0], [float("nan")], [1.0], [1.0]]}, "row 2 of 'latency_ms.a100' is nan"),
        (BASE | {"latency_ms.a100": [[1.0], [1.0, -2.0], [1.0], [1.0], [1.0]]}, r"row 1 of 'latency_ms.a100' is -2"),
        (BASE | {"latency_ms.a100": [[1.0], [], [1.0], [1.0], [1.0]]}, "row 1 of 'latency_ms.a100' is an empty list"),
        (BASE | {"latency_ms.a100": [[1.0, None]] * 5}, "5 empty entries inside its lists"),
        (BASE | {"perplexity": [1.0, 2.0, float("inf"), None, 3.0]}, "row 2 of 'perplexity' is inf"),
        (BASE | {"flops": [0, 1, 1, 1, 1]}, "row 0 of 'flops' is 0"),
        ({k: [*v[:4], v[0]] for k, v in BASE.items()}, "rows 0 and 4 are the same architecture"),
    ],
)
def test_a_table_that_is_not_one_is_refused_with_column_and_row(columns: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        schema.checked(pa.table(columns), "mine.parquet")


def test_missing_cells_are_no_fault() -> None:
    columns = BASE | {"latency_ms.a100": [None, [1.0], [1.0], [1.0], [1.0]], "perplexity": [None] * 4 + [30.0]}
    found, _, notes = schema.checked(pa.table(columns), "mine.parquet")
    assert notes == []
    assert np.isnan(MeasuredTable("s", found).values("latency_ms@a100")[0])


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip", b"PAR1 and then nothing", b"PAR1" + b"\0" * 50 + b"PAR1"]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "stats.pkl"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"neither a pickle .* nor a Parquet file|not a readable Parquet file"):
        import_measurements(path, tmp_path / "out")
    with pytest.raises(FileFormatError, match="there is no file"):
        import_measurements(tmp_path / "none.pkl", tmp_path / "out")


def test_a_parquet_bomb_is_refused_and_the_parent_does_not_grow(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.parquet"
    heads = pa.ListArray.from_arrays([0, 25_000_000], pa.array(np.full(25_000_000, 4, dtype=np.int8)))
    columns = {name: pa.array(values[:1]) for name, values in BASE.items()} | {"n_head": heads}
    with pq.ParquetWriter(bomb, pa.table(columns).schema) as writer:
        writer.write_table(pa.table(columns))
    del heads, columns
    assert bomb.stat().st_size < 10**5
    import_measurements(write_table(tmp_path, BASE), tmp_path / "harmless", memory_mb=100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileFormatError, match=r"needs more than|brought down|holds more than|not a readable"):
        import_measurements(bomb, tmp_path / "out", memory_mb=100)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "reach", ["open('x', 'w')", "__import__('antigravity')", "socket.socket()", "os.system('true')"]
)
def test_nothing_outside_can_be_reached_while_a_pickle_is_loaded(reach: str) -> None:
    program = (
        "import os, socket; from tradewind.benchmarks._reader import _Quarantine\n"
        f"with _Quarantine():\n    {reach}\n    os.write(1, b'reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tried to reach outside itself" in done.stderr
    assert not done.stdout


def test_units_and_defaults_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown unit of energy 'J'"):
        import_measurements(write_pickle(tmp_path, released_stats(n=1)), tmp_path, energy_unit="J")
    assert importer.SECONDS > 0


@pytest.mark.data
@pytest.mark.parametrize("scale", ["s", "m", "l"])
def test_published_tables_pass_the_checks_whole(scale: str, data_dir: Path) -> None:
    table = pq.read_table(data_dir / f"hwgpt_{scale}.parquet")
    found, named, notes = schema.checked(table, "published")
    assert (named, notes, found.num_rows) == (scale, [], 8000)
    assert set(found.column_names) == set(table.column_names)
    for name in found.column_names:
        assert found[name].equals(table[name].cast(found[name].type)), name
