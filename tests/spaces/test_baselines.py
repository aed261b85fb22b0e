from __future__ import annotations

from tradewind import spaces
from tradewind.core import GPT2, HWGPT, TransformerXL


def test_gpt2_has_the_papers_width_and_all_depths():
    baselines = spaces.get("gpt2", n_layer="4..7").baselines()
    assert baselines == [GPT2(d_model=1024, n_head=(8,) * n, d_inner=(2048,) * n) for n in range(1, 8)]


def test_transformer_xl_has_the_papers_width_and_the_spaces_constants():
    baselines = spaces.get("transformer-xl", vocab_size=9000, cutoffs="1000,3000").baselines()
    assert len(baselines) == 16
    assert baselines[1] == TransformerXL(
        d_model=512, n_head=(8, 8), d_inner=(2048, 2048), vocab_size=9000, cutoffs=(1000, 3000)
    )
    opened = spaces.get("transformer-xl", div_val="1,2,4", d_embed="128,256")
    assert {(b.div_val, b.d_embed) for b in opened.baselines()} == {(4, 512)}


def test_a_narrowed_space_is_compared_at_its_own_width():
    assert spaces.get("gpt2", d_model="128..256", vocab_size=500).baselines()[2] == GPT2(
        d_model=256, n_head=(8,) * 3, d_inner=(512,) * 3, vocab_size=500
    )
    assert spaces.get("transformer-xl", d_model="128,448").baselines()[0].d_inner == (1792,)
    assert spaces.get("transformer-xl", d_model="128,512").baselines()[0].d_inner == (2048,)


def test_a_width_that_eight_heads_do_not_divide_gets_fewer():
    data = spaces.get("gpt2").to_dict()
    data["dimensions"] = [d | {"choices": [100]} if d["name"] == "d_model" else d for d in data["dimensions"]]
    assert spaces.from_dict(data).baselines()[0].n_head == (5,)


def test_hwgpt_is_compared_with_its_largest_layers_at_its_depths():
    space = spaces.get("hwgpt-s")
    baselines = space.baselines()
    assert [b.n_layer for b in baselines] == [10, 11, 12]
    assert baselines[-1] == HWGPT(d_model=768, n_head=(12,) * 12, mlp_ratio=(4,) * 12, bias=True)
    assert all(map(space.contains, baselines))
