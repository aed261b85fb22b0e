"""From a trained model, ours or Hugging Face's, to a supernet, and from a sub-network to a recovered model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.models.supernet.families import FULL

from tradewind import costs, models
from tradewind.core import GPT2, UsageError
from tradewind.models.supernet.cuts import check
from tradewind.training import Recipe, TokenData, Trainer, save_model, tokenizer_json
from tradewind.training.supernet import (
    Examination,
    choose_tokenizer,
    examine,
    open_model,
    order_units,
    pruning_space,
)
from tradewind.training.tokenizers import BPETokenizer, ByteTokenizer

TOKENS = torch.randint(256, (2, 12), generator=torch.Generator().manual_seed(0))


def test_a_hugging_face_gpt2_at_full_size(text: TokenData, tmp_path: Path) -> None:
    """Logits of the supernet's largest network equal transformers', units reordered and all."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_embd=32, n_layer=3, n_head=4, vocab_size=256, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    theirs.save_pretrained(tmp_path)
    net = order_units(open_model(str(tmp_path)), text, batches=2, length=16)
    assert net.arch == GPT2(d_model=32, n_head=(4,) * 3, d_inner=(128,) * 3, vocab_size=256, context=16)
    with torch.no_grad():
        torch.testing.assert_close(net(TOKENS), theirs(TOKENS).logits, rtol=0, atol=2e-4)
    assert not torch.equal(net.model.token_embedding.weight, theirs.transformer.wte.weight)


@pytest.mark.parametrize("name", ["gpt2", "hwgpt-intended", "transformer-xl", "transformer-xl-one-table"])
def test_members_of_the_pruning_space_are_parts(name: str) -> None:
    full = FULL[name]
    if full.family != "hwgpt":
        full = full.replace(n_head=(4, 4, 4))
    space = pruning_space(full)
    for member in [*space.sample_many(40, seed=0), *space.baselines()[:0]]:
        check(full, member, range(member.n_layer))
        if full.family != "hwgpt":
            assert all(member.d_model // heads == full.d_model // 4 for heads in member.n_head)
    assert space.size() > 20


def test_a_model_of_the_hub_brings_its_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_object=BPETokenizer.from_json(tokenizer_json(ByteTokenizer()))._inner, eos_token="!"
    )
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", {"some/gpt2": theirs}.__getitem__)
    own = choose_tokenizer("some/gpt2", None)
    assert not isinstance(own, str)
    assert (own.encode("naïve"), own.end) == ([*"naïve".encode()], ord("!"))
    with pytest.raises(UsageError, match="leave --tokenizer out"):
        choose_tokenizer("some/gpt2", "bpe:300")
    assert choose_tokenizer(None, None) == "bytes"


def test_unlike_heads_have_no_common_size() -> None:
    with pytest.raises(UsageError, match=r"\[2, 4\] heads"):
        pruning_space(FULL["gpt2"])


def test_prune_and_recover(text: TokenData, tmp_path: Path) -> None:
    """Important units first beats the first units as they come; some training recovers a good part."""
    arch = GPT2(d_model=32, n_head=(4,) * 2, d_inner=(96,) * 2, vocab_size=256, context=16)
    dense = models.build(arch, seed=1)
    recipe = Recipe(steps=120, batch_size=8, length=16, learning_rate=1e-2)
    Trainer(dense, text, recipe).run()
    save_model(dense, tmp_path)
    net = order_units(open_model(str(tmp_path)), text, batches=4, length=16)
    windows = {"batches": 8, "batch_size": 8, "length": 16}
    cut = GPT2(d_model=32, n_head=(4,) * 2, d_inner=(32,) * 2, vocab_size=256, context=16)
    ordered = Examination(net, text, **windows)
    (pruned,) = examine(ordered, [cut])
    assert costs.params(cut) < costs.params(arch)
    assert pruned["loss"] < Examination(models.supernet.Supernet(dense), text, **windows).loss(cut)
    small = net.extract(cut)
    Trainer(small, text, recipe.replace(steps=30, learning_rate=3e-3)).run()
    assert ordered.loss_of(small) < pruned["loss"]
