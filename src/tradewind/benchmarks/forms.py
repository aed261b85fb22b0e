"""The two forms in which HW-GPT-Bench's release writes an architecture, read into ours and written from it.

Source: Sukthanker et al. 2024, arXiv 2405.10299, and its released code.

dictionary  `sample_embed_dim`, `sample_n_layer`, `sample_layer_indices`, `sample_n_head` and `sample_mlp_ratio` (one
            entry a layer of the *deepest* network of the scale; entries past `sample_n_layer` are dead), `sample_bias`
            ("True" or "False", a string: so that a false one is still true to Python)
string      ``gpt-{scale}-{L}-{e}-{m1..mL}-{h1..hL}-{bias}``, joined by hyphens; the key of the released measurements

Ours has no dead entries: two dictionaries of one network are one Architecture.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind import spaces
from tradewind.core import HWGPT, Architecture, FileFormatError, InvalidArchitectureError, unknown

SCALES = ("s", "m", "l", "s_wide", "m_wide", "l_wide")
"""The release's names of the scales; our spaces are called ``hwgpt-s``, ``hwgpt-s-wide`` and so on."""

_DICT_KEYS = ("sample_embed_dim", "sample_n_layer", "sample_n_head", "sample_mlp_ratio", "sample_bias")


def space_of(scale: str) -> spaces.ArchitectureSpace:
    """The space of a scale by the release's name; raises `UsageError`."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    return spaces.get(f"hwgpt-{scale.replace('_', '-')}")


def scale_of(arch: Architecture) -> str:
    """The first scale whose space holds the architecture; raises `InvalidArchitectureError`.

    >>> scale_of(HWGPT(d_model=384, n_head=(4,) * 10, mlp_ratio=(2,) * 10))
    's'
    """
    profiled = arch.replace(network="profiled") if isinstance(arch, HWGPT) else arch
    for scale in SCALES:
        if space_of(scale).contains(profiled):
            return scale
    raise InvalidArchitectureError(
        f"the architecture {arch.id} lies in none of the released scales ({', '.join(SCALES)}); "
        "`tradewind spaces describe hwgpt-s` shows what they hold"
    )


def to_released_dict(arch: Architecture) -> dict[str, Any]:
    """The release's dictionary, lists as long as the scale's deepest network, dead entries the scale's smallest choice.

    Raises `InvalidArchitectureError` outside every released scale.

    >>> config = to_released_dict(HWGPT(d_model=384, n_head=(12,) * 10, mlp_ratio=(3,) * 10, bias=True))
    >>> config["sample_n_head"][8:], config["sample_bias"]
    ([12, 12, 4, 4], 'True')
    """
    space = space_of(scale_of(arch))
    dead = max(space.depths) - arch.n_layer
    return {
        "sample_embed_dim": arch.d_model,
        "sample_n_layer": arch.n_layer,
        "sample_layer_indices": list(range(arch.n_layer)),
        "sample_n_head": [*arch.n_head, *[min(space.dimension("n_head").choices)] * dead],
        "sample_mlp_ratio": [*_of(arch).mlp_ratio, *[min(space.dimension("mlp_ratio").choices)] * dead],
        "sample_bias": str(_of(arch).bias),
    }


def from_released_dict(config: Mapping[str, Any], network: str = "profiled") -> HWGPT:
    """The architecture of the release's dictionary; dead entries are ignored.

    `sample_layer_indices` may be missing; the release keeps the first layers, and so must it. Raises `FileFormatError`
    for a missing or malformed key.

    >>> config = {"sample_embed_dim": 384, "sample_n_layer": 2, "sample_n_head": [4, 8, 12],
    ...           "sample_mlp_ratio": [2, 3, 4], "sample_bias": "False"}
    >>> from_released_dict(config).n_head
    (4, 8)
    """
    for key in _DICT_KEYS:
        if key not in config:
            raise FileFormatError(f"a released architecture has the key {key!r}; got {', '.join(map(str, config))}")
    depth = _whole(config["sample_n_layer"], "sample_n_layer")
    indices = config.get("sample_layer_indices")
    if indices is not None and list(indices)[:depth] != list(range(depth)):
        raise FileFormatError(
            f"sample_layer_indices is {list(indices)}; the released networks keep their first {depth} layers, "
            f"0 to {depth - 1}"
        )
    return HWGPT(
        d_model=_whole(config["sample_embed_dim"], "sample_embed_dim"),
        n_head=_live(config["sample_n_head"], depth, "sample_n_head"),
        mlp_ratio=_live(config["sample_mlp_ratio"], depth, "sample_mlp_ratio"),
        bias=_truth(config["sample_bias"]),
        network=network,
    )


def to_released_string(arch: Architecture) -> str:
    """The key under which the release files an architecture's measurements; raises `InvalidArchitectureError`.

    >>> to_released_string(HWGPT(d_model=192, n_head=(4,) * 10, mlp_ratio=(2,) * 10))
    'gpt-s-10-192-2-2-2-2-2-2-2-2-2-2-4-4-4-4-4-4-4-4-4-4-False'
    """
    parts = (scale_of(arch), arch.n_layer, arch.d_model, *_of(arch).mlp_ratio, *arch.n_head, _of(arch).bias)
    return "-".join(["gpt", *map(str, parts)])


def from_released_string(text: str, network: str = "profiled") -> HWGPT:
    """The architecture of a released key, which must lie in the scale that it names.

    Raises `FileFormatError` for a malformed key and `InvalidArchitectureError` for one outside its scale.

    >>> from_released_string("gpt-s-10-192" + "-2" * 10 + "-4" * 10 + "-True").bias
    True
    """
    parts = text.split("-")
    if len(parts) < 5 or parts[0] != "gpt":
        raise FileFormatError(f"{text[:80]!r} is no released architecture; it reads gpt-scale-L-e-m1..mL-h1..hL-bias")
    space = space_of(parts[1])
    for part in parts[2:-1]:
        if not re.fullmatch("[1-9][0-9]{0,3}", part):
            raise FileFormatError(f"{part[:40]!r} in {text[:80]!r} must be a whole number from 1 to 9999")
    depth, width, *layers = map(int, parts[2:-1])
    if len(layers) != 2 * depth:
        raise FileFormatError(f"{text[:80]!r} has {len(layers)} layer entries; {depth} layers need {2 * depth}")
    arch = HWGPT(d_model=width, mlp_ratio=tuple(layers[:depth]), n_head=tuple(layers[depth:]), bias=_truth(parts[-1]))
    space.validate(arch)
    return dataclasses.replace(arch, network=network)


def _of(arch: Architecture) -> HWGPT:
    if not isinstance(arch, HWGPT):
        raise InvalidArchitectureError(f"HW-GPT-Bench holds architectures of the family hwgpt; got {arch.family}")
    return arch


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise FileFormatError(f"{name} must be a whole number; got {str(value)[:40]!r}") from None
    if isinstance(value, float) and value != number:
        raise FileFormatError(f"{name} must be a whole number; got {value}")
    return number


def _live(values: Any, depth: int, name: str) -> tuple[int, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) < depth:
        raise FileFormatError(f"{name} must be a list with at least one entry for each of the {depth} layers")
    return tuple(_whole(value, name) for value in values[:depth])


def _truth(value: Any) -> bool:
    """True and False, and the strings that the release writes for them."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise FileFormatError(f"sample_bias must be 'True' or 'False'; got {str(value)[:40]!r}")
