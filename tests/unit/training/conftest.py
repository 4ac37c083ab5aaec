"""Accidents during training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from nlp_speech.training import trainer

Disturbed = Callable[[int, Callable[[Any], Any]], AbstractContextManager[None]]


@pytest.fixture
def disturbed() -> Disturbed:
    """A context in which one update of a run, counted from 0, is `what(update)`."""

    @contextmanager
    def context(at: int, what: Callable[[Any], Any]) -> Iterator[None]:
        make_step = trainer.make_step

        def make(*arguments: Any) -> Any:
            update, calls = make_step(*arguments), iter(range(10**6))

            def run(*arguments: Any) -> Any:
                if next(calls) == at:
                    return what(lambda: update(*arguments))
                return update(*arguments)

            return run

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "make_step", make)
            yield

    return context
