from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.errors import UserError
from nlp_speech.weights import load_weights, save_weights, weights_by_path


def _model(units: int = 3, name: str = "first") -> keras.Model:
    layers = [
        keras.layers.Dense(units, name=name),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(2, name="second"),
    ]
    model = keras.Sequential(layers)
    model.build((None, 4))
    return model


def _values(model: keras.Model) -> dict[str, np.ndarray]:
    return {k: np.array(v.numpy()) for k, v in weights_by_path(model).items()}


def test_round_trip_into_a_model_built_anew(tmp_path: Path) -> None:
    first, second = _model(), _model()
    save_weights(first, tmp_path / "deep" / "weights.npz")
    load_weights(second, tmp_path / "deep" / "weights.npz")
    before, after = _values(first), _values(second)
    assert list(before) == sorted(before)
    assert list(before) == [
        "first/bias",
        "first/kernel",
        "second/bias",
        "second/kernel",
    ]
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert os.listdir(tmp_path / "deep") == ["weights.npz"]


def test_two_weights_of_one_path() -> None:
    inputs = keras.Input((4,))
    a, b = keras.layers.Dense(2, name="same"), keras.layers.Dense(2, name="same")

    class Twice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = a, b

        def call(self, x: Any) -> Any:
            return self.a(x) + self.b(x)

    model = Twice()
    model(inputs)
    with pytest.raises(ValueError, match="name the layers apart"):
        weights_by_path(model)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: _model(units=5), "weight 'first/bias' has shape .5,. where .* .3,."),
        (lambda: _model(name="other"), "it has no weight 'first/bias'"),
    ],
)
def test_other_weights_change_nothing(tmp_path: Path, other: Any, message: str) -> None:
    model = _model()
    before = _values(model)
    save_weights(other(), tmp_path / "w.npz")
    with pytest.raises(UserError, match=message):
        load_weights(model, tmp_path / "w.npz")
    after = _values(model)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_weight_too_many(tmp_path: Path) -> None:
    save_weights(_model(), tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "w.npz", **arrays, more=np.zeros(1))
    with pytest.raises(UserError, match="the model has no weight 'more'"):
        load_weights(_model(), tmp_path / "w.npz")


@pytest.mark.parametrize("size", [0, 1, 100, -30, -1])
def test_cut_short(tmp_path: Path, size: int) -> None:
    path = tmp_path / "w.npz"
    save_weights(_model(), path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"w\.npz: this .*weights file") as error:
        load_weights(_model(), path)
    assert "\n" not in str(error.value)


def test_damaged_or_foreign(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    save_weights(_model(), path)
    content = bytearray(path.read_bytes())
    content[140] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_weights(_model(), path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="not a weights file"):
        load_weights(_model(), path)
    with pytest.raises(UserError, match="no such weights file"):
        load_weights(_model(), tmp_path / "none.npz")


def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.npz"
    save_weights(_model(), path)
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="No space left on device"):
        save_weights(_model(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.npz"]
