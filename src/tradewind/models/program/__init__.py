"""PyTorch models of programs: `lower` makes a torch.fx block of a graph, `build` a language model of such blocks.

>>> from tradewind import programs
>>> from tradewind.models import program
>>> model = program.build(programs.primer_ez(), d_model=64, n_layer=2, vocab_size=100, context=32, init="meta")
>>> sum(p.numel() for p in model.parameters())
109184
"""

from tradewind.models.program.lowering import lower
from tradewind.models.program.model import ProgramModel, build

__all__ = ["ProgramModel", "build", "lower"]
