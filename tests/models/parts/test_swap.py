"""Primer's parts inside models of others: PyTorch's layers and Hugging Face's GPT-2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tradewind.core import UsageError
from tradewind.models.parts import SquaredReLU, primerize

D, H = 16, 2


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def gpt2(**changes: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_embd=D, n_head=H, n_layer=2, vocab_size=30, n_positions=32, bos_token_id=0, eos_token_id=1, **changes
    )
    return transformers.GPT2LMHeadModel(config).double().eval()


def tokens(rows: int = 2, length: int = 9) -> Tensor:
    return torch.randint(2, 30, (rows, length), generator=torch.Generator().manual_seed(3))


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(D, H, 24, batch_first=True, dropout=0.0)
    return [
        encoder,
        nn.TransformerEncoderLayer(D, H, 24, norm_first=True, dropout=0.0),
        nn.TransformerEncoder(encoder, 2),
    ]


@pytest.mark.parametrize("which", range(3))
def test_an_identity_kernel_changes_nothing_in_torch_layers(which: int) -> None:
    model = layers()[which].double().eval()
    x = torch.randn(3, 7, D, dtype=torch.float64)
    mask = nn.Transformer.generate_square_subsequent_mask(3 if which == 1 else 7, dtype=torch.float64)
    with torch.no_grad():
        before = [model(x), model(x, mask, is_causal=True)]
        primerize(model, ["mdha"], identity=True)
        after = [model(x), model(x, mask, is_causal=True)]
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_the_parts_act_in_torch_layers() -> None:
    layer = nn.TransformerEncoderLayer(D, H, 24, batch_first=True, dropout=0.0).double().eval()
    x = torch.randn(2, 6, D, dtype=torch.float64)
    with torch.no_grad():
        before = layer(x)
        primerize(layer)
        found = layer(x)
        # By hand, from the layer's own weights.
        attention = layer.self_attn
        rows = x @ attention.in_proj_weight.T + attention.in_proj_bias
        past = torch.zeros(2, 2, 3 * D, dtype=torch.float64)
        shifted = torch.cat([past, rows], 1)
        rows = 0.5 * shifted[:, 2:] + 0.5 / 3 * shifted[:, 1:-1] + 0.5 / 3 * shifted[:, :-2]
        query, keys, values = (part.unflatten(-1, (H, -1)).transpose(1, 2) for part in rows.chunk(3, -1))
        weights = (query @ keys.mT / (D // H) ** 0.5).softmax(-1)
        x = layer.norm1(x + attention.out_proj((weights @ values).transpose(1, 2).flatten(2)))
        expected = layer.norm2(x + layer.linear2(layer.linear1(x).clamp(min=0) ** 2))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert (found - before).abs().max() > 1e-3


def test_a_decoder_layer_keeps_its_attention_to_another_text() -> None:
    layer = primerize(nn.TransformerDecoderLayer(D, H, 24, batch_first=True).eval())
    assert type(layer.multihead_attn) is nn.MultiheadAttention
    padding = torch.tensor([[False] * 4 + [True]] * 2)
    found = layer(torch.randn(2, 5, D), torch.randn(2, 3, D), tgt_key_padding_mask=padding)
    assert found.isfinite().all()
    found.sum().backward()
    assert layer.self_attn.convolution.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("parts", [("mdha",), ("squared-relu",), ("squared-relu", "mdha")])
def test_parameters_grow_by_nine_widths_a_layer(parts: tuple[str, ...]) -> None:
    for make, n_layer in ((lambda: nn.TransformerEncoder(layers()[0], 3), 3), (gpt2, 2)):
        model = make()
        before, names = count(model), set(dict(model.named_parameters()))
        primerize(model, parts)
        assert count(model) - before == (9 * D * n_layer if "mdha" in parts else 0)
        assert names <= set(dict(model.named_parameters()))


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_an_identity_kernel_changes_nothing_in_hugging_faces_gpt2(implementation: str) -> None:
    model = gpt2(attn_implementation=implementation)
    with torch.no_grad():
        before = model(tokens()).logits
        after = primerize(model, ["mdha"], identity=True)(tokens()).logits
        assert (primerize(model, ["squared-relu"])(tokens()).logits - before).abs().max() > 1e-6
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
    assert isinstance(model.transformer.h[0].mlp.act, SquaredReLU)


@pytest.mark.parametrize("chunks", [(1,) * 9, (4, 1, 3, 1)], ids=str)
def test_hugging_faces_cache_gives_the_same_as_a_forward(chunks: tuple[int, ...]) -> None:
    model = primerize(gpt2())
    past, found = None, []
    with torch.no_grad():
        expected = model(tokens(), use_cache=False).logits
        for chunk in tokens().split(list(chunks), dim=1):
            out = model(chunk, past_key_values=past, use_cache=True)
            past = out.past_key_values
            found.append(out.logits)
    torch.testing.assert_close(torch.cat(found, 1), expected, rtol=0, atol=1e-12)
    assert past.get_seq_length() == 9


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_is_the_same_with_and_without_a_cache(beams: int) -> None:
    model = primerize(gpt2())
    with torch.no_grad():
        for block in model.transformer.h:
            block.attn.c_attn.convolution.weight.normal_(generator=torch.Generator().manual_seed(1))
        same = [
            model.generate(
                tokens(), max_new_tokens=6, num_beams=beams, do_sample=False, use_cache=cached, pad_token_id=1
            )
            for cached in (True, False)
        ]
    assert torch.equal(*same)


def test_what_cannot_be_swapped_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'mdha'"):
        primerize(layers()[0], ["mdh"])
    with pytest.raises(UsageError, match="holds no GPT-2 layer"):
        primerize(nn.Linear(2, 2))
    with pytest.raises(UsageError, match="already"):
        primerize(primerize(layers()[0]))
    layer = primerize(layers()[0])
    x, y = torch.randn(1, 3, D), torch.randn(1, 3, D)
    with pytest.raises(UsageError, match="reads one text"):
        layer.self_attn(x, y, y)
