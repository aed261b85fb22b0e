"""What a worker is asked and what it may answer, checked field by field on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tradewind.devices.frames import ProtocolError


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Trial(_Message):
    """Build one candidate on a device and measure `quantities` of it; the fields are those of the core classes."""

    candidate: dict[str, Any]
    quantities: list[str]
    device: str
    threads: Annotated[int, Field(ge=1)]
    workload: dict[str, Any]
    timing: dict[str, Any]
    runtime: str = "torch"


class Reading(_Message):
    """One quantity: a value in the quantity's unit, or in `failed` why there is none."""

    value: float | None = None
    spread: float | None = None
    n: Annotated[int, Field(ge=1)] = 1
    method: Annotated[str, Field(max_length=200)] = ""
    failed: Annotated[str, Field(max_length=1000)] = ""
    details: dict[str, Any] = Field(default_factory=dict)


class Answer(_Message):
    """The readings of a trial by quantity, and facts that hold for all of them."""

    readings: dict[str, Reading]
    facts: dict[str, Any] = Field(default_factory=dict)


def read_answer(data: Any, quantities: Sequence[str]) -> Answer:
    """The answer to a trial; raises `ProtocolError` that names the field at fault.

    >>> read_answer({"readings": {"latency_ms": {"value": 1.5}}}, ["latency_ms"]).readings["latency_ms"].value
    1.5
    """
    try:
        answer = Answer.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "answer"
        raise ProtocolError(f"{place}: {first['msg']}") from error
    for name in quantities:
        reading = answer.readings.get(name)
        if reading is None:
            raise ProtocolError(f"the answer has no reading of {name}")
        if (reading.value is None) != bool(reading.failed):
            raise ProtocolError(f"the reading of {name} must have either a value or a reason why there is none")
    return answer
