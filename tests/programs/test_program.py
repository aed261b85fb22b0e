from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import Candidate, UsageError
from tradewind.core.files import canonical_json, parse_json
from tradewind.programs import Instruction, InvalidProgramError, Program, Subprogram, evolved, transformer


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = parse_json(transformer().to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


INSTRUCTION = ("subprograms", 1, "instructions", 2)


def test_is_a_candidate() -> None:
    program = transformer()
    assert isinstance(program, Candidate)
    assert program == transformer()
    assert hash(program) == hash(transformer())
    assert program.id == transformer().id
    assert program.id != evolved().id


@pytest.mark.parametrize("program", [transformer(), evolved()])
def test_json_round_trip(program: Program) -> None:
    assert Program.from_json(program.to_json()) == program
    assert Program.from_dict(program.to_dict()).id == program.id
    assert canonical_json(program.to_dict()) == program.to_json()


def test_silent_genes_are_part_of_the_id() -> None:
    seed = transformer()
    body = seed.subprograms[9].instructions
    silent = seed.with_body(9, [dataclasses.replace(body[0], dimension=0)])
    assert silent.id != seed.id
    assert Program.from_json(silent.to_json()) == silent


def test_defaults_may_be_missing() -> None:
    data = {"subprograms": [{"name": "main", "instructions": [{"op": "ABS"}]}]}
    assert Program.from_dict(data) == Program((Subprogram("main", (Instruction("ABS"),)),))


def test_negative_zero_is_zero() -> None:
    assert dataclasses.replace(transformer(), constants=(-0.0, 0.125)).id == transformer().id


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("subprograms",), [], "no subprogram"),
        (("subprograms",), "S1", "subprograms must be a list"),
        (("subprograms", 1), 7, "subprogram 1 is a JSON object"),
        (("subprograms", 1, "name"), "Self Attention", "lower-case words joined by hyphens"),
        (("subprograms", 1, "name"), 7, "name of subprogram 1 is 7"),
        (("subprograms", 1, "instructions"), None, "must be a list"),
        (("subprograms", 1, "body"), [], "unknown field of subprogram 1 'body'"),
        (INSTRUCTION, {}, "instruction 2 of subprogram 1 has no op"),
        (INSTRUCTION, {"op": "ADD", "inputs": 1}, "unknown field of instruction 2 of subprogram 1 'inputs'"),
        ((*INSTRUCTION, "op"), "SQUAER", "did you mean 'SQUARE'"),
        ((*INSTRUCTION, "op"), 3, "unknown operation"),
        ((*INSTRUCTION, "op"), "S1", "only those after it .here: S2 to S9."),
        ((*INSTRUCTION, "op"), "S10", "calls S10"),
        ((*INSTRUCTION, "input_1"), 4, "input_1 is 4; it must be 0 to 3; the nearest is 3"),
        ((*INSTRUCTION, "input_2"), -1, "input_2 is -1"),
        ((*INSTRUCTION, "input_1"), True, "input_1 is True"),
        ((*INSTRUCTION, "input_1"), 1.0, "input_1 is 1.0"),
        ((*INSTRUCTION, "constant"), 2, "constant slot is 2; it must be 0 to 1"),
        ((*INSTRUCTION, "dimension"), 6, "dimension slot is 6; it must be 0 to 5"),
        ((*INSTRUCTION, "branch"), 3, r"branch is 3; it must be one of \[1, 2, 4, 8, 16\]; the nearest is 2"),
        (("constants",), [0.0], "constants has 1 slots; it has 2"),
        (("constants",), {"a": 1}, "constants must be a list"),
        (("constants", 0), "1", "a constant is '1'; it must be a number"),
        (("constants", 0), 10**400, "must be a finite number"),
        (("dimensions", 0), 3, r"a dimension is 3; it must be one of \[1, 2, 4, 8"),
        (("dimensions",), [1] * 7, "dimensions has 7 slots; it has 6"),
        (("family",), "gpt2", "family of a program is 'program'; got 'gpt2'"),
        (("seed",), 0, "unknown field of a program 'seed'"),
    ],
)
def test_errors_teach(path: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(InvalidProgramError, match=message):
        Program.from_dict(changed(path, value))


@pytest.mark.parametrize("data", [None, [], "program", 7])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidProgramError, match="a program is a JSON object"):
        Program.from_dict(data)


@pytest.mark.parametrize("constant", [float("nan"), float("inf"), np.float64("nan")])
def test_constants_are_finite(constant: float) -> None:
    with pytest.raises(InvalidProgramError, match="finite"):
        dataclasses.replace(transformer(), constants=(constant, 0.0))


@pytest.mark.parametrize("subprograms", [None, 7, ("main",), (Subprogram("main", ("ADD",)),)])  # type: ignore[arg-type]
def test_python_mistakes_are_refused_too(subprograms: Any) -> None:
    with pytest.raises(UsageError):
        Program(subprograms)


JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["S1", "ADD"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["op", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=JSON_VALUE, data=st.data())
def test_damaged_data_is_another_program_or_an_error(value: Any, data: st.DataObject) -> None:
    """A program in whose plain data anything was replaced is another program or an error of ours."""
    plain: Any = parse_json(transformer().to_json())
    place, key = {"program": plain}, "program"
    while isinstance(place[key], (dict, list)) and place[key]:
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))  # type: ignore[arg-type]
        if data.draw(st.integers(0, 5)) == 0:
            break
    place[key] = value
    with contextlib.suppress(InvalidProgramError):
        program = Program.from_dict(plain)
        assert Program.from_json(program.to_json()) == program


def test_the_last_subprogram_calls_none() -> None:
    with pytest.raises(InvalidProgramError, match="none, it is the last"):
        Program((Subprogram("main", (Instruction("S1"),)),))
