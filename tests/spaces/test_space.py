from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tradewind import spaces
from tradewind.core import GPT2, HWGPT, InvalidArchitectureError, TransformerXL, UsageError
from tradewind.core.seeds import generator
from tradewind.testing.spaces import check_encoding, check_every_member, check_moves, check_sampling

ALL = spaces.names()


def every_gpt2(n_layer, d_model, d_inner, n_head, **constants):
    """Every GPT-2 with d_inner > 1.7 d_model and heads that divide the width."""
    for depth, width in itertools.product(n_layer, d_model):
        layers = [(f, h) for f in d_inner for h in n_head if Fraction(f) > Fraction(17, 10) * width and width % h == 0]
        for chosen in itertools.product(layers, repeat=depth):
            yield GPT2(d_model=width, d_inner=[f for f, _ in chosen], n_head=[h for _, h in chosen], **constants)


def every_transformer_xl(n_layer, d_model, d_inner, n_head, div_val=(4,), d_embed=(0,), **constants):
    for base in every_gpt2(n_layer, d_model, d_inner, n_head):
        for div, embed in itertools.product(div_val, d_embed):
            yield TransformerXL(
                d_model=base.d_model,
                d_inner=base.d_inner,
                n_head=base.n_head,
                div_val=div,
                d_embed=embed or base.d_model,
                **constants,
            )


def every_hwgpt(n_layer, d_model, n_head, mlp_ratio, bias=(False, True), **constants):
    for depth, width, b in itertools.product(n_layer, d_model, bias):
        for heads in itertools.product(n_head, repeat=depth):
            for ratios in itertools.product(mlp_ratio, repeat=depth):
                yield HWGPT(d_model=width, bias=b, n_head=heads, mlp_ratio=ratios, **constants)


@st.composite
def narrowed(draw, names=ALL, most=4):
    """A registered space with a few random choices left in each dimension, not empty."""
    space = spaces.get(draw(st.sampled_from(names)))
    choices = {}
    for dimension in space.dimensions:
        kept = draw(st.lists(st.sampled_from(dimension.choices), min_size=1, max_size=most, unique=True))
        choices[dimension.name] = kept
    if space.family == "transformer-xl":
        choices["div_val"] = draw(st.sampled_from([4, [1, 2], [1, 2, 4]]))
        choices["d_embed"] = draw(st.sampled_from([0, 128, [0, 128], [128, 256, 0], [960, 0]]))
    try:
        return space.narrow(**choices)
    except UsageError:
        assume(False)


@given(narrowed(), st.integers(0, 2**63))
def test_any_narrowing_keeps_every_promise(space, seed):
    check_sampling(space, seed, n=10)
    check_moves(space, seed, n_neighbours=10)
    check_encoding(space, seed, n=5)
    assert spaces.from_dict(space.to_dict()) == space
    assert hash(spaces.from_dict(space.to_dict())) == hash(space)


@given(
    st.sets(st.integers(1, 3), min_size=1),
    st.sets(st.sampled_from([128, 192, 256, 960]), min_size=1),
    st.sets(st.sampled_from([128, 192, 256, 384, 448, 1664]), min_size=1, max_size=3),
    st.sets(st.sampled_from([2, 4, 8]), min_size=1, max_size=2),
)
def test_gpt2_members_are_those_of_brute_force(n_layer, d_model, d_inner, n_head):
    expected = {a.id for a in every_gpt2(n_layer & {2, 3} or {2}, d_model, d_inner, n_head, vocab_size=99)}
    choices = {"n_layer": n_layer & {2, 3} or {2}, "d_model": d_model, "d_inner": d_inner, "n_head": n_head}
    if expected:
        check_every_member(spaces.get("gpt2", vocab_size=99, **choices), expected)
    else:
        with pytest.raises(UsageError, match="no architecture is left"):
            spaces.get("gpt2", vocab_size=99, **choices)


