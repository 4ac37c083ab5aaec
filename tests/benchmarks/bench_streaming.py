"""What a stream costs on a device, and how long after its end a word appears.

Streams the strings of digits of a bundle's test set (clips of known length, joined with
pauses) through its TFLite file on one thread, 20 ms at a time.

    NLP_SPEECH_DATA=... python tests/benchmarks/bench_streaming.py [BUNDLE]
        [--strings N] [--short] [--json FILE]

A word's delay is the sound heard from the end of its clip, silence at the clip's end
included, to the first partial result in which the word is complete and right; delays
are of strings recognized without an error, and computing takes no time in them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from side_by_side import keep

import nlp_speech
from nlp_speech.audio.inputs import read_sound, split_parts
from nlp_speech.errors import UserError

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "saved_models" / "speech_digits"
BLOCK_SECONDS = 0.02


def ends_of_words(given: str, rate: int) -> list[float]:
    """When each clip of a joined string ends, in seconds."""
    ends, now = [], 0.0
    for part in split_parts(given):
        if isinstance(part, Path):
            now += len(read_sound(str(part), rate)) / rate
            ends.append(now)
        else:
            now += part
    return ends


def first_heard(recognizer: Any, sound: np.ndarray, words: list[str]) -> list[float]:
    """When each word is first there, with all before it, in seconds of sound."""
    rate, found = recognizer.sample_rate, []
    size = round(BLOCK_SECONDS * rate)
    ended: list[str] = []
    for start in range(0, len(sound), size):
        for segment in recognizer.accept(sound[start : start + size]):
            ended += segment.text.split()
        heard = ended + recognizer.partial().text.split()
        while (
            len(found) < len(words)
            and heard[: len(found) + 1] == (words[: len(found) + 1])
        ):
            found.append(min(start + size, len(sound)) / rate)
    return found


def measure(bundle: Path, strings: int) -> dict[str, Any]:
    """All numbers as plain data."""
    model = nlp_speech.load(bundle, runtime="tflite", threads=1)
    recognizer = nlp_speech.stream(model)
    inputs, references = model.task.references(model.config, "test")
    rate = recognizer.sample_rate
    delays: list[float] = []
    seconds = cpu = 0.0
    right = 0
    for given, text in list(zip(inputs, references, strict=True))[:strings]:
        # Silence afterwards, as a microphone goes on.
        sound = np.pad(read_sound(given, rate), (0, rate))
        start = time.process_time()
        for block in np.split(sound, range(0, len(sound), round(BLOCK_SECONDS * rate))):
            recognizer.accept(block)
        recognizer.finish()
        cpu += time.process_time() - start
        seconds += len(sound) / rate
        words, ends = text.split(), ends_of_words(given, rate)
        heard = first_heard(recognizer, sound, words)
        recognizer.reset()
        if len(heard) == len(ends):
            right += 1
            delays += [h - end for h, end in zip(heard, ends, strict=True)]
    return {
        "bundle": bundle.name,
        "strings": min(strings, len(inputs)),
        "right": right,
        "sound_seconds": seconds,
        "cpu_seconds_per_second": cpu / seconds,
        "latency_by_the_config": recognizer.latency_seconds,
        "delay_median": float(np.median(delays)),
        "delay_95_percent": float(np.quantile(delays, 0.95)),
    }


def table(result: dict[str, Any]) -> str:
    return (
        f"{result['bundle']}: {result['strings']} strings, "
        f"{result['sound_seconds']:.0f} s of sound\n"
        f"  CPU a second of sound   {result['cpu_seconds_per_second']:.4f} s\n"
        f"  latency by the config   {result['latency_by_the_config']:.2f} s\n"
        f"  delay after a clip      {result['delay_median']:.2f} s median, "
        f"{result['delay_95_percent']:.2f} s for 95% of the words of "
        f"{result['right']} strings"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost and the delay of a stream.")
    parser.add_argument("bundle", nargs="?", type=Path, default=BUNDLE)
    parser.add_argument("--strings", type=int, default=100)
    parser.add_argument("--short", action="store_true", help="5 strings: does it run?")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    try:
        result = measure(arguments.bundle, 5 if arguments.short else arguments.strings)
    except UserError as error:
        print(f"bench_streaming was left out: {error}", file=sys.stderr)
        return
    print(table(result))
    keep(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
