"""The import table: rooms import downward only, have no cycles, and the light ones never import torch."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import tradewind

ROOT = Path(tradewind.__file__).parent
FLOOR = {
    "core": 0,
    "pareto": 1,
    "spaces": 1,
    "programs": 1,
    "costs": 2,
    "models": 2,
    "devices": 3,
    "training": 3,
    "predictors": 3,
    "search": 4,
    "proxies": 4,
    "evaluators": 5,
    "benchmarks": 5,
    "studies": 6,
    "reports": 7,
    "cli": 8,
}
NEVER = {
    "pareto": {"spaces"},
    "models": {"training", "devices"},
    "devices": {"training", "search"},
    "training": {"search"},
    "predictors": {"models"},
    "search": {"evaluators", "models", "devices"},
    "proxies": {"search"},
    "benchmarks": {"devices"},
    "studies": {"reports"},
    "reports": {"search", "models"},
}
NO_TORCH = {"core", "pareto", "spaces", "programs", "costs"}
NO_TORCH_AT_IMPORT = {"predictors", "search", "evaluators", "benchmarks", "studies", "reports", "cli"}
PUBLIC = {"testing"}
"""Rooms outside the floors: they serve users' tests and are imported by nobody here."""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module, and whether it is imported with the file (not inside a function or for types only)."""
    tree = ast.parse(path.read_text())
    lazy: set[ast.AST] = set()
    for node in ast.walk(tree):
        types_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if types_only or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lazy.update(ast.walk(node))
            if types_only:
                lazy.update(itertools.chain.from_iterable(ast.walk(child) for child in node.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "tradewind":
                yield from ((f"tradewind.{alias.name}", node not in lazy) for alias in node.names)
            else:
                yield module, node not in lazy


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "tradewind" and len(parts) > 1 and parts[1] in FLOOR.keys() | PUBLIC else None


FILES = sorted(ROOT.rglob("*.py"))


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= FLOOR.keys() | PUBLIC
    assert {"core", "spaces", "costs", "studies", "cli"} <= rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    if room not in FLOOR:
        return
    for module, at_import in imports(path):
        target = room_of(module)
        if target is not None and target != room:
            assert target not in PUBLIC, f"{path.name} imports the test suites"
            assert FLOOR[target] < FLOOR[room], f"{room} ({FLOOR[room]}) imports {target} ({FLOOR[target]}): {module}"
            assert target not in NEVER.get(room, ()), f"{room} must never import {target}: {module}"
        if module.split(".")[0] == "torch":
            assert room not in NO_TORCH, f"{room} never imports torch"
            assert not (at_import and room in NO_TORCH_AT_IMPORT), f"{room} imports torch only where it is used"


def test_no_room_imports_itself_through_another() -> None:
    edges: dict[str, set[str]] = {room: set() for room in FLOOR}
    for path in FILES:
        room = path.relative_to(ROOT).parts[0]
        if room in FLOOR:
            edges[room] |= {t for m, _ in imports(path) if (t := room_of(m)) and t in FLOOR and t != room}
    done: set[str] = set()

    def visit(room: str, trail: tuple[str, ...]) -> None:
        assert room not in trail, f"cycle: {' -> '.join((*trail, room))}"
        if room not in done:
            for target in edges[room]:
                visit(target, (*trail, room))
            done.add(room)

    for room in edges:
        visit(room, ())
