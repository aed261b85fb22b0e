"""Zero- and one-shot scores on lm-eval's tasks, one file a task, so that a stopped evaluation goes on.

The group `lts-14` holds the tasks of LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tradewind.core import TradewindError, UsageError
from tradewind.core.files import content_hash, read_json, write_json
from tradewind.models.base import LanguageModel
from tradewind.training.tokenizers import Tokenizer

GROUPS: dict[str, tuple[str, ...]] = {
    "lts-14": (
        "hellaswag", "piqa", "arc_easy", "arc_challenge", "openbookqa", "winogrande", "boolq", "cb", "copa", "wic",
        "wsc", "multirc", "rte", "record",
    )
}  # fmt: skip
"""Groups of tasks under names of our own; every task and group of lm-eval can be named as well."""
ACCURACIES = ("acc", "em")
"""The metric of a task that counts in the mean: the first of these that it has (ReCoRD has the second)."""
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def expand(names: Sequence[str]) -> tuple[str, ...]:
    """Tasks of names among which may be our groups; each once, in order.

    >>> len(expand(["lts-14", "piqa"]))
    14
    """
    tasks = tuple(dict.fromkeys(task for name in names for task in GROUPS.get(name, (name,))))
    if not tasks:
        raise UsageError(f"give at least one task or group, e.g. hellaswag,piqa or {', '.join(GROUPS)}")
    return tasks


def evaluate_tasks(
    model: LanguageModel,
    tokenizer: Tokenizer,
    tasks: Sequence[str],
    *,
    out: str | os.PathLike[str] | None = None,
    shots: int = 0,
    limit: int | None = None,
    batch_size: int = 8,
    include: str | os.PathLike[str] | None = None,
    offline: bool = False,
    seed: int = 0,
    report: Callable[[str, int, int], None] = lambda task, done, total: None,
) -> list[dict[str, Any]]:
    """The scores of a model, one entry a task: ``task``, ``metrics``, ``n`` documents and what they depend on.

    With a folder `out` each is kept in ``tasks/NAME.json`` there and not computed again for the same weights and
    settings. `shots` are examples in the prompt, `limit` documents a task at most, `include` a folder of task files in
    lm-eval's format, `seed` draws the examples. Data sets come from lm-eval's cache or, unless `offline`, the Hugging
    Face hub. `report` hears of the task, requests done and requests in all.

    Raises `UsageError` for an unknown task or where lm-eval is missing, `TradewindError` for a task that cannot be run.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; it must be at least 1")
    if shots < 0 or batch_size < 1:
        raise UsageError(f"shots {shots} must be at least 0 and batch_size {batch_size} at least 1")
    wanted = expand(tasks)
    settings = {"shots": shots, "limit": limit, "seed": seed, "weights": _weights(model), "tokenizer": tokenizer.name}
    if include is not None:
        settings["include"] = _files(Path(include))
    kept = {task: _kept(out, task, settings) for task in wanted}
    if all(kept.values()):
        return [entry for entry in kept.values() if entry]
    with _quiet(offline):
        manager = _manager(include, wanted)
        for task in wanted:
            if kept[task] is None:
                found = _run(model, tokenizer, task, manager, settings, batch_size, report)
                kept[task] = entry = {"task": task, **found, "settings": settings}
                if out is not None:
                    write_json(_file(out, task), entry)
    return [entry for entry in kept.values() if entry]


def mean_accuracy(entries: Sequence[dict[str, Any]]) -> float | None:
    """The mean over the tasks of their accuracy, None where none has one.

    >>> mean_accuracy([{"metrics": {"acc": 0.5, "f1": 0.1}}, {"metrics": {"em": 0.25}}, {"metrics": {"bleu": 3}}])
    0.375
    """
    found = [next((e["metrics"][m] for m in ACCURACIES if m in e["metrics"]), None) for e in entries]
    values = [value for value in found if value is not None]
    return sum(values) / len(values) if values else None


def _run(
    model: LanguageModel,
    tokenizer: Tokenizer,
    task: str,
    manager: Any,
    settings: dict[str, Any],
    batch_size: int,
    report: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Metrics with their standard errors, and the number of documents; a group's are the means that lm-eval makes."""
    from lm_eval import simple_evaluate

    from tradewind.training.harness import HarnessModel

    scored = HarnessModel(model, tokenizer, batch_size, report=lambda done, total: report(task, done, total))
    seed = settings["seed"]
    try:
        results = simple_evaluate(
            model=scored,
            tasks=[task],
            num_fewshot=settings["shots"],
            limit=settings["limit"],
            task_manager=manager,
            log_samples=False,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except TradewindError:
        raise
    except Exception as error:  # lm-eval and datasets raise all kinds
        lines = str(error).strip().splitlines()
        raise TradewindError(
            f"the task {task} could not be run ({type(error).__name__}: {lines[0] if lines else ''}); its data set "
            "comes from the Hugging Face hub: see that it can be reached or is in the cache, or give tasks of your own "
            "with --include"
        ) from error
    values = {name: value for name, value in results["results"][task].items() if isinstance(value, int | float)}
    # "acc,none" is a metric and its filter; the plain filter needs no name. The number of documents is no metric.
    metrics = {name.removesuffix(",none"): float(value) for name, value in values.items() if name != "sample_len"}
    documents = sum(n["effective"] for n in results["n-samples"].values())
    return {"metrics": {k: v for k, v in metrics.items() if v == v}, "n": documents}


def _manager(include: str | os.PathLike[str] | None, tasks: Sequence[str]) -> Any:
    """What finds the tasks; lm-eval's own thousands of files are read only where one is not in the folder."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise UsageError("scoring on tasks needs lm-eval; install it with: pip install 'tradewind[eval]'") from error
    folder = None if include is None else os.fspath(include)
    if folder is not None:
        own = TaskManager(include_path=folder, include_defaults=False)
        if set(tasks) <= set(own.all_tasks):
            return own
    manager = TaskManager(include_path=folder)
    for task in tasks:
        if task not in manager.all_tasks:
            near = get_close_matches(task, [*GROUPS, *manager.all_tasks], n=1)
            hint = f": did you mean {near[0]!r}?" if near else ";"
            raise UsageError(
                f"unknown task {task!r}{hint} {', '.join(GROUPS)} and {len(manager.all_tasks):,} of lm-eval are known"
            )
    return manager


def _file(out: str | os.PathLike[str], task: str) -> Path:
    return Path(out) / "tasks" / f"{task}.json"


def _kept(out: str | os.PathLike[str] | None, task: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The stored entry of a task, if it is of the same weights and settings."""
    if out is None or not _file(out, task).is_file():
        return None
    entry = read_json(_file(out, task))
    return entry if isinstance(entry, dict) and entry.get("settings") == settings else None


def _files(folder: Path) -> str:
    """A hash of what is in a folder of tasks, 16 hexadecimal digits; raises `UsageError` where there is none."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; give one with task files in lm-eval's format")
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts):
        with file.open("rb") as data:
            digest.update(f"{file.relative_to(folder)} {hashlib.file_digest(data, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _weights(model: LanguageModel) -> str:
    """A hash of architecture and weights, 16 hexadecimal digits."""
    digest = hashlib.sha256(content_hash(model.arch.to_dict()).encode())
    for name, parameter in model.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _quiet(offline: bool) -> Iterator[None]:
    """Keep the libraries' own bars and logs to themselves, and, if asked, from the network."""
    before = {name: os.environ.get(name) for name in (*_OFFLINE, "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")}
    os.environ |= {name: "1" for name in before if offline or name not in _OFFLINE}
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
