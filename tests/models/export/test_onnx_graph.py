"""Every family and a program as ONNX against the model itself, run by ONNX Runtime; tolerance 1e-5 of the largest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tradewind import models, programs
from tradewind.core import GPT2, HWGPT, Architecture, FileFormatError, TransformerXL, UsageError
from tradewind.models.export import onnx_check, onnx_graph, write_onnx, write_onnx_decoder
from tradewind.models.program import build as build_program

pytest.importorskip("onnxruntime")
TOLERANCE = 1e-5
ARCHS: dict[str, Architecture] = {
    "gpt2": GPT2(d_model=64, n_head=(2, 4), d_inner=(128, 256), vocab_size=100, context=32),
    "gpt2-blocks": GPT2(
        d_model=32, n_head=(2, 2), d_inner=(64, 64), vocab_size=100, context=8, block=("primer", "transformer++")
    ),
    "transformer-xl": TransformerXL(d_model=64, n_head=(4,), d_inner=(96,), vocab_size=100, cutoffs=(20, 40)),
    "hwgpt-profiled": HWGPT(d_model=64, n_head=(3,), mlp_ratio=(2,), vocab_size=100),
    "hwgpt-intended": HWGPT(d_model=64, n_head=(3,), mlp_ratio=(3,), vocab_size=100, network="intended", bias=True),
}


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Weights of ordinary size everywhere, so that no part of the network can be wrong unseen."""
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=stream)
    return model


def relative(found: object, expected: torch.Tensor) -> float:
    difference = torch.as_tensor(found) - expected
    return float(difference.abs().max() / expected.abs().max())


def test_batch_and_length_stay_open(tmp_path: Path) -> None:
    model = randomised(models.build(ARCHS["gpt2"]))
    session = onnx_check.open_session(write_onnx(model, tmp_path / "model.onnx"))
    for shape in ((1, 1), (1, 32), (3, 9)):
        tokens = torch.randint(100, shape, generator=torch.Generator().manual_seed(1))
        (found,) = session.run(None, {"tokens": tokens.numpy()})
        assert found.shape == (*shape, 100)
        assert relative(found, model(tokens).detach()) < TOLERANCE
    assert onnx_check.largest_difference(model, tmp_path / "model.onnx", 100) < TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    changed = randomised(models.build(ARCHS["gpt2"]))
    with torch.no_grad():
        changed.final_norm.weight *= 1.01
    assert onnx_check.largest_difference(changed, tmp_path / "model.onnx", 100) > 1e-3


@pytest.mark.parametrize("family", [name for name in ARCHS if name != "gpt2"])
def test_every_family_gives_equal_logits(family: str, tmp_path: Path) -> None:
    model = randomised(models.build(ARCHS[family]))
    path = write_onnx(model, tmp_path / "model.onnx", batch=2, length=7, logits="last", optimize=False)
    (found,) = onnx_check.open_session(path).run(None, {"tokens": torch.arange(14).view(2, 7).numpy()})
    assert found.shape == (2, 1, 100)
    assert relative(found, model(torch.arange(14).view(2, 7), logits="last").detach()) < TOLERANCE


def test_a_program_gives_equal_logits(tmp_path: Path) -> None:
    made = build_program(programs.primer_ez(), d_model=64, n_layer=1, vocab_size=50, context=16)
    path = write_onnx(made, tmp_path / "program.onnx", batch=1, length=16, optimize=False)
    assert onnx_check.largest_difference(made, path, 50) < TOLERANCE


@pytest.mark.parametrize("family", ["gpt2", "gpt2-blocks", "transformer-xl", "hwgpt-profiled"])
def test_a_decoded_token_equals_the_model_s_own_cache(family: str, tmp_path: Path) -> None:
    model = randomised(models.build(ARCHS[family]))
    is_open = family == "gpt2"
    sizes = {} if is_open else {"batch": 2, "context": 5}
    session = onnx_check.open_session(write_onnx_decoder(model, tmp_path / "step.onnx", optimize=is_open, **sizes))
    for batch, context in [(2, 5), (1, 30)] if is_open else [(2, 5)]:
        tokens = torch.randint(100, (batch, context + 1), generator=torch.Generator().manual_seed(2))
        cache = model.make_cache(batch, context + 1)
        model.prefill(tokens[:, :-1], cache)
        past = {
            f"past_{kind}_{i}": tensor.clone().numpy()
            for i, layer in enumerate(onnx_graph.past_of(cache))
            for kind, tensor in layer.items()
        }
        logits, *present = session.run(None, {"tokens": tokens[:, -1:].numpy(), **past})
        with torch.no_grad():
            expected = model.decode(tokens[:, -1:], cache)
        assert relative(logits, expected) < TOLERANCE
        wanted = [tensor for layer in onnx_graph.past_of(cache) for tensor in layer.values()]
        assert all(relative(a, b) < TOLERANCE for a, b in zip(present, wanted, strict=True))
    assert onnx_check.largest_step_difference(model, tmp_path / "step.onnx") < TOLERANCE
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    assert onnx_check.largest_step_difference(model, tmp_path / "step.onnx") > TOLERANCE


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"length": 33}, "at most 32, the learned positions"),
        ({"length": 0}, "length is 0"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_impossible_sizes_are_told(sizes: dict[str, int], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        write_onnx(models.build(ARCHS["gpt2"]), tmp_path / "a.onnx", **sizes)


def test_decoding_past_the_learned_positions_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="context is 32; it must be at least 1 and below the 32 learned"):
        write_onnx_decoder(models.build(ARCHS["gpt2"]), tmp_path / "a.onnx", context=32)


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnx_graph, "_NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(UsageError, match=r"no_such_package is not installed; install it with: pip install 'tradewind"):
        write_onnx(models.build(ARCHS["gpt2"]), tmp_path / "a.onnx", length=4, batch=1)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    class Program:
        def save(self, path: Path) -> None:
            path.write_text("")

    with pytest.raises(FileFormatError, match="cannot write"):
        onnx_graph._save(Program(), tmp_path / "file" / "a.onnx")
