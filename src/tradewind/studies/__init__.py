"""The search loop, its storage, resume and progress."""

from tradewind.studies import benchmarked
from tradewind.studies.records import Damage
from tradewind.studies.stored import StoredStudy
from tradewind.studies.study import Study

__all__ = ["Damage", "StoredStudy", "Study"]

benchmarked.offer()
