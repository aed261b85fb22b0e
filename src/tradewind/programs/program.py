"""Program: one transformer block written in primitive operations, frozen plain data with canonical JSON and an id.

Source: So et al. 2021, arXiv 2109.08668, section 2 and appendix A.1 (the "DNA"). A program is a list of subprograms;
subprogram 0 is the block, T tokens by d_model in and out, and subprogram i may call those after it. A subprogram sees
two hidden states, numbers 0 and 1; its instruction k makes number k + 2; its last instruction is its result (an empty
one returns its first input). Every instruction has every field. A field that its operation does not use is a silent
gene: kept, inherited and mutated, without effect until the operation changes.

Dimensions are in units of an eighth of d_model, so a program has no size of its own: at d_model 512 a unit is 64, the
head size of the paper's Transformer, and its 1, 8 and 32 units are 64, 512 and 2048; the evolved program's 1, 8 and 48
are 48, 384 and 2304 at d_model 384. Slots of the two banks share values, never weights.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from tradewind.core import unknown
from tradewind.core.files import canonical_json, content_hash, parse_json
from tradewind.programs.errors import InvalidProgramError
from tradewind.programs.operations import OPERATIONS, Operation

BRANCHES = (1, 2, 4, 8, 16)
"""How many copies of an instruction may run side by side."""
DIMENSIONS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
"""Values of a dimension slot, in units."""
MODEL_UNITS = 8
"""Units in d_model."""
N_CONSTANTS, N_DIMENSIONS = 2, 6
"""Slots in the two banks."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_CALL = re.compile(r"S(0|[1-9][0-9]{0,3})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """An operation (a primitive, or a call as ``S3``) and every field, used or silent.

    `input_1` and `input_2` number hidden states of the subprogram, `constant` and `dimension` slots of the banks. With
    `branch` above 1 the instruction runs that many times side by side, each with its own weights, on the same inputs;
    the results are put side by side in the last axis.

    >>> Instruction("CONV_1X1", 0, dimension=2, branch=8).callee, Instruction("S3").callee
    (None, 3)
    """

    op: str
    input_1: int = 0
    input_2: int = 0
    constant: int = 0
    dimension: int = 0
    branch: int = 1

    @property
    def callee(self) -> int | None:
        """The number of the subprogram that is called, None for a primitive."""
        found = _CALL.fullmatch(self.op)
        return int(found.group(1)) if found else None

    @property
    def primitive(self) -> Operation | None:
        """The row of the primitive, None for a call."""
        return OPERATIONS.get(self.op)

    @property
    def used_inputs(self) -> tuple[int, ...]:
        """The hidden states that the operation takes; a call takes two."""
        row = self.primitive
        return (self.input_1, self.input_2)[: row.arity if row else 2]


@dataclasses.dataclass(frozen=True)
class Subprogram:
    """A named list of instructions."""

    name: str
    instructions: tuple[Instruction, ...]


@dataclasses.dataclass(frozen=True)
class Program:
    """A block: its subprograms, the constants bank and the dimension bank (in units); see the file's head.

    Raises `InvalidProgramError` for anything that breaks the format. Widths are not checked here but in
    `tradewind.programs.resolve`.

    >>> block = Program((Subprogram("main", (Instruction("CONV_1X1", dimension=1), Instruction("ADD", 0, 2))),))
    >>> block == Program.from_json(block.to_json()), block.dimensions
    (True, (1, 8, 32, 2, 4, 16))
    """

    subprograms: tuple[Subprogram, ...]
    constants: tuple[float, ...] = (0.0, 0.125)
    dimensions: tuple[int, ...] = (1, MODEL_UNITS, 32, 2, 4, 16)

    def __post_init__(self) -> None:
        try:
            subprograms = tuple(
                dataclasses.replace(s, instructions=tuple(s.instructions)) for s in tuple(self.subprograms)
            )
            constants = tuple(_number("constant", c) for c in self.constants)
            dimensions = tuple(_whole("a dimension", d, DIMENSIONS) for d in self.dimensions)
        except (TypeError, AttributeError) as error:
            raise InvalidProgramError(
                f"a program is made of Subprogram(name, instructions), constants and dimensions: {error}"
            ) from error
        for name, bank, size in (
            ("constants", constants, N_CONSTANTS),
            ("dimensions", dimensions, N_DIMENSIONS),
        ):
            if len(bank) != size:
                raise InvalidProgramError(f"the bank of {name} has {len(bank)} slots; it has {size} in every program")
        if not subprograms:
            raise InvalidProgramError("a program has no subprogram; give at least one, which is the block")
        object.__setattr__(self, "subprograms", subprograms)
        object.__setattr__(self, "constants", constants)
        object.__setattr__(self, "dimensions", dimensions)
        for index, subprogram in enumerate(subprograms):
            _check_subprogram(index, subprogram, len(subprograms))

    @cached_property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON, silent genes included."""
        return content_hash(self.to_dict())[:16]

    @property
    def operations(self) -> frozenset[str]:
        """The primitives that it has, dead instructions included."""
        return frozenset(i.op for s in self.subprograms for i in s.instructions if i.callee is None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: `family`, the subprograms with every field of every instruction, and the banks."""
        return {
            "family": "program",
            "subprograms": [
                {"name": s.name, "instructions": [dataclasses.asdict(i) for i in s.instructions]}
                for s in self.subprograms
            ],
            "constants": list(self.constants),
            "dimensions": list(self.dimensions),
        }

    def to_json(self) -> str:
        """Canonical JSON, the text that `id` hashes."""
        return canonical_json(self.to_dict())

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Program:
        """The program of a dictionary written by `to_dict`; fields with a default may be missing.

        Raises `InvalidProgramError` that names the part at fault.
        """
        fields = _known("a program", data, ("family", "subprograms", "constants", "dimensions"))
        if fields.pop("family", "program") != "program":
            raise InvalidProgramError(f"the family of a program is 'program'; got {data['family']!r}")
        fields["subprograms"] = tuple(
            _subprogram(f"subprogram {i}", s) for i, s in enumerate(_list("subprograms", fields.get("subprograms")))
        )
        for bank in ("constants", "dimensions"):
            if bank in fields:
                fields[bank] = tuple(_list(bank, fields[bank]))
        return Program(**fields)

    @staticmethod
    def from_json(text: str | bytes) -> Program:
        """The program of a JSON text (any key order and spacing)."""
        return Program.from_dict(parse_json(text, "the program"))

    def with_body(self, index: int, instructions: Sequence[Instruction]) -> Program:
        """A copy with the instructions of one subprogram replaced, validated again."""
        changed = dataclasses.replace(self.subprograms[index], instructions=tuple(instructions))
        subprograms = (*self.subprograms[:index], changed, *self.subprograms[index + 1 :])
        return dataclasses.replace(self, subprograms=subprograms)


