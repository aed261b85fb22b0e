"""What must start light does: no torch, no table library, in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "pandas", "matplotlib", "plotly", "scipy", "transformers"}
TABLES = {"pyarrow", "sqlalchemy"}
"""What only stored tables and studies need."""


def modules_after(code: str) -> set[str]:
    """Names of the loaded modules after running code in a new interpreter."""
    program = f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.rsplit("\n", 2)[-2]))


@pytest.mark.parametrize(
    "code",
    [
        "import tradewind",
        "import tradewind; tradewind.spaces.get('gpt2').sample(seed=0)",
        "import tradewind; tradewind.costs.decoder_params(tradewind.spaces.get('gpt2').sample(seed=0))",
        "from tradewind.cli.main import main; assert main(['spaces']) == 0",
        "from tradewind.cli.main import main; assert main(['spaces', 'sample', 'gpt2', '-n', '3', '--json']) == 0",
        "from tradewind.cli.main import main; assert main(['--help']) == 0",
        "import tradewind; tradewind.programs.fingerprint(tradewind.programs.resolve(tradewind.programs.primer()))",
        "import tradewind; tradewind.search; tradewind.studies; tradewind.evaluators; tradewind.reports",
    ],
)
def test_light_uses_load_nothing_heavy(code: str) -> None:
    assert modules_after(code).isdisjoint(HEAVY if "studies" in code else HEAVY | TABLES)


def test_public_names_resolve() -> None:
    code = "import tradewind\nfor name in tradewind.__all__: getattr(tradewind, name)"
    assert "tradewind.studies" in modules_after(code)


def test_unknown_name_is_an_attribute_error() -> None:
    import tradewind

    with pytest.raises(AttributeError, match="no attribute 'spices'"):
        _ = tradewind.spices
