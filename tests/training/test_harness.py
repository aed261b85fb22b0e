"""lm-eval's interface over our models, and a task in its own format, against scores computed one token at a time."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, HWGPT, TradewindError, TransformerXL, UsageError
from tradewind.training.tasks import evaluate_tasks, expand
from tradewind.training.tokenizers import ByteTokenizer

pytest.importorskip("lm_eval")
ARCHS = {
    "gpt2": GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=256, context=24),
    "hwgpt": HWGPT(d_model=16, n_head=(1,), mlp_ratio=(2,), vocab_size=256, context=24),
    "transformer-xl": TransformerXL(
        d_model=16, n_head=(2,), d_inner=(32,), vocab_size=256, cutoffs=(64,), context=24, mem_len=0
    ),
}
QUESTIONS = [
    ("The ship sails with the", [" wind", " stone", " spoon"], 0),
    ("Two and two are", [" five", " four"], 1),
    ("A rope is tied in a", [" knot", " cloud that nobody has ever seen in the sky"], 0),
    ("", ["yes", "no"], 1),
    ("Short", [" a", " b", " c", " d"], 2),
]


def made(family: str = "gpt2", seed: int = 0) -> models.LanguageModel:
    model = models.build(ARCHS[family])
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5, generator=stream)
    return model


@pytest.fixture
def harness() -> type[Any]:
    from tradewind.training.harness import HarnessModel

    return HarnessModel


def request(*arguments: Any) -> Any:
    return SimpleNamespace(args=arguments)


def slowly(model: models.LanguageModel, before: list[int], wanted: list[int]) -> tuple[float, bool]:
    """Log-probability and greediness of tokens that follow others, one forward a token, in windows as documented."""
    total, greedy, longest = 0.0, True, model.arch.context
    whole = before + wanted
    for start in range(len(before), len(whole), longest):
        stop = min(start + longest, len(whole))
        first = max(0, stop - longest - 1)
        for position in range(start, stop):
            with torch.no_grad():
                logits = model(torch.tensor([whole[first:position]]))[0, -1]
            total += float(logits.log_softmax(-1)[whole[position]])
            greedy &= int(logits.argmax()) == whole[position]
    return total, greedy


@pytest.mark.parametrize("family", ARCHS)
def test_log_likelihoods_are_those_of_the_model(harness: type[Any], family: str) -> None:
    model = made(family)
    best = model(torch.tensor([list(b"ab")]))[0, -1].argmax()
    likely = bytes([int(best)]).decode("latin-1") if best < 128 else "z"
    pairs = [("ab", likely), ("Lee", "ward"), ("x" * 40, " far"), ("", "Anchor"), ("a ", "b"), ("mast", "long " * 12)]
    found = harness(model, ByteTokenizer(), batch_size=4).loglikelihood([request(*pair) for pair in pairs], True)
    for (context, continuation), (value, greedy) in zip(pairs, found, strict=True):
        # lm-eval moves spaces at the end of a context to the continuation.
        spaces = context[len(context.rstrip()) :]
        expected = slowly(model, list(context.rstrip().encode()) or [0], list((spaces + continuation).encode()))
        assert value == pytest.approx(expected[0], abs=1e-3)
        assert greedy == expected[1]


def test_whole_texts_are_scored_once_a_token(harness: type[Any]) -> None:
    model, text = made(), "The wind that fills the sail is never seen, only what it moves. " * 2
    (found,) = harness(model, ByteTokenizer(), batch_size=2).loglikelihood_rolling([request(text)])
    assert found == pytest.approx(slowly(model, [0], list(text.encode()))[0], abs=1e-2)


def test_generation_is_greedy_and_stops(harness: type[Any]) -> None:
    model = made(seed=4)
    wrapped = harness(model, ByteTokenizer())
    (free,) = wrapped.generate_until([request("sea", {"max_gen_toks": 9, "until": []})])
    tokens = list(b"sea")
    for _ in range(9):
        with torch.no_grad():
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
        if tokens[-1] == 0:
            tokens.pop()
            break
    assert free == ByteTokenizer().decode(tokens[3:])
    stop = free[2:4]
    (stopped,) = wrapped.generate_until([request("sea", {"max_gen_toks": 9, "until": [stop]})])
    assert stopped == free[: free.find(stop)]
    assert len(wrapped.generate_until([request("x" * 100, {"until": ["\n\n"]})])) == 1
    with pytest.raises(UsageError, match="only greedy generation"):
        wrapped.generate_until([request("sea", {"do_sample": True, "temperature": 0.7})])


def test_a_prompt_is_cut_only_for_a_quarter_of_the_window(harness: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(seed=4)
    wrapped, read = harness(model, ByteTokenizer()), []
    prefill = type(model).prefill
    monkeypatch.setattr(
        type(model), "prefill", lambda self, tokens, cache: (read.append(tokens), prefill(self, tokens, cache))[1]
    )
    for length in (5, 18, 19, 40):
        wrapped.generate_until([request("x" * length, {"until": []})])
    # A token that was made is read alone.
    assert [tokens.shape[1] for tokens in read if tokens.shape[1] > 1] == [5, 18, 18, 18], "of 24"


def test_tokens_that_the_tokenizer_lacks_are_not_generated(harness: type[Any]) -> None:
    model = models.build(ARCHS["gpt2"].replace(vocab_size=300))
    with torch.no_grad():
        model.final_norm.bias.fill_(1.0)  # type: ignore[union-attr,operator]
        model.token_embedding.weight[256:].fill_(9.0)  # type: ignore[union-attr,index]
        model.token_embedding.weight[ord("a")].fill_(1.0)  # type: ignore[union-attr,index]
    assert harness(model, ByteTokenizer()).generate_until([request("sea", {"max_gen_toks": 3})]) == ["aaa"]


def test_a_tokenizer_of_another_model_is_refused(harness: type[Any]) -> None:
    small = models.build(ARCHS["gpt2"].replace(vocab_size=100), init="meta")
    with pytest.raises(UsageError, match="the tokenizer has 256 tokens and the model 100"):
        harness(small, ByteTokenizer())


@pytest.fixture
def task_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A multiple-choice task in lm-eval's own format, with its documents in a local file."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "own"
    folder.mkdir()
    rows = [{"question": q, "choices": c, "answer": a} for q, c, a in QUESTIONS if q]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "sailing.yaml").write_text(
        f"""