def _check_subprogram(index: int, subprogram: Subprogram, count: int) -> None:
    if not isinstance(subprogram.name, str) or not _NAME.fullmatch(subprogram.name):
        raise InvalidProgramError(
            f"the name of subprogram {index} is {subprogram.name!r}; use lower-case words joined by hyphens"
        )
    for position, instruction in enumerate(subprogram.instructions):
        where = f"instruction {position} of subprogram {index} ({subprogram.name})"
        if not isinstance(instruction, Instruction):
            raise InvalidProgramError(f"{where} is {instruction!r:.60}; it must be an Instruction")
        if not isinstance(instruction.op, str) or (instruction.primitive is None and instruction.callee is None):
            raise InvalidProgramError(f"{where}: {unknown('operation', instruction.op, OPERATIONS)}")
        if instruction.callee is not None and not index < instruction.callee < count:
            allowed = f"S{index + 1} to S{count - 1}" if index + 1 < count else "none, it is the last"
            raise InvalidProgramError(
                f"{where} calls {instruction.op}; a subprogram calls only those after it (here: {allowed})"
            )
        _whole(f"{where}: input_1", instruction.input_1, range(position + 2))
        _whole(f"{where}: input_2", instruction.input_2, range(position + 2))
        _whole(f"{where}: the constant slot", instruction.constant, range(N_CONSTANTS))
        _whole(f"{where}: the dimension slot", instruction.dimension, range(N_DIMENSIONS))
        _whole(f"{where}: branch", instruction.branch, BRANCHES)


def _whole(what: str, value: Any, allowed: Sequence[int]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        choices = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else f"one of {list(allowed)}"
        near = ""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            near = f"; the nearest is {min(allowed, key=lambda a: abs(a - value))}"
        raise InvalidProgramError(f"{what} is {value!r:.60}; it must be {choices}{near}")
    return value


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidProgramError(f"a {what} is {value!r:.60}; it must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidProgramError(f"a {what} is {value!r:.60}; it must be a finite number")
    return number + 0.0  # -0.0 becomes 0.0: equal programs have equal texts


def _known(what: str, data: Any, allowed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidProgramError(f"{what} is a JSON object with {', '.join(allowed)}; got {data!r:.60}")
    for key in data:
        if key not in allowed:
            raise InvalidProgramError(str(unknown(f"field of {what}", key, allowed)))
    return dict(data)


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidProgramError(f"{what} must be a list; got {value!r:.60}")
    return list(value)


def _subprogram(where: str, data: Any) -> Subprogram:
    fields = _known(where, data, ("name", "instructions"))
    if "name" not in fields:
        raise InvalidProgramError(f"{where} has no name; give lower-case words joined by hyphens")
    names = tuple(f.name for f in dataclasses.fields(Instruction))
    instructions = []
    for position, item in enumerate(_list(f"the instructions of {where}", fields.get("instructions"))):
        given = _known(f"instruction {position} of {where}", item, names)
        if "op" not in given:
            raise InvalidProgramError(f"instruction {position} of {where} has no op; give a primitive or a call as S3")
        instructions.append(Instruction(**given))
    return Subprogram(fields["name"], tuple(instructions))
