"""Models as files that other programs run: ONNX graphs and Hugging Face folders; torch is imported when a name is used.

>>> from tradewind.models import export
>>> sorted(export.__all__)[:2]
['from_huggingface', 'largest_difference']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind._lazy import lazily

if TYPE_CHECKING:
    from tradewind.models.export.huggingface import from_huggingface as from_huggingface
    from tradewind.models.export.huggingface import write_huggingface as write_huggingface
    from tradewind.models.export.onnx_check import largest_difference as largest_difference
    from tradewind.models.export.onnx_check import largest_step_difference as largest_step_difference
    from tradewind.models.export.onnx_graph import write_onnx as write_onnx
    from tradewind.models.export.onnx_graph import write_onnx_decoder as write_onnx_decoder

_NAMES = {
    "from_huggingface": "tradewind.models.export.huggingface",
    "largest_difference": "tradewind.models.export.onnx_check",
    "largest_step_difference": "tradewind.models.export.onnx_check",
    "write_huggingface": "tradewind.models.export.huggingface",
    "write_onnx": "tradewind.models.export.onnx_graph",
    "write_onnx_decoder": "tradewind.models.export.onnx_graph",
}

__all__ = [*_NAMES]  # noqa: PLE0604


__getattr__ = lazily(__name__, _NAMES)
