"""Transformer-XL against a slow reading of the paper: explicit loops over positions, memory of the segment before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradewind import models
from tradewind.core import GPT2, TransformerXL, UsageError
from tradewind.models.transformer_xl import TransformerXLModel, by_distance, position_codes

Weights = dict[str, np.ndarray]


def arch_of(**changes: object) -> TransformerXL:
    shape = {"d_model": 12, "n_head": (2, 3), "d_inner": (10, 20), "vocab_size": 40, "cutoffs": (8, 16), "div_val": 2}
    return TransformerXL(**(shape | {"context": 6, "mem_len": 6} | changes))  # type: ignore[arg-type]


def random_model(arch: TransformerXL, seed: int = 0) -> tuple[TransformerXLModel, Weights]:
    """A model in float64 with large random values in every parameter, and those values."""
    model = models.build(arch, dtype="float64", init="meta").to_empty(device="cpu")
    assert isinstance(model, TransformerXLModel)
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.normal_(centre, 0.4, generator=stream)
    return model, {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def code(distance: int, d_model: int) -> np.ndarray:
    """The paper's R: sines of distance · 10000^(-2k/d), then cosines."""
    angles = [distance / 10_000 ** (2 * k / d_model) for k in range(d_model // 2)]
    return np.array([np.sin(a) for a in angles] + [np.cos(a) for a in angles])


def embed(token: int, arch: TransformerXL, w: Weights) -> np.ndarray:
    edges = (0, *arch.cutoffs, arch.vocab_size)
    cluster = max(k for k in range(len(edges) - 1) if token >= edges[k])
    row = w[f"vocabulary.tables.{cluster}"][token - edges[cluster]]
    return np.sqrt(arch.d_model) * (w[f"vocabulary.embedding_projections.{cluster}"] @ row)


def oracle_layer(
    arch: TransformerXL, w: Weights, layer: int, before: list[np.ndarray], states: list[np.ndarray]
) -> list[np.ndarray]:
    """Equations of section 3.3 for one sequence, one query and one key at a time."""
    d, heads = arch.d_model, arch.n_head[layer]
    size = d // heads
    at = f"layers.{layer}"
    qkv = w[f"{at}.attention.qkv.weight"]
    w_q, w_k, w_v, w_r = qkv[:d], qkv[d : 2 * d], qkv[2 * d :], w[f"{at}.attention.relative.weight"]
    context, outputs = before + states, []
    for i, state in enumerate(states):
        here = len(before) + i
        mixed = np.zeros(d)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            u, v = w[f"{at}.attention.content_bias"][head], w[f"{at}.attention.position_bias"][head]
            query = (w_q @ state)[part]
            scores = [
                ((query + u) @ (w_k @ context[j])[part] + (query + v) @ (w_r @ code(here - j, d))[part]) / np.sqrt(size)
                for j in range(here + 1)
            ]
            weights = np.exp(scores) / np.exp(scores).sum()
            mixed[part] = sum(weights[j] * (w_v @ context[j])[part] for j in range(here + 1))
        x = norm(state + w[f"{at}.attention.out.weight"] @ mixed, w, f"{at}.attention_norm")
        inner = np.maximum(w[f"{at}.mlp.up.weight"] @ x + w[f"{at}.mlp.up.bias"], 0)
        outputs.append(norm(x + w[f"{at}.mlp.down.weight"] @ inner + w[f"{at}.mlp.down.bias"], w, f"{at}.mlp_norm"))
    return outputs


def oracle(
    arch: TransformerXL, w: Weights, tokens: list[int], memory: list[list[np.ndarray]]
) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """Final states (T, D) of one sequence, and the inputs of every layer so far."""
    states, seen = [embed(token, arch, w) for token in tokens], []
    for layer in range(arch.n_layer):
        seen.append(memory[layer] + states)
        states = oracle_layer(arch, w, layer, memory[layer], states)
    return np.stack(states), seen


@pytest.mark.parametrize("arch", [arch_of(), arch_of(mem_len=3), arch_of(mem_len=9), arch_of(mem_len=0)], ids=str)
def test_segments_with_memory(arch: TransformerXL) -> None:
    model, weights = random_model(arch)
    tokens = torch.randint(arch.vocab_size, (2, 11), generator=torch.Generator().manual_seed(1))
    memory, slow = None, [[[] for _ in range(arch.n_layer)] for _ in range(2)]
    for segment in tokens.split([4, 5, 2], dim=1):
        scores = model(segment, memory=memory)
        hidden, memory = model.segment(segment, memory)
        torch.testing.assert_close(model.head(hidden), scores, rtol=0, atol=0)
        assert not any(m.requires_grad for m in memory)
        for row in range(2):
            expected, seen = oracle(arch, weights, segment[row].tolist(), slow[row])
            np.testing.assert_allclose(hidden[row].detach().numpy(), expected, rtol=0, atol=1e-10)
            slow[row] = [states[max(0, len(states) - arch.mem_len) :] for states in seen]
            for ours, theirs in zip(memory, slow[row], strict=True):
                np.testing.assert_allclose(
                    ours[row].numpy(), np.reshape(theirs, (-1, arch.d_model)), rtol=0, atol=1e-10
                )


def test_memory_of_everything_equals_one_long_segment() -> None:
    model, _ = random_model(arch_of(mem_len=20))
    tokens = torch.randint(40, (2, 12), generator=torch.Generator().manual_seed(2))
    first, memory = model.segment(tokens[:, :7])
    second, _ = model.segment(tokens[:, 7:], memory)
    torch.testing.assert_close(torch.cat([first, second], 1), model.hidden(tokens), rtol=0, atol=1e-12)


def test_the_memory_gets_no_gradient() -> None:
    model, _ = random_model(arch_of())
    tokens = torch.randint(40, (1, 4), generator=torch.Generator().manual_seed(3))
    _, memory = model.segment(tokens)
    model.segment(tokens, memory)[0].sum().backward()
    assert all(m.grad_fn is None for m in memory)


@given(st.integers(1, 6), st.integers(0, 6))
def test_columns_of_distances_become_columns_of_keys(new: int, memory: int) -> None:
    seen = new + memory
    distances = torch.arange(seen - 1, -1, -1.0).expand(2, new, seen)
    found = by_distance(distances)
    for i in range(new):
        for j in range(memory + i + 1):
            assert (found[:, i, j] == memory + i - j).all()


def test_position_codes_of_an_odd_width() -> None:
    codes = position_codes(3, 5, like=torch.zeros((), dtype=torch.float64))
    assert codes.shape == (3, 5)
    np.testing.assert_allclose(codes[0, :3], [np.sin(2 / 10_000 ** (2 * k / 5)) for k in range(3)])


def test_a_cache_of_another_family_is_refused() -> None:
    other = models.build(GPT2(d_model=12, n_head=(2, 3), d_inner=(10, 20), vocab_size=40, context=8))
    model, _ = random_model(arch_of())
    with pytest.raises(UsageError, match="make_cache"):
        model.prefill(torch.zeros(1, 2, dtype=torch.int64), other.make_cache(1, 4))
