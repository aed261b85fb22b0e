"""`python -m tradewind.evaluators.training_worker`: the host process that trains models of programs, one at a time."""

from __future__ import annotations

from typing import Any


def prepare() -> dict[str, Any]:
    """Load what every training needs, so that forks find it in place; returns the version of torch."""
    import gc

    import torch

    from tradewind.models.program import build
    from tradewind.programs import Sizes, resolve, transformer
    from tradewind.training import programs  # noqa: F401

    torch.set_num_interop_threads(1)
    torch.set_num_threads(1)
    sizes = Sizes(d_model=16, n_layer=1, vocab_size=16, context=8)
    resolve(transformer())
    model = build(transformer(), d_model=16, n_layer=1, vocab_size=16, context=8)
    tokens = torch.zeros(1, sizes.context, dtype=torch.int64)
    model.loss(tokens, tokens).backward()
    torch.optim.AdamW(model.parameters()).step()
    gc.freeze()
    return {"torch": torch.__version__}


if __name__ == "__main__":
    from tradewind.devices.host import serve
    from tradewind.training.programs import run

    serve(run, prepare)
