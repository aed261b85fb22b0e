"""What a trial asks of a runtime: a candidate made ready to run, by torch itself or by ONNX Runtime.

Timer, memory gauge, limits and answers are the same for both (see `trial`); only what runs differs. Numbers of one
runtime are never compared with those of another: the device's description, and with it every study, names the runtime.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

import torch

from tradewind import models
from tradewind.core import Architecture, DeviceError, Workload
from tradewind.devices import failures
from tradewind.devices.messages import Trial
from tradewind.programs.space import SIZED, SizedProgram


class Loaded(Protocol):
    """One candidate; made before memory is watched, loaded under the gauge by `build`."""

    label: str
    facts: dict[str, Any]

    def build(self) -> None:
        """Load the weights that `forward` needs."""
        ...

    def forward(self) -> object:
        """One forward over batch x length."""
        ...

    def decoder(self) -> Callable[[], object]:
        """Make ready what decodes one token after `context` cached ones, and return it."""
        ...


class TorchModel:
    """A candidate run by torch, eagerly."""

    label = ""

    def __init__(self, trial: Trial, workload: Workload) -> None:
        self.facts: dict[str, Any] = {"torch": torch.__version__}
        self._trial, self._workload = trial, workload

    def build(self) -> None:
        """Build the model with cheap weights."""
        load = self._workload
        self._model, vocab_size = _built(self._trial, load)
        self._tokens = tokens(load.batch, load.seq_len, vocab_size).to(self._model.device)

    def forward(self) -> object:
        """One forward over batch x length."""
        return self._model(self._tokens, logits=self._workload.logits)

    def decoder(self) -> Callable[[], object]:
        """The model's own cache, filled to the context before each step."""
        model, load = self._model, self._workload
        _check_decodes(self._trial)
        token = tokens(load.batch, 1, model.arch.vocab_size).to(model.device)
        cache = model.make_cache(load.batch, load.context + 1)

        def step() -> object:
            cache.fill(load.context)
            return model.decode(token, cache)

        return step


def _built(trial: Trial, load: Workload) -> tuple[Any, int]:
    """The model of a candidate, with weights for timing, and its vocabulary."""
    if trial.candidate["family"] != SIZED:
        arch = Architecture.from_dict(trial.candidate)
        return models.build(arch, trial.device, load.dtype, init="cheap"), arch.vocab_size
    from tradewind.models import program

    sized = SizedProgram.from_dict(trial.candidate)
    sizes = dataclasses.asdict(sized.sizes)
    return program.build(sized.program, **sizes, device=trial.device, dtype=load.dtype), sized.sizes.vocab_size


def _check_decodes(trial: Trial) -> None:
    if trial.candidate["family"] == SIZED:
        raise DeviceError("models of programs do not decode with a cache; measure latency_ms")


class OnnxModel:
    """A candidate run by ONNX Runtime on the CPU, as `models.export` writes it, at the workload's own shapes.

    Graphs are made in a fork, whose memory ends with it, and come back through files that have no name, so that nothing
    is left behind whatever ends the trial; all of them before the runtime has threads, which do not survive a fork.
    Session options are the runtime's own but for the threads.
    """

    def __init__(self, trial: Trial, workload: Workload) -> None:
        import onnxruntime

        self.label = f"onnxruntime {onnxruntime.__version__}"
        self.facts: dict[str, Any] = {"onnxruntime": onnxruntime.__version__, "exporter": f"torch {torch.__version__}"}
        self._trial, self._workload = trial, workload
        decodes = "decode_latency_ms" in trial.quantities
        start = time.perf_counter()
        self._forward_file = self._export("forward") if len(trial.quantities) > decodes else None
        self._no_step = ""
        try:
            self._step_file = self._export("step") if decodes else None
        except DeviceError as error:
            self._no_step = str(error)
        self.facts["export_s"] = round(time.perf_counter() - start, 4)

    def build(self) -> None:
        """Load the graph, where a forward is asked for."""
        if self._forward_file is not None:
            self._session = self._open(self._forward_file)
            self._feed = {"tokens": self._tokens(self._session)}

    def forward(self) -> object:
        """One forward over batch x length."""
        return self._session.run(None, self._feed)

    def decoder(self) -> Callable[[], object]:
        """A session of one step: keys and values go in and come out one position longer, copied by the runtime."""
        import numpy as np

        if self._no_step:
            raise DeviceError(self._no_step)
        self._session = None
        session = self._open(self._step_file)
        feed: dict[str, Any] = {"tokens": self._tokens(session)}
        for given in session.get_inputs()[1:]:
            shape = tuple(int(size) for size in given.shape)
            feed[given.name] = np.broadcast_to(np.linspace(-1, 1, shape[-1], dtype=np.float32), shape).copy()
        return lambda: session.run(None, feed)

    def _tokens(self, session: Any) -> Any:
        batch, length = session.get_inputs()[0].shape
        return tokens(batch, length, session.get_outputs()[0].shape[-1]).numpy()

    def _export(self, what: str) -> Any:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `_open`)
        pid = os.fork()
        if not pid:
            _write_and_leave(self._trial, self._workload, what, file.fileno())
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            file.seek(0)
            told = file.read(1000).decode(errors="replace") if code == 1 else failures.of_exit(code)
            raise (MemoryError if told.startswith("oom") else DeviceError)(f"the export to ONNX failed: {told}")
        return file

    def _open(self, file: Any) -> Any:
        from tradewind.models.export import onnx_check

        file.seek(0)
        with file:
            return onnx_check.open_session(f"/dev/fd/{file.fileno()}", self._trial.threads)


def warm_up_exporter(trial: Trial, workload: Workload) -> None:
    """Make a graph of a small architecture in this process, so that forks find the exporter loaded."""
    _graph(trial, workload, "step")


def _graph(trial: Trial, workload: Workload, what: str) -> bytes:
    """The graph of a forward or of a decoding step, at the workload's shapes, not simplified: the runtime does that."""
    from tradewind.models.export import onnx_graph

    if what == "step":
        _check_decodes(trial)
    model, _ = _built(trial, workload)
    if what == "step":
        program = onnx_graph.step_program(model, workload.batch, workload.context, False)
    else:
        program = onnx_graph.forward_program(model, workload.batch, workload.seq_len, workload.logits, False)
    found: bytes = program.model_proto.SerializeToString()
    return found


def _write_and_leave(trial: Trial, workload: Workload, what: str, fd: int) -> NoReturn:
    """The life of the fork that exports: writes the graph, or why there is none (exit status 1)."""
    code = 0
    try:
        data = _graph(trial, workload, what)
    except Exception as error:
        code, data = 1, failures.of_error(error).encode()
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
    finally:
        os._exit(code)


RUNTIMES: Mapping[str, Callable[[Trial, Workload], Loaded]] = {"torch": TorchModel, "onnxruntime": OnnxModel}


def tokens(batch: int, length: int, vocab_size: int) -> torch.Tensor:
    """Token ids (batch, length) spread over the vocabulary, so that no row of the embedding is read again and again."""
    return (torch.arange(batch * length) * 7919 % vocab_size).view(batch, length)
