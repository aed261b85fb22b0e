"""The words of Tradewind: plain data and contracts that every other room speaks. Imports nothing of the project."""

from tradewind.core.architecture import Architecture
from tradewind.core.batch import ArchitectureBatch
from tradewind.core.errors import (
    DeviceError,
    FileFormatError,
    InvalidArchitectureError,
    OtherStudyError,
    SpaceExhaustedError,
    StudyError,
    TradewindError,
    UsageError,
    unknown,
)
from tradewind.core.families import GPT2, HWGPT, TransformerXL
from tradewind.core.measurement import Measurement
from tradewind.core.objective import (
    QUANTITIES,
    Constraint,
    Constraints,
    Objective,
    Quantity,
    parse_constraints,
    parse_objectives,
)
from tradewind.core.protocols import Algorithm, Candidate, Evaluation, Evaluator, Measurements, Partial, Problem, Space
from tradewind.core.workload import Workload

__all__ = [
    "GPT2",
    "HWGPT",
    "QUANTITIES",
    "Algorithm",
    "Architecture",
    "ArchitectureBatch",
    "Candidate",
    "Constraint",
    "Constraints",
    "DeviceError",
    "Evaluation",
    "Evaluator",
    "FileFormatError",
    "InvalidArchitectureError",
    "Measurement",
    "Measurements",
    "Objective",
    "OtherStudyError",
    "Partial",
    "Problem",
    "Quantity",
    "Space",
    "SpaceExhaustedError",
    "StudyError",
    "TradewindError",
    "TransformerXL",
    "UsageError",
    "Workload",
    "parse_constraints",
    "parse_objectives",
    "unknown",
]
