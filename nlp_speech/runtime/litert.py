"""Runs a device file with LiteRT: no TensorFlow is imported."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.errors import UserError


class LiteRTPredictor:
    """A `contract.Predictor` over a .tflite file.

    Args:
        path: the device file.
        threads: threads of the interpreter, or None for its own choice.
        text_operators: whether the file needs those of tensorflow-text, which imports
            TensorFlow.

    Raises:
        UserError: LiteRT cannot read the file.
    """

    runtime = "tflite"
    max_batch_size: int | None = 1

    def __init__(
        self, path: Path, threads: int | None = None, text_operators: bool = False
    ) -> None:
        """Opens the file; see the class."""
        interpreter = _with_text_operators() if text_operators else _plain()
        try:
            self._interpreter = interpreter(model_path=str(path), num_threads=threads)
        except (ValueError, RuntimeError) as error:
            raise UserError.at(
                path, None, f"LiteRT cannot read this file ({_first_line(error)})"
            ) from error
        names = self._interpreter.get_signature_list()
        self._runners: dict[str, Any] = {
            name: self._interpreter.get_signature_runner(name) for name in names
        }
        # An interpreter has one set of tensors, so that calls must not overlap.
        self._lock = threading.Lock()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of what can be run."""
        return tuple(self._runners)

    def signature(self, endpoint: str) -> dict[str, dict[str, tuple[str, list[int]]]]:
        """Types and shapes (-1: any) of an endpoint's `inputs` and `outputs`."""
        runner = self._runners[endpoint]
        sides = {
            "inputs": runner.get_input_details(),
            "outputs": runner.get_output_details(),
        }
        return {
            side: {
                name: (
                    np.dtype(detail["dtype"]).name,
                    [int(size) for size in detail["shape_signature"]],
                )
                for name, detail in sorted(details.items())
            }
            for side, details in sides.items()
        }

    def __call__(
        self, endpoint: str, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs `endpoint` on named arrays of batch size 1.

        Raises:
            UserError: the file has no such endpoint, or cannot run it.
        """
        if endpoint not in self._runners:
            have = ", ".join(self._runners)
            raise UserError(
                f"the device file has no endpoint {endpoint!r}; it has: {have}"
            )
        with self._lock:
            try:
                outputs = self._runners[endpoint](**arrays)
            except (ValueError, RuntimeError) as error:
                raise UserError(
                    f"the device file cannot run {endpoint!r} on this input "
                    f"({_first_line(error)})"
                ) from error
            return {name: np.array(value) for name, value in outputs.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _with_text_operators() -> Any:
    from ai_edge_litert.interpreter import InterpreterWithCustomOps

    try:
        from tensorflow_text import tflite_registrar
    except ImportError as error:
        raise UserError(
            "a text-to-text file needs tensorflow-text; pip install "
            "'nlp-speech[train]', or use variant 'dynamic'"
        ) from error
    operators = tflite_registrar.SELECT_TFTEXT_OPS
    return partial(InterpreterWithCustomOps, custom_op_registerers=operators)
