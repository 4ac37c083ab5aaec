"""What a picture of a sound is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nlp_speech.audio.decode import write_samples
from nlp_speech.tasks import speech_recognition
from nlp_speech.tasks.speech_recognition.results import Transcript, Word


def test_a_picture_shows_what_was_heard(small: Any, tmp_path: Path) -> None:
    assets, _ = small.recognizer(small.config())
    path = tmp_path / "one.wav"
    write_samples(path, small.sounds(700)[0][0], small.rate)
    log_probs = np.log(np.full([35, 8], 1 / 8, np.float32))
    heard = Transcript("a", 0.0, words=(Word("a", 0.1, 0.2, 1.0),), log_probs=log_probs)
    picture = speech_recognition.picture(f'["{path}", 0.3]', heard, assets)
    assert picture.title == "one.wav"
    assert picture.seconds == 1.0
    assert picture.features.shape == (100, 6)
    assert picture.hertz is not None
    assert len(picture.hertz) == 6
    assert picture.posteriors is not None
    np.testing.assert_allclose(picture.posteriors, 1 / 8, rtol=1e-6)
    assert picture.words == (("a", 0.1, 0.2),)
