"""Search algorithms compared on benchmarks: equal evaluations, noise-free judgement, the exact optimum as reference."""

from tradewind.studies.compare.contest import Case, Contest, Contestant
from tradewind.studies.compare.run import run
from tradewind.studies.compare.statistics import Ranking
from tradewind.studies.compare.summary import Outcome, Summary, summarise

__all__ = ["Case", "Contest", "Contestant", "Outcome", "Ranking", "Summary", "run", "summarise"]
