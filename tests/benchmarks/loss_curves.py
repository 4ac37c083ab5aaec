"""Shows that our layers and stock Keras layers learn alike, step by step.

Two models of equal weights see the same batches (copying random pieces), one on our
recurrence, one on Keras's own; dropout is off, so that nothing else differs. Prints the
largest relative difference of the losses, and draws both curves if asked to.

    python tests/benchmarks/loss_curves.py [--updates N] [--fed] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from translation_model import Size, make_batch, make_model, make_update, stock_layers

from nlp_speech.layers import TimeDropout

SMALL = Size(units=64, layers=2, embedding=32, vocabulary=40, rows=16, steps=12)


def without_dropout(model: keras.Model) -> keras.Model:
    """The same model, no unit of which is dropped."""
    for layer in model._flatten_layers():
        if isinstance(layer, TimeDropout):
            layer.rate = 0.0
    return model


def losses(weights: list[Any], fed: bool, updates: int) -> np.ndarray:
    """The loss before each update of a model that starts from these weights."""
    model = without_dropout(make_model(SMALL, fed))
    model.set_weights(weights)
    update = make_update(model, keras.optimizers.Adam(2e-3), SMALL, xla=False)
    return np.array([float(update(make_batch(SMALL, n))) for n in range(updates)])


def draw(curves: dict[str, np.ndarray], path: Path) -> None:
    """Both curves, and their relative difference below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for (name, values), style in zip(curves.items(), ("-", "--"), strict=True):
        above.plot(values, style, label=name)
    above.set_ylabel("loss, nats a piece")
    above.legend()
    ours, theirs = curves.values()
    below.semilogy(np.abs(ours - theirs) / theirs)
    below.set_ylabel("difference")
    below.set_xlabel("updates")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Loss curves on both recurrences.")
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--fed", action="store_true", help="with input feeding")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    keras.utils.set_random_seed(0)
    weights = make_model(SMALL, given.fed).get_weights()
    ours = losses(weights, given.fed, given.updates)
    with stock_layers():
        theirs = losses(weights, given.fed, given.updates)
    difference = np.abs(ours - theirs) / theirs
    print(
        f"{given.updates} updates: loss {ours[0]:.3f} to {ours[-1]:.3f} ours, "
        f"{theirs[-1]:.3f} on stock Keras layers; largest relative difference "
        f"{difference.max():.1e}, in the first ten updates {difference[:10].max():.1e}"
    )
    if given.figure:
        draw({"our layers": ours, "stock Keras layers": theirs}, given.figure)


if __name__ == "__main__":
    main()
