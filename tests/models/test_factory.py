"""build(): what it accepts, what it refuses, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tradewind import costs, models
from tradewind.core import GPT2, Architecture, TransformerXL, UsageError

ARCH = GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=30, context=8)


def test_the_room_opens_without_torch() -> None:
    code = "import sys, tradewind.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("init", ["random", "cheap"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", torch.float64])
def test_device_dtype_and_mode(init: str, dtype: str | torch.dtype) -> None:
    model = models.build(ARCH, device="cpu", dtype=dtype, init=init)
    expected = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    assert {p.dtype for p in model.parameters()} == {model.dtype} == {expected}
    assert model.device == torch.device("cpu")
    assert not model.training
    assert all(p.requires_grad for p in model.parameters())


def test_meta_takes_no_memory(tiny: Architecture) -> None:
    model = models.build(tiny, device="cpu", init="meta")
    assert {p.device.type for p in model.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"init": "chepa"}, "unknown init 'chepa': did you mean 'cheap'?"),
        ({"dtype": "bfloat"}, "unknown dtype 'bfloat': did you mean 'bfloat16'?"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        models.build(ARCH, **arguments)
    assert message in str(caught.value)


def test_not_an_architecture() -> None:
    with pytest.raises(UsageError, match="gpt2, hwgpt or transformer-xl"):
        models.build("gpt2")  # type: ignore[arg-type]


COMPONENTS = {
    "attention.": "attention",
    "mlp.": "ffn",
    "norm.": "norms",
    "token_embedding.": "token_embedding",
    "tables.": "token_embedding",
    "vocabulary.bias": "head",
    "vocabulary.cluster": "head",
}


def test_parameters_are_those_of_the_closed_forms(tiny: Architecture) -> None:
    model = models.build(tiny, init="meta")
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = next((c for key, c in COMPONENTS.items() if key in name), name.split(".")[-2])
        found[part] = found.get(part, 0) + parameter.numel()
    expected = {name: count for name, count in costs.components(tiny).items() if count}
    assert {_same(name): count for name, count in found.items()} == {_same(n): c for n, c in expected.items()}
    assert sum(found.values()) == costs.params(tiny)


def _same(component: str) -> str:
    return {"output": "head"}.get(component, component)


@pytest.mark.parametrize(
    "arch",
    [
        TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), d_embed=512, div_val=2, vocab_size=267736),
        TransformerXL(d_model=128, n_head=(2,), d_inner=(300,), d_embed=128, div_val=2, vocab_size=267736),
        GPT2(d_model=768, n_head=(12,) * 12, d_inner=(3072,) * 12),
    ],
)
def test_published_sizes(arch: Architecture) -> None:
    published = {64: 40_537_243 + 37_440, 128: 10_358_667 + 159_916, 768: 124_439_808}[arch.d_model]
    assert sum(p.numel() for p in models.build(arch, init="meta").parameters()) == published


def test_no_tensor_is_stored_twice(tiny: Architecture) -> None:
    state = models.build(tiny).state_dict()
    assert len({tensor.untyped_storage().data_ptr() for tensor in state.values()}) == len(state)
    assert sum(tensor.numel() for tensor in state.values()) == costs.params(tiny)


def test_names_of_the_weights_are_stable() -> None:
    assert list(models.build(ARCH, init="meta").state_dict()) == [
        "token_embedding.weight",
        "position_embedding.weight",
        "layers.0.attention_norm.weight",
        "layers.0.attention_norm.bias",
        "layers.0.attention.qkv.weight",
        "layers.0.attention.qkv.bias",
        "layers.0.attention.out.weight",
        "layers.0.attention.out.bias",
        "layers.0.mlp_norm.weight",
        "layers.0.mlp_norm.bias",
        "layers.0.mlp.up.weight",
        "layers.0.mlp.up.bias",
        "layers.0.mlp.down.weight",
        "layers.0.mlp.down.bias",
        "final_norm.weight",
        "final_norm.bias",
    ]
