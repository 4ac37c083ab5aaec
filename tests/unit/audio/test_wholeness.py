"""Sound files that are cut short, in every format that says how long it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nlp_speech.audio.decode import read_samples, read_stretch, sound_info
from nlp_speech.errors import UserError

# Without a length in the header, or one that is not looked at; see the module.
UNTOLD = {
    *("PAF", "PVF", "IRCAM", "SD2", "RAW"),
    *("AVR", "MAT4", "MAT5", "MPC2K", "VOC", "WVE", "XI"),
}
TOLD = sorted(set(soundfile.available_formats()) - UNTOLD)
ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)


def written(folder: Path, sound: np.ndarray, **options: Any) -> tuple[Path, bytearray]:
    path = folder / "a.sound"
    soundfile.write(path, sound, 16000, **options)
    return path, bytearray(path.read_bytes())


def refused(path: Path, message: str = "") -> None:
    for read in (sound_info, lambda path: read_samples(path, 16000)):
        with pytest.raises(UserError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("share", [0.2, 0.9, 0.98])
@pytest.mark.parametrize("kind", TOLD)
def test_a_file_cut_short(
    tmp_path: Path, sound: np.ndarray, kind: str, share: float
) -> None:
    path, content = written(tmp_path, sound, format=kind)
    assert len(read_samples(path, 16000)) == len(sound)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=f"^{path}: "):
        read_samples(path, 16000)


@pytest.mark.parametrize("kind", [k for k in TOLD if k not in ("FLAC", "HTK", "SDS")])
def test_the_header_is_enough(tmp_path: Path, sound: np.ndarray, kind: str) -> None:
    path, content = written(tmp_path, sound, format=kind)
    path.write_bytes(content[:-50])
    refused(path, "cut short")
    with pytest.raises(UserError, match="cut short"):
        read_stretch(path, 16000, 0.1, 0.2)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_without_its_last_page(
    tmp_path: Path, sound: np.ndarray, subtype: str
) -> None:
    path, content = written(tmp_path, np.tile(sound, 9), format="OGG", subtype=subtype)
    path.write_bytes(content[: content.rindex(b"OggS")])
    refused(path, "last page.*ffmpeg")


@pytest.mark.parametrize(
    ("kind", "place", "size"),
    [
        ("WAV", 4, b"\xff\xff\xff\xff"),
        ("WAV", 4, b"\x00\xf0\xff\x7f"),
        ("AIFF", 4, b"\x7f\x00\x00\x2e"),
        ("AU", 8, b"\xff\xff\xff\xff"),
        ("W64", 16, b"\xff" * 8),
        ("RF64", 20, bytes(8)),
    ],
)
def test_a_length_that_the_writer_did_not_know(
    tmp_path: Path, sound: np.ndarray, kind: str, place: int, size: bytes
) -> None:
    path, content = written(tmp_path, sound, format=kind)
    content[place : place + len(size)] = size
    path.write_bytes(content)
    assert len(read_samples(path, 16000)) == len(sound)


def test_a_caf_stream_is_not_called_short(tmp_path: Path, sound: np.ndarray) -> None:
    path, content = written(tmp_path, sound, format="CAF")
    place = content.index(b"data") + 4
    content[place : place + 8] = b"\xff" * 8
    path.write_bytes(content)
    # libsndfile does not read it.
    refused(path, "no sound file")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_behind_a_tag(
    tmp_path: Path, sound: np.ndarray, rate: int, channels: int
) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.stack([sound] * channels, axis=1), rate)
    content = ID3 + path.read_bytes()
    path.write_bytes(content)
    assert sound_info(path).channels == channels
    path.write_bytes(content[:-50])
    refused(path, "cut short")


def test_mp3_that_does_not_say_how_long_it_is(
    tmp_path: Path, sound: np.ndarray
) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, sound, 16000, bitrate_mode="CONSTANT", compression_level=0)
    content = path.read_bytes()
    begin = content.index(b"\xff\xf3", 4)  # the frame after that with the length
    path.write_bytes(content[begin : len(content) // 2])
    assert 0 < len(read_samples(path, 16000)) < len(sound)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_files_put_one_behind_the_other(
    tmp_path: Path, sound: np.ndarray, rate: int
) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, sound, rate)
    content = path.read_bytes()
    for between in (b"", ID3):
        path.write_bytes(content + between + content)
        refused(path, "only its beginning would be read")
    path.write_bytes(content + b"TAG" + b" " * 125)  # no sound
    assert len(read_samples(path, rate)) > 0


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_without_a_length(tmp_path: Path, rate: int, mode: str) -> None:
    """Noise and then silence: the first frames have a higher bit rate than the rest."""
    noise = np.random.default_rng(1).normal(0, 0.3, 5 * rate).clip(-1, 1)
    sound = np.concatenate([noise, np.zeros(20 * rate)])
    path = tmp_path / "a.mp3"
    soundfile.write(path, sound, rate, bitrate_mode=mode, compression_level=0.5)
    whole = len(read_samples(path, rate))
    content = path.read_bytes()
    sync = content[:2]
    path.write_bytes(content[content.index(sync, 4) :])
    if mode == "VARIABLE":
        refused(path, "only its beginning would be read")
    else:
        assert len(read_samples(path, rate)) == pytest.approx(whole, abs=rate / 5)


def test_a_compressed_nist_file_may_be_shorter_than_its_samples(
    tmp_path: Path, sound: np.ndarray
) -> None:
    path, content = written(tmp_path, sound, format="NIST")
    coding = b"sample_coding -s26 pcm,embedded-shorten-v2.00\n"
    assert b"sample_coding -s3 pcm\n" in content
    head = content[:1024].replace(b"sample_coding -s3 pcm\n", coding)[:1024]
    path.write_bytes(head + content[1024:20000])
    refused(path, "no sound file")


@pytest.mark.parametrize("head", [b"FORM A", b"RIFF", b"NIST_1A", b".snd", b"\xff\xfb"])
def test_what_only_begins_like_sound(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(head + b" is a letter" * 9)
    with pytest.raises(UserError, match=f"^{path}: "):
        read_samples(path, 16000)
