"""Against `transformers`: folders that we write it reads, folders that it writes we read, with equal logits."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, HWGPT, FileFormatError, UsageError
from tradewind.models.export import from_huggingface, write_huggingface

ARCH = GPT2(d_model=64, n_head=(4, 4), d_inner=(96, 96), vocab_size=100, context=16)
TOKENS = torch.arange(24).view(2, 12)


@pytest.fixture(scope="module")
def transformers() -> ModuleType:
    return pytest.importorskip("transformers")


@pytest.fixture
def model() -> torch.nn.Module:
    made = models.build(ARCH)
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 0.2, generator=stream)
    return made


def test_transformers_reads_our_folder(transformers: ModuleType, model: torch.nn.Module, tmp_path: Path) -> None:
    folder = write_huggingface(model, tmp_path / "out", end=7)
    theirs, told = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert type(theirs).__name__ == "GPT2LMHeadModel"
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert theirs.config.eos_token_id == theirs.generation_config.eos_token_id == 7
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(TOKENS).logits, model(TOKENS), atol=1e-5, rtol=1e-5)
    again = from_huggingface(folder)
    assert again.arch == ARCH
    assert torch.equal(again(TOKENS), model(TOKENS))


@pytest.mark.parametrize("block", ["vanilla", "squared-relu"])
def test_blocks_that_differ_in_their_activation_only(transformers: ModuleType, block: str, tmp_path: Path) -> None:
    model = models.build(ARCH.replace(block=(block, block)), seed=1)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(write_huggingface(model, tmp_path)).eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(TOKENS).logits, model(TOKENS), atol=1e-5, rtol=1e-5)
    assert from_huggingface(tmp_path).arch == model.arch


def test_we_read_what_transformers_writes(transformers: ModuleType, tmp_path: Path) -> None:
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=50, n_positions=16)
    config.bos_token_id = config.eos_token_id = 0
    theirs = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(parameter.numel()))
    theirs.save_pretrained(tmp_path)
    ours = from_huggingface(tmp_path)
    assert ours.arch == GPT2(d_model=32, n_head=(2, 2), d_inner=(128, 128), vocab_size=50, context=16)
    with torch.no_grad():
        torch.testing.assert_close(ours(TOKENS), theirs(TOKENS).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_head": (4, 2)}, "layer 1 has n_head 2 and layer 0 has 4"),
        ({"d_inner": (96, 97)}, "layer 1 has d_inner 97 and layer 0 has 96"),
        ({"block": ("gelu", "vanilla")}, "layer 1 has block vanilla and layer 0 has gelu"),
        ({"block": ("primer", "primer")}, "layer 0 has block primer, which"),
    ],
)
def test_unlike_layers_are_told_with_layer_and_field(change: dict[str, tuple[int, ...]], told: str) -> None:
    with pytest.raises(UsageError, match=f"{told}.*tradewind export onnx"):
        write_huggingface(models.build(ARCH.replace(**change), init="meta"), "nowhere")


def test_other_families_are_told() -> None:
    other = models.build(HWGPT(d_model=64, n_head=(1,), mlp_ratio=(2,)), init="meta")
    with pytest.raises(UsageError, match="a hwgpt architecture has no class in transformers"):
        write_huggingface(other, "nowhere")


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"model_type": "bert"}, UsageError, "only gpt2 can be read"),
        ({"activation_function": "silu"}, UsageError, "activation_function 'silu'"),
        ({"layer_norm_epsilon": 1e-6}, UsageError, "layer_norm_epsilon 1e-06"),
        ({"n_embd": None}, UsageError, "d_model must be int"),
        ({"n_inner": 97}, FileFormatError, "which the configuration does not describe"),
        ({"n_layer": 3}, FileFormatError, "h.2.ln_1.weight is missing"),
    ],
)
def test_a_folder_that_is_no_gpt2_of_ours_is_told(
    model: torch.nn.Module, tmp_path: Path, change: dict[str, object], error: type[Exception], told: str
) -> None:
    config = write_huggingface(model, tmp_path) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(error, match=told):
        from_huggingface(tmp_path)


def test_missing_and_damaged_weights_are_told(model: torch.nn.Module, tmp_path: Path) -> None:
    weights = write_huggingface(model, tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(FileFormatError, match="no readable safetensors"):
        from_huggingface(tmp_path)
    weights.unlink()
    with pytest.raises(FileFormatError, match="there is no"):
        from_huggingface(tmp_path)
