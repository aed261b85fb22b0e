"""GPT-2 to and from a Hugging Face folder: config.json, generation_config.json, model.safetensors, tokenizer files.

Names and layout are those of `transformers`' GPT2LMHeadModel, whose Conv1D holds the transpose of our linear weights.
Reading and writing a folder needs no `transformers`; only a model of the hub, given by name, is fetched through it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tradewind.core import GPT2, Architecture, FileFormatError, UsageError
from tradewind.core.files import read_json, write_bytes, write_json, write_text
from tradewind.models.base import TokenModel
from tradewind.models.factory import build
from tradewind.models.gpt2 import GPT2Model

WEIGHTS = "model.safetensors"
_PREFIX = "transformer."
_WHOLE = {
    "token_embedding.weight": "wte.weight",
    "position_embedding.weight": "wpe.weight",
    "final_norm.weight": "ln_f.weight",
    "final_norm.bias": "ln_f.bias",
}
_BLOCK = {
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}
_ACTIVATIONS = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "vanilla", "relu2": "squared-relu"}
"""Hugging Face's names of activations and the block of the gpt2 family that has them."""
_REQUIRED: dict[str, tuple[Any, ...]] = {
    "activation_function": tuple(_ACTIVATIONS),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
"""What a configuration must say, or leave out, for our GPT-2 to compute the same; the first value is the default."""


def write_huggingface(
    model: TokenModel, folder: str | os.PathLike[str], *, tokenizer: str | None = None, end: int | None = None
) -> Path:
    """Write a GPT-2 whose layers are alike as a folder that ``AutoModelForCausalLM.from_pretrained`` reads offline.

    `tokenizer` is the JSON of the `tokenizers` library, `end` the id of the token that ends a document, if known.
    Raises `UsageError` for another family, and for unlike layers with the first layer and field that differ.

    >>> import tempfile
    >>> model = build(GPT2(d_model=64, n_head=(2,), d_inner=(128,), vocab_size=10, context=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in write_huggingface(model, folder).iterdir())
    ['config.json', 'generation_config.json', 'model.safetensors']
    """
    check_exportable(getattr(model, "arch", None))
    assert isinstance(model, GPT2Model)
    arch, target = model.arch, Path(folder)
    generation = {"bos_token_id": end, "eos_token_id": end, "max_length": arch.context}
    state = model.state_dict()
    turned = {theirs: _turned(ours, state[ours]) for ours, theirs in _names(arch).items()}
    write_bytes(target / WEIGHTS, _serialised(turned))
    write_json(target / "generation_config.json", generation)
    if tokenizer is not None:
        write_text(target / "tokenizer.json", tokenizer)
        write_json(target / "tokenizer_config.json", _tokenizer_config(arch))
    # Last, so that a folder with a configuration is whole.
    write_json(target / "config.json", _config(arch, str(model.dtype).removeprefix("torch."), end))
    return target


def check_exportable(arch: Any) -> None:
    """Raise `UsageError` unless Hugging Face's GPT-2 can have the shape of an architecture."""
    instead = "write it as ONNX, which takes every architecture: tradewind export onnx"
    if not isinstance(arch, GPT2):
        what = f"a {arch.family} architecture" if isinstance(arch, Architecture) else "this model"
        raise UsageError(f"{what} has no class in transformers; {instead}")
    for layer, block in enumerate(arch.block):
        if block not in _ACTIVATIONS.values():
            raise UsageError(f"layer {layer} has block {block}, which Hugging Face's GPT-2 has not; {instead}")
    for field in ("n_head", "d_inner", "block"):
        values = getattr(arch, field)
        for layer, value in enumerate(values):
            if value != values[0]:
                raise UsageError(
                    f"layer {layer} has {field} {value} and layer 0 has {values[0]}, but Hugging Face's GPT-2 has one "
                    f"for all layers; {instead}, or make the layers alike"
                )


def from_huggingface(source: str | os.PathLike[str]) -> GPT2Model:
    """The model of a Hugging Face GPT-2, in evaluation mode, float32, with its weights; its shape is ``model.arch``.

    `source` is a folder with config.json and model.safetensors, or else the name of a model of the hub, which
    `transformers` finds in its cache or fetches. Raises `FileFormatError` for a folder that holds none and `UsageError`
    for a configuration that computes something else than GPT-2.
    """
    folder = Path(source)
    if folder.is_dir():
        config = read_json(folder / "config.json")
        arch = _architecture(config, str(folder))
        return _filled(arch, _read(folder / WEIGHTS), str(folder))
    theirs = _of_hub("AutoModelForCausalLM", str(source))
    return _filled(_architecture(theirs.config.to_dict(), str(source)), theirs.state_dict(), str(source))


def hub_tokenizer(name: str) -> tuple[str, int | None]:
    """The tokenizer of a model of the hub as JSON of the `tokenizers` library, and the id that ends a document."""
    theirs = _of_hub("AutoTokenizer", name)
    return theirs.backend_tokenizer.to_str(), theirs.eos_token_id


def _of_hub(kind: str, name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            f"{name} is no folder, and models of the hub need transformers: pip install 'tradewind[hf]'"
        ) from error
    try:
        return getattr(transformers, kind).from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{name} is neither a folder nor a model that transformers finds ({reason})") from error


def _config(arch: GPT2, dtype: str, end: int | None) -> dict[str, Any]:
    return {
        **{name: allowed[0] for name, allowed in _REQUIRED.items()},
        "activation_function": next(name for name, block in _ACTIVATIONS.items() if block == arch.block[0]),
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_embd": arch.d_model,
        "n_layer": arch.n_layer,
        "n_head": arch.n_head[0],
        "n_inner": arch.d_inner[0],
        "n_positions": arch.context,
        "vocab_size": arch.vocab_size,
        "dtype": dtype,
        "bos_token_id": end,
        "eos_token_id": end,
        **dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), 0.0),
    }


