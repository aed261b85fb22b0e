"""Takes in a user's own copy of published HW-GPT measurements: the released `stats.pkl`, or tables in Parquet.

The file comes from elsewhere and is not trusted: it is read in a child process with limited memory and time, a pickle
through an allow-list that runs nothing of it, a table batch by batch within bounds. What comes back is a checked table
in canonical columns (`schema.py`), from which `MeasuredTable` answers.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tradewind.benchmarks.data import data_folder
from tradewind.benchmarks.ground_truth import WATT_HOURS
from tradewind.benchmarks.schema import measured_columns
from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.core.files import parse_json, read_parquet, write_parquet

MEMORY_MB = 4096
SECONDS = 900
# Pools and arenas reserve address space for every core; the bound on it should mean the same on any machine.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an import brought: the table that was written, its scale, its size and what was mended or left out."""

    path: Path
    scale: str
    architectures: int
    metrics: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self) | {"path": str(self.path)}


def import_measurements(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    energy_unit: str = "Wh",
    memory_mb: int = MEMORY_MB,
    seconds: int = SECONDS,
) -> Imported:
    """Check the file at `path` and write ``hwgpt_{s,m,l}.parquet`` into the folder `out` (by default `data_folder()`).

    `energy_unit` is that of a pickle's energies: Wh (as released, though labelled kWh), mWh or kWh. `memory_mb` (on top
    of what its libraries take) and `seconds` bound the child process that reads. Raises `FileFormatError`, which names
    what was found, for a file that is not what it should be, and `UsageError` where a table of that scale already lies
    in `out`.
    """
    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"there is no file {source}; give the released stats.pkl or a table in Parquet")
    if energy_unit not in WATT_HOURS:
        raise unknown("unit of energy", energy_unit, WATT_HOURS)
    folder = Path(out) if out is not None else data_folder()
    with tempfile.TemporaryDirectory(prefix="tradewind-import-") as scratch:
        checked = Path(scratch) / "table.parquet"
        answer = _in_child(source, checked, energy_unit, memory_mb, seconds)
        table = read_parquet(checked)
    target = folder / f"hwgpt_{answer['scale']}.parquet"
    if target.exists():
        raise UsageError(f"{target} is already there; give another folder with --out, or move it away first")
    write_parquet(target, table)
    metrics = tuple(name.replace(".", "@") for name in measured_columns(table))
    return Imported(target, answer["scale"], table.num_rows, metrics, tuple(answer["notes"]))


def _in_child(source: Path, checked: Path, energy_unit: str, memory_mb: int, seconds: int) -> dict[str, Any]:
    """Run `_reader` on the file; returns its answer, or raises what it reported."""
    arguments = [str(source.resolve()), str(checked), energy_unit, str(memory_mb), str(seconds)]
    complaints = checked.with_name("stderr")
    with complaints.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tradewind.benchmarks._reader", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | ONE_THREAD,
            start_new_session=True,
        )
    try:
        output, _ = child.communicate(timeout=2 * seconds)
    except BaseException as error:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise FileFormatError(f"{source.name} could not be read in {2 * seconds} seconds") from None
        raise
    if child.returncode:
        last = complaints.read_text(errors="replace")[-300:].strip().rpartition("\n")[2]
        reason = f"signal {-child.returncode}" if child.returncode < 0 else last or f"exit status {child.returncode}"
        raise FileFormatError(
            f"{source.name} brought down the process that read it ({reason}): it is damaged, or it needs more than "
            f"{memory_mb} MB or {seconds} seconds"
        )
    answer: dict[str, Any] = parse_json(output, f"the answer of the reader of {source.name}")
    if "error" in answer:
        raise FileFormatError(answer["error"])
    return answer
