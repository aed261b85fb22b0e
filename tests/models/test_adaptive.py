"""The adaptive embedding and softmax against a table of every word's probability, and against torch's own softmax."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tradewind.core import TransformerXL
from tradewind.models.adaptive import AdaptiveVocabulary

CASES = {
    "four clusters": {"cutoffs": (6, 12, 20), "div_val": 2},
    "own projections": {"cutoffs": (6, 12, 20), "div_val": 2, "tie_projs": False},
    "narrow": {"cutoffs": (6, 12), "div_val": 2, "d_embed": 4},
    "one table": {"cutoffs": (6, 12, 20), "div_val": 1},
    "one narrow table": {"cutoffs": (6, 12, 20), "div_val": 1, "d_embed": 4},
    "one narrow table, own projections": {"cutoffs": (6, 12, 20), "div_val": 1, "d_embed": 4, "tie_projs": False},
    "one cluster": {"cutoffs": (), "div_val": 2, "d_embed": 4},
    "plain": {"cutoffs": (), "div_val": 1},
}


def random_vocabulary(arch: TransformerXL) -> AdaptiveVocabulary:
    vocabulary = AdaptiveVocabulary(arch).double()
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in vocabulary.parameters():
            parameter.normal_(0, 1, generator=stream)
    return vocabulary


@pytest.fixture(params=CASES, ids=str)
def arch(request: pytest.FixtureRequest) -> TransformerXL:
    shape = {"d_model": 8, "n_head": (2,), "d_inner": (8,), "vocab_size": 30}
    return TransformerXL(**(shape | CASES[request.param]))


class Table:
    """The layout read once more: which table, row and projections belong to a word."""

    def __init__(self, arch: TransformerXL, vocabulary: AdaptiveVocabulary) -> None:
        self.arch = arch
        self.w = {name: tensor.numpy() for name, tensor in vocabulary.state_dict().items()}
        self.edges = (0, *arch.cutoffs, arch.vocab_size)

    def cluster(self, word: int) -> int:
        return next(k for k, end in enumerate(self.edges[1:]) if word < end)

    def row(self, word: int) -> np.ndarray:
        if self.arch.div_val == 1:
            return self.w["tables.0"][word]
        return self.w[f"tables.{self.cluster(word)}"][word - self.edges[self.cluster(word)]]

    def embedding_projection(self, k: int) -> np.ndarray:
        if self.arch.div_val == 1:
            return self.w.get("embedding_projections.0", np.eye(self.arch.d_model))
        return self.w[f"embedding_projections.{k}"]

    def softmax_projection(self, k: int) -> np.ndarray:
        if self.arch.div_val == 1 and self.arch.d_embed == self.arch.d_model:
            return np.eye(self.arch.d_model)
        if k == 0 or not self.arch.tie_projs:
            return self.w[f"softmax_projections.{k}"]
        return self.embedding_projection(k)

    def score(self, hidden: np.ndarray, word: int) -> float:
        narrow = self.softmax_projection(self.cluster(word)).T @ hidden
        return float(self.row(word) @ narrow + self.w["bias"][word])

    def probabilities(self, hidden: np.ndarray) -> np.ndarray:
        """p(word) for every word, one at a time."""
        first = np.exp([self.score(hidden, word) for word in range(self.edges[1])])
        narrow = self.softmax_projection(0).T @ hidden
        later = [
            np.exp(self.w["cluster_weight"][-k] @ narrow + self.w["cluster_bias"][-k])
            for k in range(1, len(self.edges) - 1)
        ]
        total = first.sum() + sum(later)
        table = list(first / total)
        for k, (start, stop) in enumerate(itertools.pairwise(self.edges[1:])):
            inside = np.exp([self.score(hidden, word) for word in range(start, stop)])
            table.extend(later[k] / total * inside / inside.sum())
        return np.array(table)


def test_embedding_of_every_word(arch: TransformerXL) -> None:
    vocabulary = random_vocabulary(arch)
    table = Table(arch, vocabulary)
    found = vocabulary.embed(torch.arange(30).view(5, 6)).detach().numpy().reshape(30, 8)
    for word in range(30):
        expected = np.sqrt(8) * (table.embedding_projection(table.cluster(word)) @ table.row(word))
        np.testing.assert_allclose(found[word], expected, rtol=0, atol=1e-12)


def test_probability_of_every_word(arch: TransformerXL) -> None:
    vocabulary = random_vocabulary(arch)
    table = Table(arch, vocabulary)
    hidden = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = vocabulary.log_probabilities(hidden).exp().detach().numpy()
    np.testing.assert_allclose(found.sum(-1), 1)
    for b, t in itertools.product(range(2), range(3)):
        np.testing.assert_allclose(found[b, t], table.probabilities(hidden[b, t].numpy()), rtol=1e-10, atol=0)


@pytest.mark.parametrize("words", [range(30), range(6), range(20, 30), [29]], ids=str)
def test_loss(arch: TransformerXL, words: list[int]) -> None:
    vocabulary = random_vocabulary(arch)
    table = Table(arch, vocabulary)
    hidden = torch.randn(len(words), 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = vocabulary.loss(hidden, torch.tensor(words))
    surprise = [-np.log(table.probabilities(h.numpy())[word]) for h, word in zip(hidden, words, strict=True)]
    assert found.item() == pytest.approx(np.mean(surprise), rel=1e-12)


@pytest.mark.parametrize("div_val", [2, 4])
def test_torchs_adaptive_softmax(div_val: int) -> None:
    arch = TransformerXL(
        d_model=16, n_head=(2,), d_inner=(8,), vocab_size=50, cutoffs=(10, 25), div_val=div_val, tie_projs=False
    )
    ours = random_vocabulary(arch)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 50, [10, 25], div_value=div_val, head_bias=True).double()
    with torch.no_grad():
        ours.bias[10:] = 0
        first = torch.cat([ours.tables[0], ours.cluster_weight.flip(0)])
        theirs.head.weight.copy_(first @ ours.softmax_projections[0].T)
        theirs.head.bias.copy_(torch.cat([ours.bias[:10], ours.cluster_bias.flip(0)]))
        for k, (narrow, words) in enumerate(theirs.tail, start=1):
            narrow.weight.copy_(ours.softmax_projections[k].T)
            words.weight.copy_(ours.tables[k])
    hidden = torch.randn(40, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    targets = torch.arange(40)
    torch.testing.assert_close(ours.log_probabilities(hidden), theirs.log_prob(hidden), rtol=0, atol=1e-10)
    torch.testing.assert_close(ours.loss(hidden, targets), theirs(hidden, targets).loss, rtol=0, atol=1e-10)