@given(
    st.sets(st.sampled_from([128, 192, 256]), min_size=1),
    st.sets(st.sampled_from([1, 2, 4]), min_size=1),
    st.sets(st.sampled_from([0, 128, 256]), min_size=1),
)
def test_transformer_xl_members_are_those_of_brute_force(d_model, div_val, d_embed):
    choices = {"n_layer": [2], "d_model": d_model, "d_inner": [256, 448], "n_head": [2, 8]}
    expected = {a.id for a in every_transformer_xl(**choices, div_val=div_val, d_embed=d_embed)}
    if expected:
        space = spaces.get("transformer-xl", **choices).narrow(div_val=div_val, d_embed=d_embed)
        check_every_member(space, expected)


def test_hwgpt_members_are_those_of_brute_force():
    choices = {"n_layer": [3], "d_model": [192, 768], "n_head": [4, 8], "mlp_ratio": [1, 2, 4]}
    expected = {a.id for a in every_hwgpt(**choices, network="intended")}
    check_every_member(spaces.get("hwgpt-s-wide", **choices, network="intended"), expected)


def test_heads_must_divide_a_width_of_ones_own():
    data = spaces.get("gpt2").to_dict()
    choices = {"n_layer": [1, 2], "d_model": [96, 100, 128], "n_head": [2, 3, 5, 8], "d_inner": [192, 256]}
    data["dimensions"] = [d | {"choices": choices[d["name"]]} for d in data["dimensions"]]
    check_every_member(spaces.from_dict(data), {a.id for a in every_gpt2(**choices)})


@given(narrowed(most=2))
def test_members_are_free_choices_of_the_layer_options(space):
    options = space.layer_options()
    assert space.size() == sum(len(batch) ** depth for batch in options for depth in space.depths)
    for batch in options:
        layers = list(batch)
        assert len({layer.id for layer in layers}) == len(layers)
        rng = generator(0, "layers")
        chosen = [layers[i] for i in rng.integers(len(layers), size=space.depths[-1])]
        per_layer = {name: [getattr(c, name)[0] for c in chosen] for name in layers[0].per_layer_fields()}
        space.validate(layers[0].replace(**per_layer))


@pytest.mark.parametrize("name", ALL)
def test_a_longer_sample_begins_with_the_shorter(name):
    space = spaces.get(name)
    many = space.sample_many(40, 3)
    assert list(space.sample_many(7, 3)) == list(many)[:7]
    assert space.sample(3) == many[0]


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl", "hwgpt-m"])
def test_samples_are_uniform_where_the_documentation_says_so(name):
    space = spaces.get(name)
    n = 40_000
    batch = space.sample_many(n, 11)

    def uniform(values, choices):
        counts = np.array([(values == c).sum() for c in choices])
        assert counts.sum() == len(values)
        expected = len(values) / len(choices)
        assert ((counts - expected) ** 2 / expected).sum() < 2.5 * len(choices) + 20  # far above chi-square's quantile

    uniform(batch.n_layer, space.dimension("n_layer").choices)
    uniform(batch.d_model, space.dimension("d_model").choices)
    uniform(batch.n_head[:, 0], space.dimension("n_head").choices)
    if name == "gpt2":
        one_width = batch[batch.d_model == 512]
        uniform(one_width.d_inner[:, 1], range(896, 4033, 64))


def test_batch_columns_equal_the_architectures():
    batch = spaces.get("transformer-xl").sample_many(30, 2)
    assert batch.d_embed.tolist() == [a.d_embed for a in batch]
    assert batch.d_model.tolist() == batch.d_embed.tolist()
    assert batch.layer_sum("d_inner").tolist() == [sum(a.d_inner) for a in batch]


def test_sampling_nothing_or_with_half_a_seed_is_refused():
    with pytest.raises(UsageError, match=r"the seed is 1\.5; it must be a whole number"):
        spaces.get("gpt2").sample(1.5)
    with pytest.raises(UsageError, match="at least 1"):
        spaces.get("gpt2").sample_many(0, 0)