def _tokenizer_config(arch: GPT2) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": arch.context,
        "clean_up_tokenization_spaces": False,
    }


def _architecture(config: Any, origin: str) -> GPT2:
    """The shape that a configuration describes."""
    kind = config.get("model_type") if isinstance(config, Mapping) else None
    if kind != "gpt2":
        raise UsageError(f"{origin} holds a model of type {kind!r}; only gpt2 can be read")
    for name, allowed in _REQUIRED.items():
        if config.get(name, allowed[0]) not in allowed:
            raise UsageError(
                f"{origin} has {name} {config[name]!r}, which our GPT-2 does not compute; it can be "
                f"{' or '.join(map(repr, allowed))}"
            )
    try:
        width, layers = config["n_embd"], config["n_layer"]
        heads, inner = config["n_head"], config.get("n_inner") or 4 * width
        context = config.get("n_positions") or config["n_ctx"]
        block = _ACTIVATIONS[config.get("activation_function", "gelu_new")]
        return GPT2(
            d_model=width,
            n_head=(heads,) * layers,
            d_inner=(inner,) * layers,
            block=(block,) * layers,
            vocab_size=config["vocab_size"],
            context=context,
        )
    except KeyError as error:
        raise FileFormatError(f"{origin}: the configuration lacks {error}; it is no whole GPT-2") from error


def _filled(arch: GPT2, given: Mapping[str, Tensor], origin: str) -> GPT2Model:
    """The model with weights under Hugging Face's names, with or without their prefix."""
    theirs = {name.removeprefix(_PREFIX): tensor for name, tensor in given.items()}
    model = build(arch, init="meta").to_empty(device="cpu")
    with torch.no_grad():
        for ours, name in _names(arch).items():
            parameter, tensor = model.get_parameter(ours), theirs.get(name.removeprefix(_PREFIX))
            if tensor is None:
                raise FileFormatError(f"{origin}: {name} is missing among the weights; it is no whole GPT-2")
            turned = _turned(ours, tensor)
            if turned.shape != parameter.shape:
                raise FileFormatError(
                    f"{origin}: {name} has the shape {tuple(tensor.shape)}, which the configuration does not describe"
                )
            parameter.copy_(turned)
    assert isinstance(model, GPT2Model)
    return model


def _names(arch: GPT2) -> dict[str, str]:
    """Our name of each parameter and Hugging Face's."""
    names = {ours: _PREFIX + theirs for ours, theirs in _WHOLE.items()}
    for layer in range(arch.n_layer):
        for ours, theirs in _BLOCK.items():
            for kind in ("weight", "bias"):
                names[f"layers.{layer}.{ours}.{kind}"] = f"{_PREFIX}h.{layer}.{theirs}.{kind}"
    return names


def _turned(ours: str, tensor: Tensor) -> Tensor:
    """A tensor in the other layout: the matrices of the blocks are transposed."""
    return tensor.T if ours.startswith("layers.") and tensor.ndim == 2 else tensor


def _serialised(state: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, {"format": "pt"})


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise FileFormatError(f"there is no {path}; give a folder with weights in safetensors, in one file")
    with contextlib.suppress(SafetensorError):
        return load_file(path)
    raise FileFormatError(f"{path} is no readable safetensors file; fetch it again")
