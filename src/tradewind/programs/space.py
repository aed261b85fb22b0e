"""ProgramSpace: the programs that a search may reach from a first one, as a `tradewind.core.Space`.

A space holds the program to start from, the primitives that mutations may bring in, and the sizes of the language model
whose block the programs are, which all candidates share. Its members are the programs that can be built: their widths
fit, they are not too large, and they do not look ahead. There is no bound on a program's length, so there is no last
member and no vector that holds every one: `size` is infinite, and encodings do not exist.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.core.seeds import generator
from tradewind.programs.causality import check_causal
from tradewind.programs.errors import InvalidProgramError
from tradewind.programs.graph import Graph, unit_of
from tradewind.programs.mutation import MUTATIONS, PATIENCE, mutant
from tradewind.programs.neighbourhood import neighbourhood
from tradewind.programs.operations import OPERATIONS
from tradewind.programs.program import Program
from tradewind.programs.resolution import resolve
from tradewind.programs.seeds import transformer

FAMILY, SIZED = "program", "sized-program"
LONGEST_WALK = 4
"""Most steps from the start to a sample."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A child, the kinds of the mutations that made it, and why others were rejected before it (reason: how many)."""

    program: Program
    mutations: tuple[str, ...]
    rejected: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The language model around the block: width, number of blocks, vocabulary and longest sequence."""

    d_model: int = 64
    n_layer: int = 2
    vocab_size: int = 256
    context: int = 64

    def __post_init__(self) -> None:
        unit_of(self.d_model)
        for name in ("n_layer", "vocab_size", "context"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} is {value!r}; it must be a whole number of at least 1")


@dataclasses.dataclass(frozen=True)
class SizedProgram:
    """A program with the language model around it: all that is needed to build and measure it."""

    program: Program
    sizes: Sizes

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        return {"family": SIZED, "program": self.program.to_dict(), "sizes": dataclasses.asdict(self.sizes)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> SizedProgram:
        """The sized program of a dictionary written by `to_dict`."""
        return SizedProgram(Program.from_dict(data["program"]), Sizes(**data["sizes"]))


@dataclasses.dataclass(frozen=True)
class ProgramSpace:
    """The programs around `start`; `vocabulary` are the primitives that may come in, `edits` the mutations, by default
    all.

    >>> space = ProgramSpace(vocabulary=("SQUARE", "DCONV_3X1"))
    >>> space == ProgramSpace.from_dict(space.to_dict()), space.contains(space.sample(seed=1))
    (True, True)
    """

    start: Program = dataclasses.field(default_factory=transformer)
    vocabulary: tuple[str, ...] = tuple(OPERATIONS)
    edits: tuple[str, ...] = tuple(MUTATIONS)
    sizes: Sizes = dataclasses.field(default_factory=Sizes)

    def __post_init__(self) -> None:
        for field, what, allowed in (("vocabulary", "operation", OPERATIONS), ("edits", "mutation", MUTATIONS)):
            names = tuple(getattr(self, field))
            for name in names:
                if name not in allowed:
                    raise unknown(what, name, allowed)
            if not names:
                raise UsageError(f"{field} is empty; give at least one of {', '.join(allowed)}")
            object.__setattr__(self, field, tuple(name for name in allowed if name in names))
        self.check(self.start)

    @property
    def name(self) -> str:
        """``program``."""
        return FAMILY

    @property
    def family(self) -> str:
        """``program``."""
        return FAMILY

    def check(self, program: Program) -> Graph:
        """The graph of a program that can be built; else `InvalidProgramError`, of a class a reason.

        The classes are `ProgramShapeError`, `ProgramTooLargeError` and `ProgramCausalityError`.
        """
        graph = resolve(program)
        check_causal(graph)
        return graph

    def validate(self, candidate: Any) -> None:
        """Raise `InvalidProgramError` unless the candidate is a program of the vocabulary that can be built."""
        if not isinstance(candidate, Program):
            raise InvalidProgramError(f"{str(candidate)[:60]!r} is no Program")
        strange = sorted(candidate.operations - {*self.vocabulary, *self.start.operations})
        if strange:
            raise InvalidProgramError(
                f"{strange[0]} is not in the vocabulary of this space ({', '.join(self.vocabulary)}) nor in its start"
            )
        self.check(candidate)

    def contains(self, candidate: Any) -> bool:
        """Whether `validate` passes."""
        try:
            self.validate(candidate)
        except InvalidProgramError:
            return False
        return True

    def mutant(self, candidate: Program, rng: np.random.Generator) -> Step:
        """A member whose graph is not the candidate's, by mutations of Primer; what cannot be built is drawn again.

        The candidate itself, without mutations, where `PATIENCE` draws gave no such member.
        """
        rejected: dict[str, int] = {}
        for _ in range(PATIENCE):
            child, kinds = mutant(candidate, rng, {*self.vocabulary, *self.start.operations}, self.edits)
            try:
                self.check(child)
            except InvalidProgramError as error:
                reason = type(error).__name__
                rejected[reason] = rejected.get(reason, 0) + 1
            else:
                return Step(child, kinds, rejected)
        return Step(candidate, (), rejected)

    def step(self, candidate: Program, rng: np.random.Generator, spread: bool = False) -> Program:
        """The program of `mutant`; there are no layers to spread a change over."""
        return self.mutant(candidate, rng).program

    def mutate(self, candidate: Program, rng: np.random.Generator, probability: float = 0.3) -> Program:
        """As many steps as successes come before a failure, each with `probability`, at most `LONGEST_WALK`."""
        for draw in rng.random(LONGEST_WALK):
            if draw >= probability:
                break
            candidate = self.step(candidate, rng)
        return candidate

    def crossover(self, a: Program, b: Program, rng: np.random.Generator, probability: float = 0.5) -> Program:
        """Subprograms and banks of `b` with `probability` each, else of `a`; `a` where that cannot be built.

        Also `a` where the two have not the same number of subprograms.
        """
        count = len(a.subprograms)
        if count != len(b.subprograms):
            return a
        take = rng.random(count + 2) < probability
        child = Program(
            tuple(b.subprograms[i] if take[i] else a.subprograms[i] for i in range(count)),
            constants=b.constants if take[count] else a.constants,
            dimensions=b.dimensions if take[count + 1] else a.dimensions,
        )
        return child if self.contains(child) else a

    def neighbours(self, candidate: Program) -> list[Program]:
        """The members one edit away (see `neighbourhood`), each graph once, in a fixed order."""
        found = (n.program for n in neighbourhood(candidate, self.vocabulary, self.edits))
        return [program for program in found if self.contains(program)]

    def sample(self, seed: int) -> Program:
        """A member one to four steps from the start, a pure function of `seed`."""
        rng = generator(seed, "sample")
        program = self.start
        for _ in range(1 + int(rng.integers(LONGEST_WALK))):
            program = self.step(program, rng)
        return program

    def sample_many(self, n: int, seed: int) -> Sequence[Program]:
        """`n` independent samples."""
        return _Samples(self, n, seed)

    def size(self) -> float:
        """Infinite."""
        return float("inf")

    def enumerate(self) -> Iterator[Program]:
        """The start, its neighbours, theirs and so on, each graph once; it does not end."""
        waiting, seen = [self.start], {resolve(self.start).hash}
        while waiting:
            candidate = waiting.pop(0)
            yield candidate
            for program in self.neighbours(candidate):
                graph = resolve(program).hash
                if graph not in seen:
                    seen.add(graph)
                    waiting.append(program)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        return {
            "name": self.name,
            "family": FAMILY,
            "start": self.start.to_dict(),
            "dimensions": [
                {"name": "vocabulary", "choices": list(self.vocabulary)},
                {"name": "edits", "choices": list(self.edits)},
            ],
            "constants": dataclasses.asdict(self.sizes),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> ProgramSpace:
        """The space of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            given = {d["name"]: tuple(d["choices"]) for d in data["dimensions"]}
            return ProgramSpace(Program.from_dict(data["start"]), sizes=Sizes(**data["constants"]), **given)
        except UsageError:
            raise
        except (TypeError, KeyError, ValueError) as error:
            raise FileFormatError(f"not a space of programs: {error}; see what to_dict writes") from error


class _Samples(Sequence[Program]):
    """Samples that are drawn when they are looked at: a search takes the first that is new."""

    def __init__(self, space: ProgramSpace, n: int, seed: int) -> None:
        self.space, self.n, self.seed = space, n, seed

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: Any) -> Any:
        if not 0 <= row < self.n:
            raise IndexError(row)
        return self.space.sample(int(generator(self.seed, "row", row).integers(2**63)))