def test_mutation_redraws_each_gene_with_its_probability():
    space = spaces.get("gpt2", n_layer=15)
    parent = space.sample(0)
    changed = np.zeros(2)
    for i in range(600):
        child = space.mutate(parent, generator(i), 0.3)
        if child.d_model == parent.d_model:
            changed += [
                sum(map(int.__ne__, child.n_head, parent.n_head)),
                sum(map(int.__ne__, child.d_inner, parent.d_inner)),
            ]
        else:
            assert all(10 * f > 17 * child.d_model for f in child.d_inner)
    # 3 choices, the present one among them: 0.3 * 2/3 of the heads change; d_inner has many more choices
    kept = sum(space.mutate(parent, generator(i), 0.3).d_model == parent.d_model for i in range(600))
    assert changed[0] / (kept * 15) == pytest.approx(0.2, abs=0.015)
    assert changed[1] / (kept * 15) == pytest.approx(0.3, abs=0.02)


def test_certain_mutation_is_a_fresh_draw():
    space = spaces.get("gpt2")
    parent = space.sample(0)
    children = [space.mutate(parent, generator(i), 1.0) for i in range(1400)]
    for name in ("d_model", "n_layer"):
        counts = [sum(getattr(c, name) == choice for c in children) for choice in space.dimension(name).choices]
        assert min(counts) > 65  # of 100 expected
        assert max(counts) < 145


def test_an_embedding_that_equals_the_width_follows_it_where_the_space_can_say_so():
    space = spaces.get("transformer-xl", n_layer=2, d_model="128,192", div_val=1, d_embed="0,128")
    arch = TransformerXL(d_model=128, n_head=(2, 2), d_inner=(384, 384), div_val=1)
    assert [c.d_embed for c in space.neighbours(arch) if c.d_model == 192] == [192]


def test_a_grown_width_raises_d_inner_to_the_least_that_is_allowed():
    space = spaces.get("gpt2")
    parent = GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 2048))
    wide = [c for c in space.neighbours(parent) if c.d_model == 960]
    assert wide == [GPT2(d_model=960, n_head=(2, 4), d_inner=(1664, 2048))]


def test_a_changed_depth_keeps_the_first_layers_or_repeats_the_last():
    space = spaces.get("gpt2", n_layer="2..4")
    arch = GPT2(d_model=128, n_head=(2, 4, 8), d_inner=(256, 320, 384))
    others = {c.n_layer: c for c in space.neighbours(arch) if c.n_layer != 3}
    assert others[2].d_inner == (256, 320)
    assert others[4].d_inner == (256, 320, 384, 384)
    assert others[4].n_head == (2, 4, 8, 8)


def test_neighbours_of_a_small_space_by_brute_force():
    space = spaces.get("gpt2", n_layer=2, d_model="128,192", d_inner="256..384", n_head="2,4")
    members = list(space.enumerate())
    for arch in members:
        expected = {
            other.id
            for other in members
            if (other.d_model == arch.d_model)
            and sum(map(int.__ne__, (*other.n_head, *other.d_inner), (*arch.n_head, *arch.d_inner))) == 1
        }
        repaired = arch.replace(
            d_model=192 if arch.d_model == 128 else 128,
            d_inner=[max(f, 384) for f in arch.d_inner] if arch.d_model == 128 else arch.d_inner,
        )
        assert {c.id for c in space.neighbours(arch)} == expected | {repaired.id}


def test_crossover_takes_each_layer_gene_from_a_parent():
    space = spaces.get("gpt2")
    a = GPT2(d_model=128, n_head=(2,) * 3, d_inner=(256,) * 3)
    b = GPT2(d_model=128, n_head=(8,) * 9, d_inner=(4032,) * 9)
    seen = set()
    for i in range(60):
        child = space.crossover(a, b, generator(i))
        assert child.n_layer in (3, 9)
        for layer, pair in enumerate(zip(child.n_head, child.d_inner, strict=True)):
            assert pair in ([(2, 256), (2, 4032), (8, 256), (8, 4032)] if layer < 3 else [(8, 4032)])
        seen.add(child.n_layer)
    assert seen == {3, 9}
    assert space.crossover(a, b, generator(0), 0.0) == a
    assert space.crossover(a, b, generator(0), 1.0) == b


