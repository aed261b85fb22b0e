"""What ask/tell algorithms share: which candidates were seen, which are out, and a place in the order for each.

Everything an algorithm proposes depends on the problem, its settings, the evaluations told (in order) and the number
asked and not yet told. So a study resumes by telling its log to a new instance, and a run that was cut off anywhere
goes on as if it had not been.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tradewind.core import Evaluation, Partial, Problem
from tradewind.search.fresh import Fresh
from tradewind.search.settings import Settings


class AskTell(ABC):
    """Base of the algorithms; a subclass says what to propose at a position and what to learn from an evaluation.

    The *position* of a proposal is the number of search evaluations told before it plus the number asked and not yet
    told. It names the proposal's random stream.

    Evaluations of another role (baselines, anchors) are marked as seen, so that they are not measured again, and
    nothing is learnt from them: a search comes out the same whether or not something is measured beside it.
    """

    settings_type: ClassVar[type[Settings]] = Settings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named groups of settings, e.g. those of a paper."""
    judges_constraints: ClassVar[bool] = False
    """Whether it looks at measured constraints itself; if not, it is told of what breaks one as having no values."""
    uses_fidelities: ClassVar[bool] = False
    """Whether it proposes `Partial`s and learns from evaluations in part; if not, it passes over those."""

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        self.problem = problem
        self.settings = settings or self.settings_type()
        self.fresh = Fresh(problem)
        self.told = 0
        self.seen: set[str] = set()
        self._out: set[str] = set()

    def ask(self, n: int = 1) -> list[Any]:
        """Up to `n` new feasible candidates of the space; fewer or none when no new one was found."""
        found: list[Any] = []
        while len(found) < n:
            proposal = self.propose(self.told + len(self._out))
            if proposal is None:
                break
            name = (proposal.candidate if isinstance(proposal, Partial) else proposal).id
            self.seen.add(name)
            self._out.add(name)
            found.append(proposal)
        return found

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn from finished evaluations, in their order; also from ones that were never asked for."""
        for evaluation in evaluations:
            name = evaluation.candidate.id
            self._out.discard(name)
            self.seen.add(name)
            if evaluation.role == "search" and (evaluation.fidelity is None or self.uses_fidelities):
                self.told += 1
                self.learn(evaluation)

    @abstractmethod
    def propose(self, position: int) -> Any | None:
        """A feasible candidate that is not in `seen`, a pure function of the state and the position; None for none.

        Where it `uses_fidelities`, also a `Partial`, or one in `seen` that is to go on.
        """

    @abstractmethod
    def learn(self, evaluation: Evaluation) -> None:
        """Take in one finished search evaluation, already counted in `told`."""
