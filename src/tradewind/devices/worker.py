"""`python -m tradewind.devices.worker`: the host process that measures models; started by `isolation.Worker` only."""

from __future__ import annotations

import sys

from tradewind.devices.host import serve

if __name__ == "__main__":
    from tradewind.devices import trial

    serve(trial.run, trial.prepare, keep=sys.argv[3].startswith("cuda"))
