"""The README is true: its Python runs, and its commands run (long ones at a small budget)."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.strip() for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("tradewind ")]


def small(command: str) -> list[str]:
    """The command with its budget, and the networks that are calibrated, cut down: the README runs in a minute.

    Three networks on a busy machine may all miss the limit of latency, so that is generous.
    """
    command = command.replace("latency_ms<=300", "latency_ms<=300000")
    cut = re.sub(r"--measurements \d+", "--measurements 5", re.sub(r"--budget \d+", "--budget 3", command))
    if "laptop.json" in cut:
        cut = cut.replace("--space gpt2", "--space gpt2 --set n_layer=2..4 --set d_model=128..384")
    return [sys.executable, "-m", *shlex.split(cut)]


@pytest.mark.xdist_group("machine")
def test_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks("python")).replace("budget=200", "budget=3")
    assert "tw.Study.create" in code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.xdist_group("machine")
def test_commands_of_the_readme_run(tmp_path: Path) -> None:
    assert len(commands()) >= 5
    for command in commands():
        done = subprocess.run(small(command), cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"\bmake (\w+)", README))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)