def test_moves_of_a_stranger_are_refused():
    space = spaces.get("gpt2")
    stranger = GPT2(d_model=100, n_head=(2, 2), d_inner=(256, 256))
    for move in (
        space.encode,
        space.neighbours,
        lambda c: space.mutate(c, generator(0)),
        lambda c: space.crossover(c, c, generator(0)),
    ):
        with pytest.raises(InvalidArchitectureError, match=r"d_model is 100.*nearest 128"):
            move(stranger)


@pytest.mark.parametrize("bad", [[0.5], [np.nan] * 32, np.zeros((2, 16))])
def test_what_is_no_vector_is_refused(bad):
    with pytest.raises(UsageError, match="32 finite numbers"):
        spaces.get("gpt2").decode(np.array(bad))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gpt2", {"vocab_size": 7}, "vocab_size is 7; allowed 50257; nearest 50257"),
        (
            "gpt2",
            {"d_inner": (256, 128)},
            r"d_inner of layer 1 is 128; allowed 256..4032 step 64 with d_model 128 \(d_in",
        ),
        ("gpt2", {"d_inner": (260, 256)}, "d_inner of layer 0 is 260; allowed 256..4032 step 64; nearest 256"),
        ("gpt2", {"n_head": (2, 16)}, "n_head of layer 1 is 16; allowed 2,4,8; nearest 8"),
        ("gpt2", {"n_head": (2,), "d_inner": (256,)}, "n_layer is 1; allowed 2..15; nearest 2"),
        ("transformer-xl", {"d_embed": 64}, "d_embed is 64; allowed 128; nearest 128"),
        ("transformer-xl", {"cutoffs": (5, 7)}, r"cutoffs is \[5, 7\]; allowed \[19997, 39997, 199997\]"),
        ("hwgpt-s", {"network": "intended"}, "network is intended; allowed profiled; nearest profiled"),
        ("hwgpt-s", {"mlp_ratio": (2,) * 9 + (1,)}, "mlp_ratio of layer 9 is 1; allowed 2..4; nearest 2"),
    ],
)
def test_errors_name_the_field_the_allowed_values_and_the_nearest(name, change, message):
    arch = {
        "gpt2": GPT2(d_model=128, n_head=(2, 2), d_inner=(256, 256)),
        "transformer-xl": TransformerXL(d_model=128, n_head=(2, 2), d_inner=(256, 256)),
        "hwgpt-s": HWGPT(d_model=192, n_head=(4,) * 10, mlp_ratio=(2,) * 10),
    }[name]
    space = spaces.get(name)
    space.validate(arch)
    with pytest.raises(InvalidArchitectureError, match=message):
        space.validate(arch.replace(**change))


def test_a_shared_dimension_is_the_same_in_all_layers():
    space = spaces.from_dict(
        {
            "name": "even",
            "family": "gpt2",
            "dimensions": [
                {"name": "n_layer", "choices": [1, 3]},
                {"name": "d_model", "choices": [64]},
                {"name": "n_head", "choices": [2, 4]},
                {"name": "d_inner", "choices": [128, 256]},
            ],
        }
    )
    check_every_member(
        space,
        {
            GPT2(d_model=64, n_head=(h,) * n, d_inner=(f,) * n).id
            for n, h, f in itertools.product((1, 3), (2, 4), (128, 256))
        },
    )
    uneven = GPT2(d_model=64, n_head=(2, 4, 2), d_inner=(128,) * 3)
    with pytest.raises(InvalidArchitectureError, match=r"n_head is \[2, 4, 2\]; this space has one value for all"):
        space.validate(uneven)
