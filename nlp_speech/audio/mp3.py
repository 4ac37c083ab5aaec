"""How long an MP3 file is: libsndfile believes its first frame, and stops there.

A file should begin with a frame that says how long it is (Xing or Info). Where it does
not, libsndfile takes the bit rate of the first frame for that of all; and where files
were put one behind the other, the first one speaks for all.

Source of the tables: ISO/IEC 11172-3 and 13818-3, layer III.
"""

from __future__ import annotations

from typing import BinaryIO

_XING_FRAMES, _XING_BYTES = 1, 2
_KBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44100, 48000, 32000)
_HEAD = 1024  # bytes in which a length is stated
_ENOUGH = 3  # frames in a row are sound, not chance


def after_tags(file: BinaryIO, begin: int = 0) -> int:
    """Where what follows ID3 tags begins, if there are any."""
    while True:
        file.seek(begin)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return begin
        length = 0
        for byte in head[6:]:
            length = length << 7 | byte & 127
        begin += 10 + length + (10 if head[5] & 16 else 0)


def stated_bytes(head: bytes) -> int:
    """The length of an MP3 file by its Xing or Info frame; 0: there is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    mpeg1, mono = head[1] & 0x18 == 0x18, head[3] >> 6 == 3
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    at = 4 + side
    flags = int.from_bytes(head[at + 4 : at + 8], "big")
    if head[at : at + 4] not in (b"Xing", b"Info") or not flags & _XING_BYTES:
        return 0
    at += 12 if flags & _XING_FRAMES else 8
    return int.from_bytes(head[at : at + 4], "big")


def goes_on(file: BinaryIO, end: int) -> bool:
    """Whether there is more sound behind the end that a file states."""
    begin = after_tags(file, end)
    file.seek(begin)
    return _walk(file.read(1 << 14))[0] >= _ENOUGH


def count_unless_stated(file: BinaryIO) -> int:
    """The samples of a channel in all frames of a file, tags between them aside.

    Args:
        file: open, at any place.

    Returns:
        0 if the file states its length, or does not begin with a frame of layer III.
    """
    begin, total = after_tags(file), 0
    file.seek(begin)
    if stated_bytes(file.read(_HEAD)):
        return 0
    while True:
        file.seek(begin)
        _, samples, length = _walk(file.read())
        total += samples
        following = after_tags(file, begin + length)
        if following == begin + length:
            return total
        begin = following


def _walk(data: bytes) -> tuple[int, int, int]:
    """The frames at the beginning of some bytes: count, samples and bytes."""
    place = count = samples = 0
    while (frame := _frame(data[place : place + 4])) is not None:
        length, size = frame
        place, count, samples = place + length, count + 1, samples + size
    return count, samples, min(place, len(data))


def _frame(head: bytes) -> tuple[int, int] | None:
    """The bytes and the samples of the frame with this header; None: it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version = head[1] >> 3 & 3  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or rate == 3 or bit_rate in (0, 15):
        return None
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[bit_rate - 1]
    hertz = _RATES[rate] >> (0 if version == 3 else 1 if version == 2 else 2)
    samples = 1152 if version == 3 else 576
    return samples // 8 * kbits * 1000 // hertz + (head[2] >> 1 & 1), samples
