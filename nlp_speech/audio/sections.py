"""The sections of a config that tasks on sound share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nlp_speech.sections import Section

Range = tuple[float, float]


class FrontEndSection(Section):
    """What turns samples into features, the same everywhere."""

    source: Literal["samples", "features"] = Field(
        default="samples",
        description="what the data are: sound files, or cepstra computed by others",
    )
    sample_rate: int = Field(
        default=16_000, ge=1000, le=192_000, description="Hz; files are resampled"
    )
    window_length: int = Field(default=400, ge=2, description="samples of a frame")
    hop_length: int = Field(
        default=160, ge=1, description="samples from a frame to the next"
    )
    n_fft: int = Field(
        default=512, ge=2, description="size of the transform, a power of two"
    )
    n_mels: int = Field(default=80, ge=1, description="mel bands")
    f_min: float = Field(default=20.0, ge=0, description="Hz, lower edge of the bands")
    f_max: float | None = Field(
        default=None, gt=0, description="Hz, upper edge; null: half the sample rate"
    )
    kind: Literal["log_mel", "mfcc"] = Field(
        default="log_mel", description="logarithms of the bands, or their cepstra"
    )
    n_mfcc: int = Field(
        default=13, ge=1, description="cepstra kept; of given features, their number"
    )
    deltas: int = Field(
        default=0, ge=0, le=2, description="orders of time derivatives added"
    )
    normalization: Literal["none", "global", "utterance", "running"] = Field(
        default="running",
        description="by nothing, the training set, the utterance, or its past",
    )
    running_seconds: float = Field(
        default=2.0, gt=0, description="how long the running statistics remember"
    )

    @property
    def features(self) -> int:
        """The number of features of a frame that the model is given."""
        cepstra = self.source == "features" or self.kind == "mfcc"
        return (self.n_mfcc if cepstra else self.n_mels) * (1 + self.deltas)

    @property
    def streaming(self) -> bool:
        """Whether a frame depends on the past only."""
        return self.deltas == 0 and self.normalization != "utterance"

    @property
    def frame_seconds(self) -> float:
        """The time from a frame to the next, in seconds."""
        return self.hop_length / self.sample_rate

    @property
    def upper(self) -> float:
        """The upper edge of the mel bands in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    @model_validator(mode="after")
    def _possible(self) -> FrontEndSection:
        if self.n_fft & (self.n_fft - 1):
            near = 1 << (self.window_length - 1).bit_length()
            raise ValueError(
                f"n_fft {self.n_fft} is not a power of two, which devices need; "
                f"take {near}"
            )
        if self.window_length > self.n_fft:
            near = 1 << (self.window_length - 1).bit_length()
            raise ValueError(
                f"n_fft {self.n_fft} is shorter than window_length "
                f"{self.window_length}; take {near}"
            )
        if self.hop_length > self.window_length:
            raise ValueError(
                f"hop_length {self.hop_length} leaves gaps between windows of "
                f"{self.window_length} samples; take a smaller one"
            )
        if not self.f_min < self.upper <= self.sample_rate / 2:
            raise ValueError(
                f"the mel bands must lie between 0 and {self.sample_rate / 2:g} Hz, "
                f"not from {self.f_min:g} to {self.upper:g}"
            )
        if self.source == "samples" and self.kind == "mfcc":
            if self.n_mfcc > self.n_mels:
                raise ValueError(
                    f"n_mfcc {self.n_mfcc} must not exceed n_mels {self.n_mels}"
                )
        return self


class AugmentationSection(Section):
    """What training examples go through; each example anew in each epoch."""

    speed: tuple[float, ...] = Field(
        default=(), description="factors of speed and pitch, one drawn for each example"
    )
    tempo: Range | None = Field(
        default=None, description="range of a factor of speed that keeps the pitch"
    )
    gain: Range | None = Field(default=None, description="range of a gain in dB")
    noise: Range | None = Field(
        default=None, description="range in dB of a signal-to-noise ratio"
    )
    noise_probability: float = Field(
        default=0.5, ge=0, le=1, description="share of examples that get noise"
    )
    reverb: Range | None = Field(
        default=None, description="range of a reverberation time in seconds"
    )
    reverb_probability: float = Field(
        default=0.3, ge=0, le=1, description="share of examples that get reverberation"
    )
    time_warp: int = Field(
        default=0, ge=0, description="frames that a point in time is moved, at most"
    )
    time_masks: int = Field(default=0, ge=0, description="stretches of time blanked")
    time_mask_frames: int = Field(
        default=20, ge=0, description="frames of such a stretch, at most"
    )
    time_mask_share: float = Field(
        default=0.2, gt=0, le=1, description="of the utterance, at most, each"
    )
    frequency_masks: int = Field(default=0, ge=0, description="feature bands blanked")
    frequency_mask_bins: int = Field(
        default=15, ge=0, description="features of such a band, at most"
    )
    feature_noise: float = Field(
        default=0.0, ge=0, description="deviation of noise added to features"
    )

    @property
    def on_samples(self) -> bool:
        """Whether samples are changed, so that features cannot be kept."""
        given = (self.tempo, self.gain, self.noise, self.reverb)
        return bool(self.speed) or any(g is not None for g in given)

    @model_validator(mode="after")
    def _possible(self) -> AugmentationSection:
        if any(not 0.5 <= factor <= 2 for factor in self.speed):
            raise ValueError("each factor of speed must be from 0.5 to 2")
        for name in ("tempo", "gain", "noise", "reverb"):
            limits = getattr(self, name)
            if limits is not None and limits[0] > limits[1]:
                raise ValueError(f"{name}: give the lower end of the range first")
        if self.tempo is not None and not 0.5 <= self.tempo[0] <= self.tempo[1] <= 2:
            raise ValueError("tempo must be from 0.5 to 2")
        if self.reverb is not None and self.reverb[0] <= 0:
            raise ValueError("reverb must be a time above 0")
        return self
