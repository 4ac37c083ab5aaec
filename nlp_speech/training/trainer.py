"""The training loop of every task."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from nlp_speech.contract import Task, TrainingData, TrainingTask
from nlp_speech.errors import UserError
from nlp_speech.run_files import check_digests, write_digests
from nlp_speech.sections import TrainingSection
from nlp_speech.training.averaging import MovingAverage, mean, served
from nlp_speech.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    Progress,
    assign,
    variables_by_path,
)
from nlp_speech.training.devices import (
    Devices,
    make_strategy,
    noticing_lost_peers,
)
from nlp_speech.training.directory import (
    fingerprint,
    held,
    no_false_start,
    open_directory,
)
from nlp_speech.training.evaluation import Evaluator
from nlp_speech.training.optimizer import make_optimizer
from nlp_speech.training.precision import LossScale, dtype_policy
from nlp_speech.training.progress import Reporter
from nlp_speech.training.step import Wishes, make_step
from nlp_speech.weights import save_weights


class Interrupted(UserError):
    """The run was asked to stop, and saved itself first."""


class Diverged(UserError):
    """The loss or its gradient is not finite any more."""


def train(
    task: Task,
    training_task: TrainingTask,
    config: Any,
    directory: Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Path:
    """Trains a model until its config says stop.

    The run's directory holds the resolved config, the assets, checkpoints, a log,
    TensorBoard events and, at the end, the averaged best weights. On several machines
    all must reach it; the first one writes it.

    Args:
        task: the task's light side.
        training_task: its TensorFlow side.
        config: the experiment.
        directory: of the run; must be new unless `resume`.
        resume: go on from the newest checkpoint.
        callbacks: Keras's, called as by `fit`: a batch is an update and an epoch ends
            with each evaluation, whose metrics are its logs. They may set
            ``model.stop_training``, but not the learning rate, which the config's
            schedule has; what they raise ends the run. The chief's are called.

    Returns:
        The file of the averaged weights.

    Raises:
        UserError: the directory is in use, the config has changed, or the data are bad.
        Diverged: the loss is not finite.
        Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
    """
    with noticing_lost_peers():
        devices = Devices(make_strategy())
        if not devices.chief:
            devices.wait()
            return _train(task, training_task, config, directory, callbacks, devices)
        with held(directory), no_false_start(directory):
            open_directory(config, directory, resume)
            keras.utils.set_random_seed(config.seed)
            _prepare(training_task, config, directory)
            devices.wait()
            return _train(task, training_task, config, directory, callbacks, devices)


def _prepare(training_task: TrainingTask, config: Any, directory: Path) -> None:
    assets = directory / "assets"
    complete = assets / ".complete"
    if complete.exists():
        check_digests(config, directory)
        return
    write_digests(config, directory)
    training_task.prepare(config, assets)
    complete.touch()


def _train(
    task: Task,
    training_task: TrainingTask,
    config: Any,
    directory: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    devices: Devices,
) -> Path:
    keras.utils.set_random_seed(config.seed)
    assets = task.load_assets(config, directory / "assets")
    checkpoints = Checkpoints(directory / "checkpoints", fingerprint(directory))
    watched = (task.METRIC, task.COUNTED, devices.chief)
    with Reporter(directory, config.training, *watched) as reporter:
        if config.training.xla and not devices.may_compile:
            reporter.say("training.xla is not used here: it is for a single CPU")
        run = _Run(task, training_task, config, assets, checkpoints, reporter, devices)
        run.restore()
        with _stop_signals(run.stop):
            run.loop(callbacks)
        weights = directory / "weights.npz"
        if devices.chief:
            try:
                run.use_average()
                run.evaluator.finish()
                save_weights(run.evaluator.model, weights)
            except KeyboardInterrupt:
                raise Interrupted(
                    f"{directory} is trained; --resume makes its mean of checkpoints"
                ) from None
    return weights


class _Run:
    """The parts of a run and its position."""

    def __init__(
        self,
        task: Task,
        training_task: TrainingTask,
        config: Any,
        assets: Any,
        checkpoints: Checkpoints,
        reporter: Reporter,
        devices: Devices,
    ) -> None:
        self.metric, self.counted, self.config = task.METRIC, task.COUNTED, config
        self.checkpoints, self.reporter, self.devices = checkpoints, reporter, devices
        self.section: TrainingSection = config.training
        self.data: TrainingData = training_task.training_data(config, assets, "train")
        with devices.strategy.scope(), dtype_policy(self.section.precision):
            self.model = training_task.build(config, assets)
            rates = training_task.EXTRAS.rates
            self.optimizer = make_optimizer(
                self.section, rates and rates(config, self.model)
            )
            self.optimizer.build(self.model.trainable_variables)
            self.average = self._make_average()
        self.update = make_step(
            training_task, config, self.model, self.optimizer, devices
        )
        self.model.stop_training = False
        self.evaluator = Evaluator(task, training_task, config, assets)
        self.weights = list(variables_by_path(self.model.weights))
        self.progress = Progress()
        self.scale = LossScale(self.section.precision)
        self.interrupted = self.over = False

    @property
    def variables(self) -> list[Any]:
        averages = self.average.variables if self.average else []
        return [*self.model.variables, *self.optimizer.variables, *averages]

    def stop(self) -> None:
        self.interrupted = True

    def restore(self) -> None:
        checkpoint = self.checkpoints.newest(self.reporter.say)
        if checkpoint is None:
            return
        assign(self.variables, checkpoint.variables)
        self.progress = checkpoint.progress
        self.reporter.restart_clock(self.progress)
        self.over = self._is_late()
        self.reporter.say(f"resumed at update {self.progress.update}")

    def loop(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        # What callbacks expect of a model that Keras trains.
        self.model.optimizer = self.optimizer
        told = list(callbacks) if self.devices.chief else []
        self.callbacks = keras.callbacks.CallbackList(told, model=self.model)
        self.callbacks.on_train_begin()
        if not self._finished():
            begun = self.progress.update // self.section.evaluate_every
            self.callbacks.on_epoch_begin(begun)
        while not self._finished():
            self._epoch()
        if self.progress.evaluated != self.progress.update:
            self._evaluate()
        self.callbacks.on_train_end()

    def use_average(self) -> None:
        """Gives the evaluator the mean of the k best checkpoints, of all k the best."""
        found = [(score, self._intact(update)) for score, update in self.progress.best]
        whole = [(score, variables) for score, variables in found if variables]
        if not whole:
            now = {p: v.numpy() for p, v in variables_by_path(self.variables).items()}
            score = self.evaluator.score(served(now, self.weights))[self.metric]
            whole = [(score, now)]
        loaded = [served(variables, self.weights) for _, variables in whole]
        best, count = whole[0][0], 1
        self.reporter.say(f"the best checkpoint: {self.metric} {best:.2f}")
        for k in range(2, len(loaded) + 1):
            score = self.evaluator.score(mean(loaded[:k]))[self.metric]
            self.reporter.say(f"mean of the {k} best: {self.metric} {score:.2f}")
            if self.evaluator.is_better(score, best):
                best, count = score, k
        assign(self.evaluator.model.weights, mean(loaded[:count]))

    def _intact(self, update: int) -> dict[str, Any] | None:
        """The variables of a checkpoint; None, and a line, where it is damaged."""
        try:
            return self.checkpoints.load(update).variables
        except UserError as error:
            self.reporter.say(f"left out of the mean: {error}")
            return None

    def _make_average(self) -> MovingAverage | None:
        decay = self.section.moving_average
        if decay is None:
            return None
        return MovingAverage(self.model.trainable_variables, decay, self.devices)

    def _finished(self) -> bool:
        section, progress = self.section, self.progress
        patience = section.patience
        stale = patience is not None and progress.evaluations_without_gain >= patience
        # Of several processes all must agree; they are asked with the next update.
        stopped = self.devices.alone and bool(self.model.stop_training)
        return progress.update >= section.updates or self.over or stale or stopped

    @property
    def _number(self) -> int:
        """The number of evaluations so far; the last one may come before its turn."""
        return -(-self.progress.update // self.section.evaluate_every)

    def _is_late(self) -> bool:
        minutes = self.section.minutes
        return minutes is not None and self.progress.seconds >= minutes * 60

    def _is_due(self) -> bool:
        progress = self.progress
        new = progress.update != progress.evaluated
        return new and progress.update % self.section.evaluate_every == 0

    def _epoch(self) -> None:
        progress = self.progress
        if left_out := self.data.left_out(progress.epoch):
            self.reporter.say(
                f"epoch {progress.epoch}: {left_out} examples are longer than the "
                "longest batch and are left out; the config's section batch says which"
            )
        start = time.monotonic()
        for batches in self._batches():
            wishes = self._step(batches)
            progress.seconds += time.monotonic() - start
            self.over = wishes.end
            if self._is_due():
                self._evaluate()
            if wishes.interrupt or (self.interrupted and self.devices.alone):
                self._interrupt()
            if self._finished():
                return
            start = time.monotonic()
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _batches(self) -> Iterator[list[tuple]]:
        """What is left of an epoch: the batches of one update after the other."""
        dataset = self.data.dataset(self.progress.epoch, self.progress.batch)
        group: list[tuple] = []
        for batch in self.devices.shard(dataset):
            group.append(batch)
            if len(group) == self.section.accumulate:
                yield group
                group = []
        if group:
            yield group

    def _step(self, batches: list[tuple]) -> Wishes:
        progress = self.progress
        end = self._is_late() or bool(self.model.stop_training)
        wishes = Wishes(self.interrupted, end)
        self.callbacks.on_train_batch_begin(progress.update)
        done = self.update(batches, self.scale.factor(progress), wishes)
        if not self.scale.accept(progress, done.finite):
            if self.scale.exhausted(progress):
                raise Diverged(
                    f"the loss is not finite in epoch {progress.epoch}, batch "
                    f"{progress.batch} (update {progress.update + 1}); start a new run "
                    "with a lower training.learning_rate and another --output"
                )
            progress.batch += len(batches)
            return done.wishes
        progress.update += 1
        progress.batch += len(batches)
        progress.tokens += int(done.count)
        if self.average:
            self.average.update(progress.update)
        loss = done.total / max(done.count, 1)
        self.reporter.step(progress, loss)
        self.callbacks.on_train_batch_end(progress.update, {"loss": loss})
        return done.wishes

    def _evaluate(self) -> None:
        progress = self.progress
        arrays = {p: v.numpy() for p, v in variables_by_path(self.variables).items()}
        speed = progress.tokens / max(progress.seconds, 1e-9)
        values = {
            **self.evaluator.evaluate(served(arrays, self.weights)),
            f"{self.counted}_per_second": speed,
        }
        score = values[self.metric]
        best, better = progress.best, self.evaluator.is_better
        gained = not best or better(score, best[0][0])
        progress.evaluations_without_gain = (
            0 if gained else progress.evaluations_without_gain + 1
        )
        # Of equal scores the later one is the better one.
        place = sum(better(s, score) for s, _ in best)
        best = [*best[:place], (score, progress.update), *best[place:]]
        progress.best = best[: self.section.average_best]
        progress.evaluated = progress.update
        self._save()
        self.reporter.evaluation(progress, values)
        self.callbacks.on_epoch_end(self._number - 1, dict(values))
        if not self._finished():
            self.callbacks.on_epoch_begin(self._number)
        self.reporter.restart_clock(progress)

    def _save(self) -> None:
        if not self.devices.chief:
            return
        self.checkpoints.save(self.progress, self.variables)
        newest = self.checkpoints.updates()[-2:]
        self.checkpoints.prune([*newest, *(u for _, u in self.progress.best)])

    def _interrupt(self) -> None:
        self._save()
        raise Interrupted(
            f"stopped at update {self.progress.update} and saved; go on with --resume"
        )


@contextmanager
def _stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the run after the update in progress."""
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in handled}

    def on_signal(number: int, frame: Any) -> None:
        stop()
        signal.signal(number, signal.default_int_handler)

    for number in handled:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Checkpoint", "Diverged", "Interrupted", "train"]
