"""Training utterances before and after augmentation, to be heard and seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nlp_speech.audio.augment import change, draw_changes
from nlp_speech.audio.features import FrontEnd, Reference
from nlp_speech.audio.inputs import read_frames, read_sound
from nlp_speech.audio.picture import SoundPicture
from nlp_speech.audio.spec_augment import Masks, apply_masks
from nlp_speech.tasks.speech_recognition.config import SpeechRecognitionConfig
from nlp_speech.tasks.speech_recognition.utterances import readable_rows


def previews(
    config: SpeechRecognitionConfig, count: int
) -> Iterator[tuple[SoundPicture, SoundPicture]]:
    """Some training utterances as they are, and as an epoch changes them.

    Features are normalized by the utterance, whatever the config says, for statistics
    of the training set are not known yet; masks have the utterance's mean.

    Args:
        config: the experiment.
        count: of utterances, spread over the training set.

    Yields:
        The utterance before and after.

    Raises:
        UserError: a manifest or a sound cannot be read.
    """
    found, _ = readable_rows(config, config.data.train)
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    section = config.frontend.model_copy(update={"normalization": "utterance"})
    front_end = FrontEnd(section)
    reference, most = Reference(front_end), config.batch.max_seconds
    for number in chosen.tolist():
        given = found[number].input
        rng = np.random.default_rng([config.seed, 0, number, 0])
        samples = changed = None
        if section.source == "features":
            raw = changed_raw = read_frames(given, section.n_mfcc)
        else:
            samples = read_sound(given, section.sample_rate, most)
            changes = draw_changes(rng, config.augmentation)
            changed = change(samples, changes, section.sample_rate)
            raw, changed_raw = reference.raw(samples), reference.raw(changed)
        logs = section.source == "samples" and section.kind == "log_mel"
        before = SoundPicture(
            title=f"{found[number].place}: {found[number].text}",
            features=reference.finish(raw),
            frame_seconds=section.frame_seconds,
            samples=samples,
            sample_rate=section.sample_rate,
            hertz=front_end.centers if logs and not section.deltas else None,
        )
        features = _masked(config, number, reference.finish(changed_raw))
        yield (
            before,
            replace(before, title="augmented", samples=changed, features=features),
        )


def _masked(
    config: SpeechRecognitionConfig, number: int, features: np.ndarray
) -> np.ndarray:
    """Noise and masks as the training draws them in its first epoch."""
    rng = np.random.default_rng([config.seed, 0, number, 1])
    masks = Masks.none(1, *features.shape)
    masks.draw(0, len(features), config.augmentation, rng)
    noise = config.augmentation.feature_noise * rng.normal(size=features.shape)
    noisy = (features + noise)[np.newaxis].astype(np.float32)
    return apply_masks(noisy, masks.places, masks.times, masks.bins)[0].numpy()
