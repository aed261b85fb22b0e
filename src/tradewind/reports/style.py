"""The look that every figure shares: colour-blind-safe colours, sizes, axes that say their unit and direction.

Colours: Okabe and Ito 2008, "Color Universal Design"; heat maps use cividis (Nunez, Anderton, Renslow 2018).
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import Objective, UsageError
from tradewind.core.files import write_bytes
from tradewind.pareto.wording import label, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, GREY = "#E69F00", "#56B4E9", "#F0E442", "#9AA0A6"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
"""Series in the order in which a figure should use them."""
FRONTIER, BASELINE, EVALUATED = BLUE, VERMILLION, GREY
HEAT = "cividis"

INK, FAINT = "#24292f", "#d8dee4"
DPI = 200
RC: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "figure.constrained_layout.use": True,
}


def figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches in the shared style; make its axes inside `rc_context`."""
    require_plot_extra()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def rc_context() -> Any:
    """The matplotlib settings of the shared style, as a context manager; nothing global changes."""
    require_plot_extra()
    import matplotlib as mpl

    return mpl.rc_context(RC)


def save(picture: Figure, path: Path, colours: int | None = None) -> Path:
    """Write a figure as PNG atomically; the same figure gives the same bytes.

    Reduced to `colours` (up to 256), a figure of many small panels takes a quarter of the space.
    """
    buffer = io.BytesIO()
    with rc_context():
        picture.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    if colours is not None:
        from PIL import Image

        with Image.open(buffer) as drawn:
            reduced = drawn.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        reduced.save(buffer, format="png", optimize=True)
    return write_bytes(path, buffer.getvalue())


def require_plot_extra() -> None:
    """Raise `UsageError` with the remedy where matplotlib or plotly is missing."""
    from importlib.util import find_spec

    missing = [name for name in ("matplotlib", "plotly") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"figures need {' and '.join(missing)}, which the base install leaves out; "
            "run: pip install 'tradewind[plot]'"
        )


def logarithmic(values: Iterable[float]) -> bool:
    """Whether values belong on a logarithmic axis: all positive and spread over at least a factor of ten."""
    array = np.fromiter(values, dtype=np.float64)
    return bool(len(array) and array.min() > 0 and array.max() >= 10 * array.min())


def log_ticks(values: Iterable[float]) -> list[float]:
    """Ticks for a logarithmic axis: 1, 2 and 5 times the powers of ten, the powers alone over many decades.

    >>> log_ticks([3.0, 60.0])
    [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    array = np.fromiter(values, dtype=np.float64)
    low, high = array.min(), array.max()
    decades = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 2)
    ticks = [step * 10.0**decade for decade in decades for step in ((1, 2, 5) if high < 200 * low else (1,))]
    return [tick for tick, after in itertools.pairwise(ticks) if after > low and tick < 2.5 * high]


def scale_axis(axes: Axes, which: str, values: Iterable[float]) -> None:
    """Choose the scale of the ``x`` or ``y`` axis after its values and write its ticks short (12.5 k, 3 M)."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    values = list(values)
    if logarithmic(values):
        axes.set(**{f"{which}scale": "log"})
        low, high = axis.get_view_interval()
        axis.set_ticks([tick for tick in log_ticks(values) if low <= tick <= high])
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def axis_label(objective: Objective) -> str:
    """Name, unit and the good direction of an objective."""
    return f"{label(objective)}, {'lower' if objective.minimise else 'higher'} is better"
