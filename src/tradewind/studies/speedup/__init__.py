"""Speed-up of one block over another: how much less compute it needs to reach what the baseline reaches in the end."""

from tradewind.studies.speedup.experiment import Experiment, Size, Task
from tradewind.studies.speedup.run import run
from tradewind.studies.speedup.summary import summarise

__all__ = ["Experiment", "Size", "Task", "run", "summarise"]
