"""Spaces of architectures as plain data: sample, count, enumerate, validate, mutate, cross over, encode, narrow."""

from tradewind.spaces.baselines import Baseline
from tradewind.spaces.choices import Range, parse_choices
from tradewind.spaces.dimension import Dimension, Rule
from tradewind.spaces.genes import Gene, gene_values, genes
from tradewind.spaces.registry import describe, from_dict, get, names
from tradewind.spaces.space import ArchitectureSpace

__all__ = [
    "ArchitectureSpace",
    "Baseline",
    "Dimension",
    "Gene",
    "Range",
    "Rule",
    "describe",
    "from_dict",
    "gene_values",
    "genes",
    "get",
    "names",
    "parse_choices",
]
