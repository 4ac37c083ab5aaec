"""What a run's weights are worth on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from nlp_speech.contract import LOWER_IS_BETTER, Task, TrainingTask
from nlp_speech.runtime import answer
from nlp_speech.runtime.examples import examples_of
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.training.checkpoint import assign
from nlp_speech.training.step import make_loss

Arrays = Mapping[str, np.ndarray]


class Evaluator:
    """Scores weights as users will meet them: in float32, through the endpoints.

    It has a model of its own, so that averages of weights are scored without touching
    those that are being trained.

    Args:
        task: the task's light side.
        training_task: its TensorFlow side.
        config: the experiment.
        assets: what the task learned from the data.

    Attributes:
        model: holds the weights that were given last.
    """

    def __init__(
        self, task: Task, training_task: TrainingTask, config: Any, assets: Any
    ) -> None:
        self.task, self.assets = task, assets
        self._training_task, self._config = training_task, config
        self.model: keras.Model = training_task.build(config, assets)
        self._validation = training_task.training_data(config, assets, "validation")
        self._loss = make_loss(training_task, config, self.model)
        endpoints = training_task.endpoints(config, assets, self.model)
        self._predictor = KerasPredictor(endpoints)
        limit = config.training.evaluation_limit
        self._inputs, self._references = examples_of(
            task, config, assets, "validation", limit=limit
        )

    def evaluate(self, weights: Arrays) -> dict[str, float]:
        """The loss in nats a token and the task's metrics, of weights by path."""
        scores = self.score(weights)
        return {"loss": self._loss(self._validation.dataset(0)), **scores}

    def score(self, weights: Arrays) -> dict[str, float]:
        """The task's metrics of weights by path."""
        assign(self.model.weights, weights)
        results = answer(
            self.task,
            self.assets,
            self._predictor,
            self._inputs,
            endpoint=self.task.DEVICE_ENDPOINT,
            batch_size=64,
        )
        values, _ = self.task.score(results, self._references)
        return values

    def finish(self) -> None:
        """Lets the task learn what waits for the final weights, if it has any."""
        finish = self._training_task.EXTRAS.finish
        if finish is not None:
            finish(self._config, self.model, self._validation)

    def is_better(self, score: float, other: float) -> bool:
        """Whether one value of the watched metric is better than another."""
        return score < other if self.task.METRIC in LOWER_IS_BETTER else score > other
