"""One of our models as a model of lm-eval, which then runs any of its tasks on it.

Interface: lm-eval's `TemplateLM` (log-likelihood of continuations, rolling log-likelihood of texts, greedy generation).

Letters: B sequences, T tokens, N scored positions, D width, V vocabulary.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lm_eval.api.model import TemplateLM

from tradewind.core import UsageError
from tradewind.models.base import LanguageModel, precise
from tradewind.training.tokenizers import Tokenizer

_ROWS = 1024
"""Positions that the output layer scores at a time, so that their logits stay small."""
_MOST_NEW_TOKENS = 256


@dataclasses.dataclass(frozen=True)
class _Window:
    """Tokens to read, of which the last `scored` ones are predicted by those before them; `owner` is the request."""

    owner: int
    tokens: list[int]
    scored: int


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """Scores in batches of `batch_size` windows of at most `max_length` tokens, by default the model's context.

    A continuation is scored whole: one that does not fit in a window is cut into several, each with as much before it
    as fits. A context that does not fit is cut from the left; it leaves at least a quarter of a window for what is
    generated. Requests are sorted by length, results are not.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        batch_size: int = 8,
        max_length: int | None = None,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        super().__init__()
        if tokenizer.vocab_size > model.arch.vocab_size:
            raise UsageError(
                f"the tokenizer has {tokenizer.vocab_size:,} tokens and the model {model.arch.vocab_size:,}; give the "
                "tokenizer that the model was trained with"
            )
        self.model = model.eval()
        self._text = tokenizer
        self.batch_size = batch_size
        self.max_length = max_length or model.arch.context
        if self.max_length < 2:
            raise UsageError(f"max_length is {self.max_length}; it must be at least 2")
        self._report = report

    @property
    def eot_token_id(self) -> int:
        """The token that ends a document; it also stands before a text without context."""
        return self._text.end

    @property
    def tokenizer_name(self) -> str:
        """Names the tokenizer in lm-eval's caches."""
        return self._text.name

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Tokens of a text; none is added."""
        return self._text.encode(string)

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Log-likelihood of continuations in nats, and whether greedy decoding would give them; one a request."""
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return found

    @torch.inference_mode()
    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        """Sum of log-probabilities of each continuation in nats, and whether greedy decoding would give it."""
        windows = [
            window
            for owner, (_, context, continuation) in enumerate(requests)
            for window in self._windows(owner, context, continuation)
        ]
        windows.sort(key=lambda window: -len(window.tokens))
        sums, greedy = [0.0] * len(requests), [True] * len(requests)
        for start in range(0, len(windows), self.batch_size):
            batch = windows[start : start + self.batch_size]
            for window, (logs, is_best) in zip(batch, self._score(batch), strict=True):
                sums[window.owner] += logs
                greedy[window.owner] &= is_best
            self._report(start + len(batch), len(windows))
        return list(zip(sums, greedy, strict=True))

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts in nats, each after an end of document."""
        pairs = [(None, [self.prefix_token_id], self.tok_encode(text)) for (text,) in (r.args for r in requests)]
        return [logs for logs, _ in self._loglikelihood_tokens(pairs)]

    @torch.inference_mode()
    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Greedy continuations, up to a stop text, an end of document or `max_gen_toks`; one sequence at a time."""
        found = []
        for done, request in enumerate(requests, 1):
            context, options = request.args
            found.append(self._generate(context, options))
            self._report(done, len(requests))
        return found

    def _windows(self, owner: int, context: list[int], continuation: list[int]) -> list[_Window]:
        whole = [*(context or [self.prefix_token_id]), *continuation]
        before = len(whole) - len(continuation)
        windows = []
        for start in range(before, len(whole), self.max_length):
            stop = min(start + self.max_length, len(whole))
            # One token more than is read: the last is only predicted.
            windows.append(_Window(owner, whole[max(0, stop - self.max_length - 1) : stop], stop - start))
        return windows

    def _score(self, batch: Sequence[_Window]) -> list[tuple[float, bool]]:
        """Of each window the log-probability of its scored tokens, and whether each was the likeliest."""
        device, longest = self.model.device, max(len(window.tokens) for window in batch) - 1
        # Padding stands on the right, where a causal model does not look from what is scored.
        tokens = torch.zeros((len(batch), longest), dtype=torch.int64)
        scored = torch.zeros((len(batch), longest), dtype=torch.bool)
        for row, window in enumerate(batch):
            read = len(window.tokens) - 1
            tokens[row, :read] = torch.tensor(window.tokens[:-1])
            scored[row, read - window.scored : read] = True
        hidden = self.model.hidden(tokens.to(device))[scored.to(device)]  # N D
        targets = torch.tensor([token for window in batch for token in window.tokens[-window.scored :]], device=device)
        logs, best = [], []
        for rows, wanted in zip(hidden.split(_ROWS), targets.split(_ROWS), strict=True):
            logits = self.model.head(rows.unsqueeze(0)).squeeze(0)  # N V
            chosen = F.log_softmax(logits.to(precise(logits.dtype)), -1).gather(1, wanted.unsqueeze(1))
            logs.append(chosen.squeeze(1))
            best.append(logits.argmax(-1) == wanted)
        sizes = [window.scored for window in batch]
        parts = zip(torch.cat(logs).split(sizes), torch.cat(best).split(sizes), strict=True)
        return [(float(part.double().sum()), bool(is_best.all())) for part, is_best in parts]

    def _generate(self, context: str, options: dict[str, Any]) -> str:
        if options.get("do_sample") and options.get("temperature", 1.0):
            raise UsageError("only greedy generation is done here; the task asks for samples (do_sample)")
        stops = options.get("until") or []
        stops = [stop for stop in ([stops] if isinstance(stops, str) else stops) if stop]
        tokens = self.tok_encode(context) or [self.prefix_token_id]
        least = max(1, self.max_length // 4)
        room = min(int(options.get("max_gen_toks", _MOST_NEW_TOKENS)), max(least, self.max_length - len(tokens)))
        tokens = tokens[-(self.max_length - room) :]
        cache = self.model.make_cache(1, len(tokens) + room)
        logits = self.model.prefill(torch.tensor([tokens], device=self.model.device), cache)
        made: list[int] = []
        text = ""
        while len(made) < room:
            token = int(logits[..., : self._text.vocab_size].argmax(-1))
            if token == self.eot_token_id:
                break
            made.append(token)
            text = self._text.decode(made)
            if any(stop in text for stop in stops):
                break
            if len(made) < room:
                logits = self.model.decode(torch.tensor([[token]], device=self.model.device), cache)
        return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]
