"""The same work in torch and in Joey NMT; runs in the environment of `peers`.

Reads one JSON object a line (``{"case": NAME, ...}``) and answers with one: the seconds
of one run. For the cases see `CASES`.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any


def layer(shape: list[int]) -> Callable[[], Any]:
    """Forward and backward of `nn.LSTM`."""
    batch, steps, features, units = shape
    lstm = nn.LSTM(features, units, batch_first=True)
    x = torch.randn(batch, steps, features, requires_grad=True)

    def run() -> None:
        lstm.zero_grad()
        x.grad = None
        (lstm(x)[0] ** 2).sum().backward()

    return run


def products(shapes: list[list[int]]) -> Callable[[], Any]:
    """The matrix products [n, k] x [k, m] of a layer, one after the other."""
    pairs = [(torch.randn(n, k), torch.randn(k, m)) for n, k, m in shapes]

    def run() -> None:
        for a, b in pairs:
            torch.mm(a, b)

    return run


class Encoder(nn.Module):
    """Bidirectional LSTMs with residuals, layer norm and dropout."""

    def __init__(self, embedding: int, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [embedding] + [2 * units] * (layers - 1)
        self.lstms = nn.ModuleList(
            nn.LSTM(size, units, batch_first=True, bidirectional=True) for size in sizes
        )
        self.norms = nn.ModuleList(nn.LayerNorm(2 * units) for _ in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            y, _ = lstm(x)
            x = self.dropout(norm(y + x if y.shape == x.shape else y))
        return x


class Decoder(nn.Module):
    """That of `nlp_speech.models.decoder`, with Luong attention."""

    def __init__(
        self, embedding: int, units: int, layers: int, fed: bool, dropout: float
    ) -> None:
        super().__init__()
        memory = 2 * units
        sizes = [embedding * (1 + fed)] + [units + memory] * (layers - 1)
        kind = nn.LSTMCell if fed else lambda n, m: nn.LSTM(n, m, batch_first=True)
        self.lstms = nn.ModuleList(kind(size, units) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(units) for _ in sizes)
        self.keys = nn.Linear(memory, units, bias=False)
        self.start = nn.Linear(memory, 2 * units * layers)
        self.output = nn.Linear(units + memory + embedding, embedding)
        self.dropout = nn.Dropout(dropout)
        self.units, self.fed, self.embedding = units, fed, embedding

    def forward(self, embedded: Tensor, memory: Tensor) -> Tensor:
        keys = self.keys(memory).transpose(1, 2) * self.units**-0.5
        parts = self.start(memory.mean(1)).chunk(2 * len(self.lstms), dim=-1)
        state = [
            (torch.tanh(h), c) for h, c in zip(parts[::2], parts[1::2], strict=True)
        ]
        run = self.feed if self.fed else self.whole
        return run(embedded, memory, keys, state)

    def whole(self, embedded: Tensor, memory: Tensor, keys: Tensor, state: Any) -> Any:
        context = below = embedded
        for n, (lstm, norm) in enumerate(zip(self.lstms, self.norms, strict=True)):
            x = embedded if n == 0 else torch.cat([below, context], -1)
            y, _ = lstm(x, tuple(s[None].contiguous() for s in state[n]))
            below = self.dropout(norm(y if n == 0 else y + below))
            if n == 0:
                context = torch.softmax(below @ keys, -1) @ memory
        return self.finish(below, context, embedded)

    def feed(self, embedded: Tensor, memory: Tensor, keys: Tensor, state: Any) -> Any:
        output = embedded.new_zeros(len(embedded), self.embedding)
        outputs = []
        for t in range(embedded.shape[1]):
            context = below = embedded[:, t]
            for n, (cell, norm) in enumerate(zip(self.lstms, self.norms, strict=True)):
                parts = [embedded[:, t], output] if n == 0 else [below, context]
                state[n] = cell(torch.cat(parts, -1), state[n])
                y = state[n][0]
                below = self.dropout(norm(y if n == 0 else y + below))
                if n == 0:
                    weights = torch.softmax(below[:, None] @ keys, -1)
                    context = (weights @ memory)[:, 0]
            output = self.finish(below, context, embedded[:, t])
            outputs.append(output)
        return torch.stack(outputs, 1)

    def finish(self, below: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        joined = torch.cat([below, context, embedded], -1)
        return self.dropout(torch.tanh(self.output(joined)))


def translation(
    vocabulary: int,
    rows: int,
    steps: int,
    embedding: int,
    units: int,
    layers: int,
    fed: bool,
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One update of the translation model (forward, backward, Adam), and its state."""
    table = nn.Embedding(vocabulary, embedding)
    nn.init.normal_(table.weight, std=embedding**-0.5)
    bias = nn.Parameter(torch.zeros(vocabulary))
    encoder = Encoder(embedding, units, layers, 0.2)
    decoder = Decoder(embedding, units, layers, fed, 0.2)
    modules = (table, encoder, decoder)
    parameters = [bias, *(p for m in modules for p in m.parameters())]
    optimizer = torch.optim.Adam(parameters, 1e-4)
    ids = torch.randint(4, vocabulary, (rows, steps))
    drop = nn.Dropout(0.2)

    def run() -> float:
        optimizer.zero_grad()
        embedded = table(ids) * embedding**0.5
        memory = encoder(drop(embedded))
        outputs = decoder(drop(embedded), memory)
        logits = functional.linear(outputs, table.weight, bias).flatten(0, 1)
        loss = functional.cross_entropy(logits, ids.flatten(), label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss.item()

    def state() -> list[Any]:
        return [*(m.state_dict() for m in modules), optimizer.state_dict()]

    return run, state


def joey(vocabulary: int, rows: int, steps: int, units: int) -> Callable[[], Any]:
    """One update of Joey NMT's own recurrent model, with input feeding."""
    logging.disable(logging.INFO)
    from joeynmt.builders import build_optimizer
    from joeynmt.model import build_model
    from joeynmt.vocabulary import Vocabulary

    names = {"unk": 0, "pad": 1, "bos": 2, "eos": 3, "sep": 4}
    special = {f"{name}_token": f"<{name}>" for name in names} | {"sep_token": None}
    ids_of = {f"{name}_id": number for name, number in names.items()}
    options = SimpleNamespace(**special, **ids_of, lang_tags=[])
    words = Vocabulary([f"w{n}" for n in range(vocabulary - 4)], options)
    part = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "embeddings": {"embedding_dim": units, "dropout": 0.2},
        "hidden_size": units,
        "num_layers": 1,
        "dropout": 0.2,
    }
    decoder = part | {
        "hidden_dropout": 0.2,
        "input_feeding": True,
        "attention": "luong",
        "init_hidden": "bridge",
    }
    encoder = part | {"bidirectional": True}
    model = build_model({"encoder": encoder, "decoder": decoder}, words, words)
    model.loss_function = ("crossentropy", 0.1)
    settings = {"optimizer": "adam", "learning_rate": 1e-4}
    optimizer = build_optimizer(settings, model.parameters())
    ids = torch.randint(4, vocabulary, (rows, steps))
    batch = {
        "src": ids,
        "src_length": torch.full((rows,), steps),
        "src_mask": torch.ones(rows, 1, steps, dtype=torch.bool),
        "trg_input": ids,
        "trg": ids,
        "trg_mask": torch.ones(rows, 1, steps, dtype=torch.bool),
    }

    def run() -> float:
        optimizer.zero_grad()
        loss, *_ = model(return_type="loss", **batch)
        (loss / ids.numel()).backward()
        optimizer.step()
        return loss.item()

    return run


def memory(**options: Any) -> dict[str, float]:
    """Peak memory of an update, as in `bench_memory`, and a checkpoint's cost."""
    run, state = translation(**options)
    before = _resident()
    for _ in range(3):
        run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"megabytes": peak - before} | saving(state())


def saving(state: Any) -> dict[str, float]:
    """Size and seconds of a checkpoint."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        for _ in range(5):
            start = time.perf_counter()
            torch.save(state, path)
            seconds.append(time.perf_counter() - start)
        size = os.path.getsize(path)
    return {"checkpoint MB": size / 1e6, "checkpoint s": statistics.median(seconds)}


def _resident() -> float:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


CASES = {
    "layer": layer,
    "products": products,
    "translation": lambda **options: translation(**options)[0],
    "joey": joey,
}


def main() -> None:
    built: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = request.pop("case")
        if case == "memory":
            answer = memory(**request)
        else:
            if line not in built:
                built[line] = CASES[case](**request)
            start = time.perf_counter()
            built[line]()
            answer = {"seconds": time.perf_counter() - start}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
