"""The training loop: it learns, resumes exactly and loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nlp_speech.config import dump_config, vary
from nlp_speech.contract import load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.tasks.translation import TranslationConfig
from nlp_speech.training import Diverged, Interrupted, step, train, trainer
from nlp_speech.training.checkpoint import Checkpoints
from nlp_speech.training.devices import Devices
from nlp_speech.training.directory import held
from nlp_speech.weights import read_arrays


def run(config: TranslationConfig, directory: Path, resume: bool = False) -> Path:
    task, training_task = load_task("translation"), load_training_task("translation")
    return train(task, training_task, config, directory, resume)


def variables(directory: Path, update: int) -> dict[str, np.ndarray]:
    return read_arrays(
        directory / "checkpoints" / f"update-{update:08d}" / "variables.npz"
    )


def log(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(s) for s in (directory / "log.jsonl").read_text().splitlines()]


def test_learns_and_leaves_a_complete_run(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    weights = run(small_config, directory)
    assert read_arrays(weights)
    records = log(directory)
    assert [r["update"] for r in records] == [4, 8, 12]
    assert records[-1]["loss"] < records[0]["loss"]
    assert {"bleu", "chrf", "bleu_lowercased", "exact_match"} <= records[-1].keys()
    assert (directory / "config.yaml").exists()
    assert list((directory / "tensorboard").glob("events*"))


def press_ctrl_c(update: Any) -> Any:
    os.kill(os.getpid(), signal.SIGINT)
    return update()


def test_ctrl_c_saves_and_says_how_to_go_on(
    small_config: TranslationConfig, tmp_path: Path, disturbed: Any
) -> None:
    told = pytest.raises(Interrupted, match=r"stopped at update 6 .* --resume")
    with disturbed(5, press_ctrl_c), told:
        run(small_config, tmp_path / "run")
    assert variables(tmp_path / "run", 6)


def test_callbacks_count_on_after_a_resume(
    small_config: TranslationConfig, tmp_path: Path, disturbed: Any
) -> None:
    with disturbed(5, press_ctrl_c), pytest.raises(Interrupted):
        run(small_config, tmp_path / "run")
    told: list[tuple[str, int]] = []
    counts = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda number, logs: told.append(("begin", number)),
        on_epoch_end=lambda number, logs: told.append(("end", number)),
    )
    task, training_task = load_task("translation"), load_training_task("translation")
    directory = tmp_path / "run"
    train(task, training_task, small_config, directory, True, callbacks=[counts])
    assert told == [("begin", 1), ("end", 1), ("begin", 2), ("end", 2)]


def test_a_non_finite_loss_stops_the_run_and_names_the_batch(
    small_config: TranslationConfig, tmp_path: Path, disturbed: Any
) -> None:
    bad = step.Update(float("nan"), 1.0, 1.0, step.NO_WISHES)
    told = pytest.raises(Diverged, match=r"not finite in epoch 0, batch 2")
    with disturbed(2, lambda update: bad), told:
        run(small_config, tmp_path / "run")


def test_resuming_with_another_config_is_refused(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    run(small_config, tmp_path / "run")
    one = {"seed": 7}
    five = {**one, "model.units": 6, "training.clip_norm": 2.0, "batch.tokens": 9}
    five["training.patience"] = 3
    for values, named in ((one, "seed"), (five, "seed, .*, .*, .* and 1 more")):
        with pytest.raises(UserError, match=rf"config has changed .*\({named}\);"):
            run(vary(small_config, values), tmp_path / "run", resume=True)
    file = tmp_path / "run/config.yaml"
    text = file.read_text()
    file.write_text(text.replace("training:", "training:\n  retired: 1"))
    with pytest.raises(UserError, match=r"config\.yaml:\d+: unknown key 'training.ret"):
        run(small_config, tmp_path / "run", resume=True)
    file.write_text(text)
    with pytest.raises(UserError, match="holds a run already"):
        run(small_config, tmp_path / "run")


def test_a_run_of_an_older_version_goes_on(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    """Its config lacks what was added since, which has its default."""
    text = dump_config(small_config)
    assert "  xla: false\n" in text
    (tmp_path / "run").mkdir()
    file = tmp_path / "run/config.yaml"
    file.write_text(text.replace("  xla: false\n", ""), encoding="utf-8")
    for _ in range(2):
        run(small_config, tmp_path / "run", resume=True)
    assert "xla" not in file.read_text(encoding="utf-8")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    small_config: TranslationConfig, tmp_path: Path, capsys: Any
) -> None:
    run(small_config, tmp_path / "run")
    newest = tmp_path / "run/checkpoints/update-00000012/variables.npz"
    newest.write_bytes(newest.read_bytes()[:1000])
    run(small_config, tmp_path / "run", resume=True)
    err = capsys.readouterr().err
    assert "is damaged" in err
    assert "resumed at update 8" in err


def test_a_damaged_checkpoint_is_left_out_of_the_mean(
    small_config: TranslationConfig, tmp_path: Path, capsys: Any
) -> None:
    directory = tmp_path / "run"
    weights = run(small_config, directory)
    weights.unlink()
    rows = sorted(log(directory), key=lambda row: -row["bleu"])
    best, second = (row["update"] for row in rows[:2])
    # Not the newest, so that the run itself is resumed at its end.
    assert second < max(row["update"] for row in rows)
    file = directory / f"checkpoints/update-{second:08d}/variables.npz"
    file.write_bytes(file.read_bytes()[:1000])
    capsys.readouterr()
    run(small_config, directory, resume=True)
    err = capsys.readouterr().err
    assert "left out of the mean: " in err
    expected = variables(directory, best)
    for path, values in read_arrays(weights).items():
        np.testing.assert_array_equal(values, expected[f"translator/{path}"])


def test_without_the_best_checkpoint_the_newest_is_used(
    small_config: TranslationConfig, tmp_path: Path, capsys: Any
) -> None:
    section = small_config.training.model_copy(update={"average_best": 1})
    config = small_config.model_copy(update={"training": section})
    directory = tmp_path / "run"
    weights = run(config, directory)
    weights.unlink()
    rows = log(directory)
    best = max(rows, key=lambda row: row["bleu"])["update"]
    newest = rows[-1]["update"]
    assert best < newest
    file = directory / f"checkpoints/update-{best:08d}/variables.npz"
    file.write_bytes(file.read_bytes()[:1000])
    run(config, directory, resume=True)
    assert "left out of the mean: " in capsys.readouterr().err
    expected = variables(directory, newest)
    for path, values in read_arrays(weights).items():
        np.testing.assert_array_equal(values, expected[f"translator/{path}"])


def test_an_interruption_of_the_last_part_can_be_resumed(
    small_config: TranslationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_weights", interrupt)
        with pytest.raises(Interrupted, match="is trained; --resume makes"):
            run(small_config, tmp_path / "run")
    assert run(small_config, tmp_path / "run", resume=True).is_file()


def test_a_file_where_the_run_should_be(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("here")
    for resume in (False, True):
        with pytest.raises(UserError, match=r"run: cannot be written \(File exists\)"):
            run(small_config, tmp_path / "run", resume)
    assert (tmp_path / "run").read_text() == "here"


def test_another_process_in_the_same_run_is_refused(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    with held(directory):
        for resume in (False, True):
            with pytest.raises(UserError, match="another process trains here"):
                run(small_config, directory, resume)
    assert not directory.exists()  # neither has begun anything


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_a_full_disk_while_logging_keeps_the_checkpoint(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    run(small_config, tmp_path / "run")
    directory = tmp_path / "again"
    shutil.copytree(tmp_path / "run", directory)
    (directory / "weights.npz").unlink()
    for path in sorted((directory / "checkpoints").iterdir())[1:]:
        shutil.rmtree(path)
    (directory / "log.jsonl").unlink()
    (directory / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"log.jsonl: cannot be written \(No space"):
        run(small_config, directory, resume=True)
    assert len(list((directory / "checkpoints").glob("update-*"))) == 2


def test_xla_is_not_used_beside_cudnn(
    small_config: TranslationConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    section = small_config.training.model_copy(update={"xla": True, "updates": 1})
    config = small_config.model_copy(update={"training": section})
    monkeypatch.setattr(Devices, "may_compile", False)
    run(config, tmp_path / "run")
    assert "training.xla is not used here" in capsys.readouterr().err


def test_no_run_begins_anew_over_checkpoints_it_cannot_read(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    run(small_config, tmp_path / "run")
    for manifest in (tmp_path / "run/checkpoints").glob("*/manifest.json"):
        content = json.loads(manifest.read_text()) | {"format_version": 99}
        manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"manifest.json: has format version 99"):
        run(small_config, tmp_path / "run", resume=True)


def test_a_full_disk_while_saving_keeps_the_older_checkpoint(
    small_config: TranslationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nlp_speech.training import checkpoint

    def full(arrays: Any, path: Path) -> None:
        if "update-00000008" in str(path):
            raise UserError.at(path, None, "No space left on device")
        write(arrays, path)

    write = checkpoint.write_arrays
    monkeypatch.setattr(checkpoint, "write_arrays", full)
    with pytest.raises(UserError, match="No space left"):
        run(small_config, tmp_path / "run")
    assert Checkpoints(tmp_path / "run/checkpoints", "").updates() == [4]
    assert not list((tmp_path / "run/checkpoints").glob("*.tmp"))


def test_callbacks_are_told_of_each_evaluation_once_it_is_saved(
    small_config: TranslationConfig, tmp_path: Path
) -> None:
    told: list[tuple[int, float, float]] = []

    class Stop(Exception):
        pass

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            newest = log(tmp_path / "run")[-1]
            assert variables(tmp_path / "run", newest["update"])
            told.append((epoch, logs["bleu"], logs["loss"]))
            assert logs["bleu"] == pytest.approx(newest["bleu"], abs=1e-4)
            if epoch == 1:
                raise Stop

    task, training_task = load_task("translation"), load_training_task("translation")
    with pytest.raises(Stop):
        train(task, training_task, small_config, tmp_path / "run", callbacks=[Watch()])
    assert [number for number, *_ in told] == [0, 1]


# Keras's own, when it saves weights with NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_callbacks_of_keras(small_config: TranslationConfig, tmp_path: Path) -> None:
    begun: list[int] = []
    made: list[Any] = [
        keras.callbacks.TensorBoard(str(tmp_path / "board")),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.ModelCheckpoint(
            str(tmp_path / "best.weights.h5"), monitor="loss", save_weights_only=True
        ),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda number, logs: begun.append(number)
        ),
        # The loss falls at every evaluation: this stops after the second one.
        keras.callbacks.EarlyStopping("loss", patience=1, mode="max"),
    ]
    task, training_task = load_task("translation"), load_training_task("translation")
    train(task, training_task, small_config, tmp_path / "run", callbacks=made)
    assert begun == [0, 1]
    assert log(tmp_path / "run")[-1]["update"] == 8
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    assert (tmp_path / "best.weights.h5").is_file()
    assert list((tmp_path / "board").rglob("events*"))


def test_early_stopping(small_config: TranslationConfig, tmp_path: Path) -> None:
    section = small_config.training.model_copy(
        update={"patience": 1, "learning_rate": 1e-12, "updates": 1000}
    )
    config = small_config.model_copy(update={"training": section})
    run(config, tmp_path / "run")
    assert log(tmp_path / "run")[-1]["update"] == 8


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_learns_like_single(
    small_config: TranslationConfig, tmp_path: Path, precision: str
) -> None:
    losses = {}
    for name in ("float32", precision):
        changes = {"precision": name, "evaluation_limit": 1, "average_best": 1}
        section = small_config.training.model_copy(update=changes)
        config = small_config.model_copy(update={"training": section})
        weights = read_arrays(run(config, tmp_path / name))
        assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
        losses[name] = [record["loss"] for record in log(tmp_path / name)]
    # Dropout draws other masks in another precision, and float16 may skip an update.
    np.testing.assert_allclose(losses[precision], losses["float32"], rtol=0.1)
    assert losses[precision][-1] < losses[precision][0]
