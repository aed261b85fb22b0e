"""Our models against Hugging Face's with copied weights: GPT-2, also with unlike layers, and GPT-NeoX for HW-GPT."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, HWGPT

BLOCK_NAMES = {
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}
NEOX_NAMES = {
    "token_embedding": "gpt_neox.embed_in",
    "layers": "gpt_neox.layers",
    "attention_norm": "input_layernorm",
    "attention.qkv": "attention.query_key_value",
    "attention.out": "attention.dense",
    "mlp_norm": "post_attention_layernorm",
    "mlp.up": "mlp.dense_h_to_4h",
    "mlp.down": "mlp.dense_4h_to_h",
    "final_norm": "gpt_neox.final_layer_norm",
}


@pytest.fixture(scope="session")
def transformers() -> ModuleType:
    return pytest.importorskip("transformers")


def gpt2_config(transformers: ModuleType, arch: GPT2, layer: int = 0) -> object:
    return transformers.GPT2Config(
        n_embd=arch.d_model,
        n_layer=arch.n_layer,
        n_head=arch.n_head[layer],
        n_inner=arch.d_inner[layer],
        vocab_size=arch.vocab_size,
        n_positions=arch.context,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )


def randomise(model: torch.nn.Module) -> None:
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.normal_(1.0 if is_norm else 0.0, 0.15, generator=stream)


def from_gpt2(theirs: torch.nn.Module, arch: GPT2) -> dict[str, torch.Tensor]:
    given = theirs.state_dict()
    state = {
        "token_embedding.weight": given["transformer.wte.weight"],
        "position_embedding.weight": given["transformer.wpe.weight"],
        "final_norm.weight": given["transformer.ln_f.weight"],
        "final_norm.bias": given["transformer.ln_f.bias"],
    }
    for i in range(arch.n_layer):
        for ours, name in BLOCK_NAMES.items():
            for kind in ("weight", "bias"):
                tensor = given[f"transformer.h.{i}.{name}.{kind}"]
                state[f"layers.{i}.{ours}.{kind}"] = tensor.T if tensor.ndim == 2 else tensor
    return state


@pytest.fixture(scope="session", params=["like layers", "unlike layers"])
def gpt2_pair(request: pytest.FixtureRequest, transformers: ModuleType) -> tuple[models.LanguageModel, torch.nn.Module]:
    alike = request.param == "like layers"
    arch = GPT2(
        d_model=48,
        n_head=(4, 4, 4) if alike else (2, 6, 3),
        d_inner=(100, 100, 100) if alike else (64, 150, 37),
        vocab_size=120,
        context=20,
    )
    theirs = transformers.GPT2LMHeadModel(gpt2_config(transformers, arch))
    if not alike:
        block = type(theirs.transformer.h[0])
        theirs.transformer.h = torch.nn.ModuleList(
            block(gpt2_config(transformers, arch, i), layer_idx=i) for i in range(arch.n_layer)
        )
    randomise(theirs)
    theirs = theirs.double().eval()
    ours = models.build(arch, dtype="float64")
    ours.load_state_dict(from_gpt2(theirs, arch))
    return ours, theirs


def test_gpt2_logits(gpt2_pair: tuple[models.LanguageModel, torch.nn.Module]) -> None:
    ours, theirs = gpt2_pair
    tokens = torch.randint(120, (3, 20), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=0, atol=1e-10)


def test_gpt2_loss_and_gradients(gpt2_pair: tuple[models.LanguageModel, torch.nn.Module]) -> None:
    ours, theirs = gpt2_pair
    tokens = torch.randint(120, (3, 20), generator=torch.Generator().manual_seed(2))
    # Theirs is computed in float32 whatever the model's dtype.
    loss = ours.loss(tokens[:, :-1], tokens[:, 1:])
    expected = theirs(tokens, labels=tokens).loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    for name, block_name in BLOCK_NAMES.items():
        ours_grad = ours.get_submodule(f"layers.1.{name}").weight.grad
        theirs_grad = theirs.transformer.h[1].get_submodule(block_name).weight.grad
        theirs_grad = theirs_grad.T if theirs_grad.ndim == 2 else theirs_grad
        torch.testing.assert_close(ours_grad, theirs_grad, rtol=1e-4, atol=1e-7)


def test_gpt2_decoding_with_a_cache(gpt2_pair: tuple[models.LanguageModel, torch.nn.Module]) -> None:
    ours, theirs = gpt2_pair
    tokens = torch.randint(120, (2, 12), generator=torch.Generator().manual_seed(3))
    cache = ours.make_cache(2, 12)
    ours.prefill(tokens[:, :9], cache)
    with torch.no_grad():
        past = theirs(tokens[:, :9], use_cache=True).past_key_values
        for i in range(9, 12):
            step = theirs(tokens[:, i : i + 1], past_key_values=past, use_cache=True)
            torch.testing.assert_close(ours.decode(tokens[:, i : i + 1], cache), step.logits, rtol=0, atol=1e-10)


def test_intended_hwgpt_is_gpt_neox(transformers: ModuleType) -> None:
    arch = HWGPT(
        d_model=128, n_head=(2, 2), mlp_ratio=(3, 3), bias=True, network="intended", vocab_size=120, context=20
    )
    config = transformers.GPTNeoXConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=384,
        vocab_size=120,
        max_position_embeddings=20,
        hidden_act="gelu",
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
        use_parallel_residual=True,
        attention_bias=True,
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    theirs = transformers.GPTNeoXForCausalLM(config)
    randomise(theirs)
    theirs = theirs.double().eval()
    ours = models.build(arch, dtype="float64")
    state, given = {}, theirs.state_dict()
    for name in ours.state_dict():
        renamed = name
        for mine, name_there in NEOX_NAMES.items():
            renamed = renamed.replace(mine, name_there)
        state[name] = given[renamed]
    ours.load_state_dict(state)
    tokens = torch.randint(120, (3, 20), generator=torch.Generator().manual_seed(4))
    # Their rotation angles are in float32 whatever the model's dtype.
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=0, atol=2e-6)
