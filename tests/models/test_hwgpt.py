"""HW-GPT's networks against a slow reading of their definition, and their sizes against the published closed forms."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch

from tradewind import models
from tradewind.core import HWGPT

ARCHS = {
    f"{network}, {'bias' if bias else 'no bias'}": HWGPT(
        d_model=24, n_head=(1, 2), mlp_ratio=(2, 3), bias=bias, network=network, vocab_size=30, context=8
    )
    for network in ("profiled", "intended")
    for bias in (False, True)
}


def norm(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w.get(f"{name}.bias", 0.0)


def turn(x: np.ndarray, position: int, fraction: float) -> np.ndarray:
    """Rotate the first dimensions of one head as complex numbers x[j] + i·x[j + half]."""
    half, out = int(64 * fraction) // 2, x.copy()
    for j in range(half):
        z = complex(x[j], x[j + half]) * cmath.exp(1j * position / 10_000 ** (j / half))
        out[j], out[j + half] = z.real, z.imag
    return out


def oracle(arch: HWGPT, w: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits (T, V) of one sequence, one position, head and key at a time."""
    profiled = arch.network == "profiled"
    fraction = 0.25 if profiled else 0.5
    states = [w["token_embedding.weight"][token] for token in tokens]
    for layer, heads in enumerate(arch.n_head):
        at = f"layers.{layer}"
        rows = [linear(norm(x, w, f"{at}.attention_norm"), w, f"{at}.attention.qkv") for x in states]
        new = []
        for i, x in enumerate(states):
            mixed = []
            for head in range(heads):
                q, k, v = (
                    [row[(3 * head + part) * 64 : (3 * head + part + 1) * 64] for row in rows] for part in range(3)
                )
                scores = [turn(q[i], i, fraction) @ turn(k[j], j, fraction) / 8 for j in range(i + 1)]
                weights = np.exp(scores) / np.exp(scores).sum()
                mixed.append(sum(weights[j] * v[j] for j in range(i + 1)))
            attended = linear(np.concatenate(mixed), w, f"{at}.attention.out")
            y = norm(x, w, f"{at}.mlp_norm")
            if profiled:
                gate = linear(y, w, f"{at}.mlp.gate")
                inner = gate / (1 + np.exp(-gate)) * linear(y, w, f"{at}.mlp.up")
            else:
                up = linear(y, w, f"{at}.mlp.up")
                inner = up * 0.5 * (1 + np.array([math.erf(value / math.sqrt(2)) for value in up]))
            new.append(x + attended + linear(inner, w, f"{at}.mlp.down"))
        states = new
    head = w["output.weight" if profiled else "token_embedding.weight"]
    return np.stack([head @ norm(x, w, "final_norm") for x in states])


@pytest.mark.parametrize("arch", ARCHS.values(), ids=ARCHS)
def test_definition(arch: HWGPT) -> None:
    model = models.build(arch, dtype="float64")
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.3, generator=stream)
    tokens = torch.randint(30, (2, 6), generator=stream)
    found = model(tokens).detach().numpy()
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for row in range(2):
        np.testing.assert_allclose(found[row], oracle(arch, weights, tokens[row].tolist()), rtol=1e-9, atol=1e-9)


SPACES = {
    "s": ((192, 768), (10, 12), (4, 12), (2, 4)),
    "m": ((256, 1024), (22, 24), (8, 16), (2, 4)),
    "l": ((320, 1280), (34, 36), (8, 20), (2, 4)),
    "s-wide": ((192, 768), (3, 12), (4, 12), (1, 4)),
    "m-wide": ((256, 1024), (6, 24), (4, 16), (1, 4)),
    "l-wide": ((320, 1280), (9, 36), (5, 20), (1, 4)),
}
CORNERS = {
    "s": {"intended": (13_097_472, 123_651_072), "profiled": (23_483_520, 190_594_560)},
    "m": {"intended": (30_189_568, 353_771_520), "profiled": (45_938_176, 505_993_216)},
    "l": {"intended": (52_334_080, 772_715_520), "profiled": (75_378_560, 1_073_154_560)},
    "s-wide": {"intended": (10_462_464, 123_651_072), "profiled": (20_221_824, 190_594_560)},
    "m-wide": {"intended": (15_230_976, 353_771_520), "profiled": (28_489_216, 505_993_216)},
    "l-wide": {"intended": (21_623_040, 772_715_520), "profiled": (38_625_920, 1_073_154_560)},
}


@pytest.mark.parametrize("network", ["profiled", "intended"])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("corner", [0, 1], ids=["smallest", "largest"])
def test_sizes_at_the_corners_of_the_spaces(space: str, network: str, corner: int) -> None:
    width, depth, heads, ratio = (choices[corner] for choices in SPACES[space])
    arch = HWGPT(d_model=width, n_head=(heads,) * depth, mlp_ratio=(ratio,) * depth, bias=bool(corner), network=network)
    found = sum(p.numel() for p in models.build(arch, init="meta").parameters())
    assert found == CORNERS[space][network][corner]


@pytest.mark.parametrize("bias", [False, True])
def test_sizes_of_uneven_layers(bias: bool) -> None:
    heads, ratios = (4, 12, 8), (2, 4, 3)
    e, total_heads, total_ratio = 384, sum(heads), sum(ratios)
    attention_and_norms = 256 * e * total_heads + 4 * e * 3
    expected = {
        "profiled": 100_510 * e + attention_and_norms + 3 * e * e * total_ratio,
        "intended": 50_256 * e + attention_and_norms + 2 * e * e * total_ratio,
    }
    if bias:
        expected["profiled"] += 192 * total_heads + 2 * total_ratio * e + 2 * e * 3
        expected["intended"] += 192 * total_heads + total_ratio * e + 2 * e * 3
    for network, count in expected.items():
        arch = HWGPT(d_model=e, n_head=heads, mlp_ratio=ratios, bias=bias, network=network)
        assert sum(p.numel() for p in models.build(arch, init="meta").parameters()) == count