task: sailing
dataset_path: json
dataset_kwargs:
  data_files: {{test: {folder / "rows.jsonl"}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
target_delimiter: ""
metric_list:
  - metric: acc
metadata:
  version: 1.0
"""
    )
    return folder


def test_a_local_task_gives_the_accuracy_computed_by_hand(task_folder: Path, tmp_path: Path) -> None:
    asked: list[tuple[str, int, int]] = []

    def scores(model: models.LanguageModel, **more: Any) -> list[dict[str, Any]]:
        asked.clear()
        return evaluate_tasks(
            model, ByteTokenizer(), ["sailing"], out=tmp_path / "out", include=task_folder, offline=True,
            report=lambda *told: asked.append(told), **more,
        )  # fmt: skip

    accuracies = set()
    for seed in (0, 1):
        model = made(seed=seed)
        right = 0
        questions = [entry for entry in QUESTIONS if entry[0]]
        for question, choices, answer in questions:
            values = [slowly(model, list(question.encode()), list(choice.encode()))[0] for choice in choices]
            right += values.index(max(values)) == answer
        (entry,) = scores(model)
        assert entry["metrics"]["acc"] == pytest.approx(right / len(questions))
        assert entry["metrics"]["acc_stderr"] >= 0
        assert "sample_len" not in entry["metrics"]
        assert entry["n"] == len(questions)
        assert asked[-1] == ("sailing", 12, 12), "eleven choices, one of them in two windows"
        accuracies.add(entry["metrics"]["acc"])
        assert scores(model) == [entry]
        assert not asked, "what is kept is not computed again"
    (short,) = scores(model, limit=2)
    assert short["n"] == 2
    (task_folder / "note.txt").write_text("another version")
    scores(model, limit=2)
    assert asked, "the task may be another"
    assert "HF_DATASETS_DISABLE_PROGRESS_BARS" not in os.environ, "the environment is as it was"


def test_what_cannot_be_run_is_told(task_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (task_folder / "rows.jsonl").unlink()
    with pytest.raises(TradewindError, match="the task sailing could not be run"):
        evaluate_tasks(made(), ByteTokenizer(), ["sailing"], include=task_folder, offline=True)
    with pytest.raises(UsageError, match="there is no folder nowhere"):
        evaluate_tasks(made(), ByteTokenizer(), ["sailing"], include="nowhere")
    with pytest.raises(UsageError, match="limit is 0"):
        evaluate_tasks(made(), ByteTokenizer(), ["sailing"], limit=0)
    few = SimpleNamespace(all_tasks=["sailing", "piqa"])
    monkeypatch.setattr("lm_eval.tasks.TaskManager", lambda **_: few)
    with pytest.raises(UsageError, match="unknown task 'sailin': did you mean 'sailing'"):
        evaluate_tasks(made(), ByteTokenizer(), ["sailin"], include=task_folder, offline=True)


def test_the_fourteen_tasks_are_known_to_lm_eval() -> None:
    import lm_eval

    folder = Path(lm_eval.__file__).parent / "tasks"
    places = ("hellaswag", "piqa", "arc", "openbookqa", "winogrande", "super_glue", "glue")
    files = [file for place in places for file in (folder / place).rglob("*.yaml")]
    named = {name for file in files for name in re.findall(r"""^task: ["']?(\w+)""", file.read_text(), re.MULTILINE)}
    tasks = expand(["lts-14"])
    assert len(tasks) == 14
    assert set(tasks) <= named
