"""Makes the probabilities of a trained classifier mean what they say."""

from __future__ import annotations

import numpy as np

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that makes logits likeliest (Guo et al. 2017, section 4.2).

    Args:
        logits: of examples that the model was not trained on, [examples, classes].
        labels: their right classes, [examples].

    Returns:
        What to divide logits by, 0.05 to 20; 1.0 if there are no examples, or no wrong
        answer among them that could tell how much doubt is due.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    if not len(logits) or (np.argmax(logits, axis=1) == labels).all():
        return 1.0
    exact = np.asarray(logits, np.float64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(exact / np.exp(log_temperature), axis=1)
        return -float(scaled[rows, labels].mean())

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))
