from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from tradewind import spaces
from tradewind.core.seeds import generator

SPACE = spaces.get("gpt2", n_layer="2..4", d_model="128,192", d_inner="384,448,512", n_head="2,4")


def genes(arch):
    return [arch.n_layer, arch.d_model, *arch.d_inner, *arch.n_head]


def test_steps_reach_all_neighbours_and_only_them_each_gene_as_often():
    arch = SPACE.sample(3)
    counts = Counter(SPACE.step(arch, generator(i)).id for i in range(4000))
    neighbours = SPACE.neighbours(arch)
    assert set(counts) == {c.id for c in neighbours}
    # n_layer, d_model, and a d_inner and an n_head in each layer
    n_genes = 2 + 2 * arch.n_layer
    in_depth = sum(counts[c.id] for c in neighbours if c.n_layer != arch.n_layer)
    in_heads = sum(counts[c.id] for c in neighbours if c.n_layer == arch.n_layer and c.n_head != arch.n_head)
    assert in_depth == pytest.approx(4000 / n_genes, rel=0.15)
    assert in_heads == pytest.approx(4000 * arch.n_layer / n_genes, rel=0.15)


def test_a_spread_step_gives_one_value_to_any_number_of_layers_of_one_dimension():
    space = SPACE.narrow(n_layer=4)
    arch = next(c for c in space.sample_many(50, 0) if len(set(c.d_inner)) == 1)
    changed = Counter()
    for i in range(3000):
        other = space.step(arch, generator(i), spread=True)
        at = [i for i, (a, b) in enumerate(zip(genes(arch), genes(other), strict=True)) if a != b]
        where = {0: "n_layer", 1: "d_model"}.get(at[0], "d_inner" if at[0] < 6 else "n_head")
        assert where == "d_model" or len({genes(other)[i] for i in at}) == 1
        changed[where, len(at)] += 1
    assert {where for where, _ in changed} == {"d_model", "d_inner", "n_head"}
    assert [changed["d_inner", n] for n in (1, 2, 3, 4)] == pytest.approx([250] * 4, rel=0.25)


def test_without_another_choice_a_step_leads_nowhere():
    space = spaces.get("gpt2", n_layer=2, d_model=128, d_inner=256, n_head=2)
    arch = space.sample(0)
    assert space.step(arch, generator(0)) == space.step(arch, generator(0), spread=True) == arch


def test_a_step_the_rules_forbid_leads_nowhere():
    """Only one width is wide enough for any d_inner here, so no layer has another choice."""
    space = spaces.get("gpt2", n_layer=2, d_model="128,960", d_inner="256,1664", n_head=2)
    arch = next(c for c in space.sample_many(20, 0) if c.d_model == 960)
    assert {space.step(arch, generator(i)).d_model for i in range(30)} == {128, 960}


@pytest.mark.parametrize("name", spaces.names())
def test_what_moves_build_is_what_the_family_checks(name):
    """Members are put together without checking them again: the family's own constructor makes the same."""
    space = spaces.get(name)
    for i, arch in enumerate(space.sample_many(10, 0)):
        for child in (space.step(arch, generator(i), True), space.mutate(arch, generator(i), 0.5)):
            checked = type(child)(**{f.name: getattr(child, f.name) for f in dataclasses.fields(child)})
            assert (checked, checked.id, hash(checked)) == (child, child.id, hash(child))
            assert checked.__dict__.keys() - {"id"} == child.__dict__.keys() - {"id"}
