"""The child process that reads a foreign file of measurements: limited memory and time, no network, no other file.

    python -m tradewind.benchmarks._reader SOURCE TARGET ENERGY_UNIT MEMORY_MB SECONDS

Reads SOURCE (a pickle or a Parquet file, told by its first bytes), checks it and writes the canonical table to TARGET.
One line of JSON on standard output says what happened. While a pickle is loaded an audit hook forbids every import,
file, socket and process: nothing of ours needs one then, and a gap in the reader would run into it.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.benchmarks import ground_truth, pickles, schema
from tradewind.core import FileFormatError, TradewindError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PICKLE_BYTES = 512 * 2**20
MAX_TABLE_BYTES = 2 * 2**30
MAX_ROWS = 1_000_000


def main(source: str, target: str, energy_unit: str, memory_mb: str, seconds: str) -> None:
    """Read, check, write and report; an error made on purpose is reported, any other one ends the process."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    for limit, value in (
        (resource.RLIMIT_AS, _address_space() + int(memory_mb) * 2**20),
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_FSIZE, MAX_TABLE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    try:
        table, notes = _read(Path(source), energy_unit)
        found, scale, more = schema.checked(table, Path(source).name)
        pq.write_table(found, target, compression="zstd")
        answer: dict[str, Any] = {"scale": scale, "notes": notes + more}
    except TradewindError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"{Path(source).name} needs more than {memory_mb} MB to be read"}
    print(json.dumps(answer))


def _address_space() -> int:
    """Bytes this process maps already (libraries, and stacks that differ between machines): the bound is on top."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    return pages * resource.getpagesize()


def _read(source: Path, energy_unit: str) -> tuple[pa.Table, list[str]]:
    with source.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return _read_parquet(source)
    if start[:1] != b"\x80":
        raise FileFormatError(f"{source.name} is neither a pickle (binary protocol) nor a Parquet file")
    if source.stat().st_size > MAX_PICKLE_BYTES:
        raise FileFormatError(f"{source.name} is larger than {MAX_PICKLE_BYTES:,} bytes, the most that is read")
    data = source.read_bytes()
    with _Quarantine():
        stats = pickles.load(data)
    return ground_truth.table_of(stats, energy_unit)


def _read_parquet(source: Path) -> tuple[pa.Table, list[str]]:
    """The known columns, batch by batch, within bounds on rows and bytes whatever the file says of itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source, buffer_size=2**20)
        names = file.schema_arrow.names
        known = schema.known_columns(names, source.name)
        batches, rows, size = [], 0, 0
        for batch in file.iter_batches(batch_size=256, columns=known, use_threads=False):
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows > MAX_ROWS or size > MAX_TABLE_BYTES:
                raise FileFormatError(f"{source.name} holds more than {MAX_ROWS:,} rows or {MAX_TABLE_BYTES:,} bytes")
            batches.append(batch)
        if not rows:
            raise FileFormatError(f"{source.name} has no rows")
        dropped = [name for name in names if name not in known]
        notes = [f"columns left out: {', '.join(dropped[:20])}"] if dropped else []
        return pa.Table.from_batches(batches), notes
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source.name} is not a readable Parquet file: {str(error)[:300]}") from error


class _Quarantine:
    """While it is open, anything that touches the world outside the process raises."""

    def __init__(self) -> None:
        self.open = False
        sys.addaudithook(self._audit)

    def __enter__(self) -> None:
        self.open = True

    def __exit__(self, *_: object) -> None:
        self.open = False

    def _audit(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if self.open and event != "pickle.find_class":
            raise FileFormatError(f"the pickle tried to reach outside itself ({event})")


if __name__ == "__main__":
    main(*sys.argv[1:])
