"""Several devices learn what one device learns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nlp_speech.errors import UserError
from nlp_speech.training import devices
from nlp_speech.weights import read_arrays

# A process decides once how many devices it sees.
TRAIN = """
import sys
from pathlib import Path
import tensorflow as tf
from nlp_speech.config import read_config
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.training import train

config, directory, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
[cpu] = tf.config.list_physical_devices("CPU")
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [one] * count)
task, training_task = load_task("translation"), load_training_task("translation")
train(task, training_task, read_config(config, []), directory)
"""


def without_dropout(values: dict[str, Any]) -> dict[str, Any]:
    """A config whose updates have nothing random, and as few evaluations as can be."""
    rates = ("dropout", "embedding_dropout", "output_dropout")
    model = {**values["model"], **dict.fromkeys(rates, 0.0)}
    training = {**values["training"], "updates": 6, "evaluate_every": 6}
    training |= {"average_best": 1, "evaluation_limit": 1, "moving_average": 0.9}
    # Muon moves the LSTMs, and Adam all else.
    training |= {"optimizer": "muon"}
    return {**values, "task": "translation", "model": model, "training": training}


def test_two_devices_learn_as_one(
    shared_values: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(without_dropout(shared_values)))
    for count in (1, 2):
        subprocess.run(
            [sys.executable, "-c", TRAIN, config, tmp_path / str(count), str(count)],
            check=True,
        )
    logs = [
        json.loads((tmp_path / n / "log.jsonl").read_text().splitlines()[-1])
        for n in "12"
    ]
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)
    one, two = (
        read_arrays(tmp_path / n / "checkpoints/update-00000006/variables.npz")
        for n in "12"
    )
    assert one.keys() == two.keys()
    assert any(name.startswith("ema.") for name in one)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


@given(rows=st.integers(1, 9), count=st.integers(2, 4))
def test_every_row_goes_to_one_device(rows: int, count: int) -> None:
    batch = {
        "ids": tf.reshape(tf.range(1, 2 * rows + 1), [rows, 2]),
        "lengths": tf.fill([rows], 2),
    }
    parts = [devices._rows(batch, n, count) for n in range(count)]
    assert len({part["ids"].shape[0] for part in parts}) == 1
    for name, whole in batch.items():
        joined = np.concatenate([part[name].numpy() for part in parts])
        np.testing.assert_array_equal(joined[:rows], whole.numpy())
        assert not joined[rows:].any()


def test_a_wrong_cluster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": "here"}')
    with pytest.raises(UserError, match="TF_CONFIG is not a cluster"):
        devices.make_strategy()
