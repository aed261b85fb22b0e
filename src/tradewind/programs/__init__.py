"""Transformer blocks as programs of primitive operations: plain data, its meaning, identity, and mutations. No torch.

>>> from tradewind import programs
>>> block = programs.primer_ez()
>>> len(programs.resolve(block).nodes), programs.diff(programs.transformer(), block)[-1]
(41, 'inserted SQUARE after MAX in relu of feed-forward')
"""

from tradewind.programs.candidates import read_candidate
from tradewind.programs.causality import check_causal, first_leak
from tradewind.programs.difference import diff
from tradewind.programs.errors import (
    InvalidProgramError,
    ProgramCausalityError,
    ProgramShapeError,
    ProgramTooLargeError,
)
from tradewind.programs.functional import fingerprint
from tradewind.programs.graph import Graph, Node, Width
from tradewind.programs.inlining import Row, listing
from tradewind.programs.interpreter import interpret, random_weights
from tradewind.programs.mutation import MUTATIONS, mutant, mutate
from tradewind.programs.neighbourhood import Neighbour, neighbourhood
from tradewind.programs.operations import OPERATIONS, Operation
from tradewind.programs.program import Instruction, Program, Subprogram
from tradewind.programs.resolution import canonical_hash, resolve
from tradewind.programs.seeds import evolved, primer, primer_ez, transformer
from tradewind.programs.space import ProgramSpace, Sizes

__all__ = [
    "MUTATIONS",
    "OPERATIONS",
    "Graph",
    "Instruction",
    "InvalidProgramError",
    "Neighbour",
    "Node",
    "Operation",
    "Program",
    "ProgramCausalityError",
    "ProgramShapeError",
    "ProgramSpace",
    "ProgramTooLargeError",
    "Row",
    "Sizes",
    "Subprogram",
    "Width",
    "canonical_hash",
    "check_causal",
    "diff",
    "evolved",
    "fingerprint",
    "first_leak",
    "interpret",
    "listing",
    "mutant",
    "mutate",
    "neighbourhood",
    "primer",
    "primer_ez",
    "random_weights",
    "read_candidate",
    "resolve",
    "transformer",
]
