"""The blocks of the gpt2 family against PyTorch's own layers and against their formulas written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tradewind import models
from tradewind.core import GPT2
from tradewind.core.blocks import BLOCKS
from tradewind.models.parts import primerize

D, H, F = 16, 2, 24
EXACT = {"rtol": 0, "atol": 1e-12}


def block_of(name: str) -> nn.Module:
    arch = GPT2(d_model=D, n_head=(H,), d_inner=(F,), vocab_size=9, context=8, block=(name,))
    block = models.build(arch, dtype="float64").layers[0]
    with torch.no_grad():
        for index, parameter in enumerate(block.parameters()):
            parameter.add_(0.3 * noise(*parameter.shape, seed=index))
    return block


def noise(*shape: int, seed: int = 99) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def convolved(rows: Tensor, kernels: Tensor) -> Tensor:
    out = torch.zeros_like(rows)
    for t in range(rows.shape[1]):
        for back in range(min(3, t + 1)):
            out[:, t] += kernels[:, 2 - back] * rows[:, t - back]
    return out


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vanilla", ()),
        ("squared-relu", ("squared-relu",)),
        ("mdha", ("mdha",)),
        ("primer-ez", ("squared-relu", "mdha")),
    ],
)
def test_blocks_are_pytorchs_layer_with_the_parts(name: str, parts: tuple[str, ...]) -> None:
    block = block_of(name)
    layer = nn.TransformerEncoderLayer(D, H, F, dropout=0.0, batch_first=True, norm_first=True).double().eval()
    if parts:
        primerize(layer, parts)
    theirs = {
        "attention_norm": "norm1", "attention.out": "self_attn.out_proj", "mlp_norm": "norm2", "mlp.up": "linear1",
        "mlp.down": "linear2", "attention.convolution": "self_attn.convolution",
    }  # fmt: skip
    state = {}
    for key, value in block.state_dict().items():
        module, _, kind = key.rpartition(".")
        state[f"self_attn.in_proj_{kind}" if module == "attention.qkv" else f"{theirs[module]}.{kind}"] = value
    layer.load_state_dict(state)
    x = noise(2, 7, D)
    mask = nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(x), layer(x, mask, is_causal=True), **EXACT)


def test_transformer_plus_plus() -> None:
    block, x = block_of("transformer++"), noise(2, 7, D)

    def rms(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight

    with torch.no_grad():
        inner = x + block.attention(rms(x, block.attention_norm.weight))
        y = rms(inner, block.mlp_norm.weight)
        gate = y @ block.mlp.gate.weight.T
        expected = inner + (gate * gate.sigmoid() * (y @ block.mlp.up.weight.T)) @ block.mlp.down.weight.T
        torch.testing.assert_close(block(x), expected, **EXACT)
    assert not any(name.startswith("mlp") and name.endswith("bias") for name, _ in block.named_parameters())


def test_primer() -> None:
    block, x = block_of("primer"), noise(2, 7, D)
    attention = block.attention
    with torch.no_grad():
        rows = attention.kv(block.attention_norm(x))
        query = attention.query(rows[..., :D])  # from the keys before their convolution
        keys, values = convolved(rows, attention.convolution.weight).chunk(2, -1)
        query, keys, values = (p.unflatten(-1, (H, -1)).transpose(1, 2) for p in (query, keys, values))
        scores = (query @ keys.mT / (D // H) ** 0.5).masked_fill(torch.ones(7, 7).triu(1).bool(), -torch.inf)
        inner = x + attention.out((scores.softmax(-1) @ values).transpose(1, 2).flatten(2))
        expected = inner + block.mlp_norm(block.mlp.down(block.mlp.up(inner).clamp(min=0) ** 2))
        torch.testing.assert_close(block(x), expected, **EXACT)


@pytest.mark.parametrize("name", BLOCKS)
def test_no_position_of_any_block_sees_a_later_one(name: str) -> None:
    block, x = block_of(name), noise(1, 7, D)
    changed = x.clone()
    changed[:, 4] += 1.0
    with torch.no_grad():
        before, after = block(x), block(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4], **EXACT)
    assert (before - after)[:, 4:].abs().max() > 1e-3


def test_kernels_start_as_primers_whatever_the_seed_and_init() -> None:
    arch = GPT2(d_model=D, n_head=(H,), d_inner=(F,), vocab_size=9, context=8, block=("primer-ez",))
    for init, seed in (("random", 0), ("random", 5), ("cheap", 0)):
        weight = models.build(arch, init=init, seed=seed).layers[0].attention.convolution.weight
        torch.testing.assert_close(weight, torch.tensor([0.5 / 3, 0.5 / 3, 0.5]).expand(3 * D, 3))
