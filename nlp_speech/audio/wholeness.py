"""Whether a sound file is cut short, as far as that can be told: libsndfile is silent.

The headers of WAV, RF64, W64, AIFF, 8SVX, AU, CAF and NIST say how long the file is,
unless their writer did not know it; so does the Xing or Info frame that most MP3 files
begin with. The last page of Ogg says that it is the last one. Of FLAC, SDS and HTK
libsndfile tells itself.

It cannot be told of an MP3 file without such a frame, of headers without a length (PAF,
PVF, IRCAM, SD2), or of less than 10 bytes, about which writers disagree. AVR, MAT4,
MAT5, MPC2K, VOC, WVE and XI are not looked at.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Literal

from nlp_speech.audio.mp3 import after_tags, goes_on, stated_bytes

_Order = Literal["little", "big"]

# Some writers count the header, or leave out the last byte of padding.
_SLACK = 9
# Sizes that a header has when its writer could not go back to fill them in.
_UNKNOWN = (
    range(1),
    range(0x7EFFFF00, 1 << 31),
    range(0xFFFFFF00, 1 << 32),
    range(1 << 62, 1 << 64),
)
_FORMS = (b"WAVE", b"AIFF", b"AIFC", b"8SVX", b"16SV")
_HEAD = 1024
_OGG_HEADER = 27
_OGG_PAGE = _OGG_HEADER + 255 + 255 * 255  # bytes at most
_OGG_LAST = 4

EARLY = "the file is cut short: it ends early; get it again"
"""What is said of a file that has less than it says."""

MISSTATED = (
    "this MP3 file does not say rightly how long it is, so that only its beginning "
    "would be read; mend it with: ffmpeg -i FILE -c copy NEW.mp3"
)
"""What is said of files put one behind the other, and of some without a length."""

_NO_LAST_PAGE = (
    "the file is cut short: its last page does not end the stream; get it again, or if "
    "it is whole, mend it with: ffmpeg -i FILE -c copy NEW"
)


def cut_short(file: BinaryIO, size: int) -> str | None:
    """Says what is missing at the end of a sound file, or would not be read.

    Args:
        file: open, at any place.
        size: of it, in bytes.

    Returns:
        What is wrong and what to do, or None: it is whole, or nobody can tell.
    """
    begin = after_tags(file)
    file.seek(begin)
    head = file.read(_HEAD)
    if head[:4] == b"OggS":
        return None if _has_last_page(file, size) else _NO_LAST_PAGE
    length = _caf_size(file, begin, size) if head[:4] == b"caff" else _claimed(head)
    if length and stated_bytes(head) and goes_on(file, begin + length):
        return MISSTATED
    return EARLY if begin + length > size + _SLACK else None


def _claimed(head: bytes) -> int:
    """The bytes that a file has by its first ones, or 0: they do not say."""
    kind = head[:4]
    if kind in (b"RIFF", b"RIFX", b"FORM") and head[8:12] in _FORMS:
        return _size(head[4:8], "little" if kind == b"RIFF" else "big", 8)
    if kind == b"RF64" and head[12:16] == b"ds64":
        return _size(head[20:28], "little", 8)
    if kind == b"riff":
        return _size(head[16:24], "little", 0)
    if kind == b".snd":
        return _size(head[8:12], "big", int.from_bytes(head[4:8], "big"))
    if kind == b"dns.":
        return _size(head[8:12], "little", int.from_bytes(head[4:8], "little"))
    return _nist_size(head) if kind == b"NIST" else _known(stated_bytes(head))


def _size(field: bytes, order: _Order, more: int) -> int:
    """A size in a header with `more` bytes that it does not count; 0: unknown."""
    size = _known(int.from_bytes(field, order))
    return size and size + more


def _known(size: int) -> int:
    """A size, or 0 if it is one of those that mean nothing."""
    return 0 if any(size in sizes for sizes in _UNKNOWN) else size


def _caf_size(file: BinaryIO, begin: int, size: int) -> int:
    """The length of the header and of all chunks; 0: the last one does not say it."""
    end = 8
    while begin + end < size:
        file.seek(begin + end)
        head = file.read(12)
        length = int.from_bytes(head[4:], "big")
        if len(head) == 12 and length >= 1 << 62:
            return 0
        end += 12 + length
    return end


def _nist_size(head: bytes) -> int:
    """The length of a NIST file; 0: its sound is compressed, or it does not say."""
    fields = dict(re.findall(rb"^(\w+) -\w+ (\S+)", head, re.MULTILINE))
    if b"," in fields.get(b"sample_coding", b""):
        return 0
    try:
        length = int(head.split(None, 2)[1])
        count, width = int(fields[b"sample_count"]), int(fields[b"sample_n_bytes"])
        return length + count * width * int(fields.get(b"channel_count", 1))
    except (KeyError, IndexError, ValueError):
        return 0


def _has_last_page(file: BinaryIO, size: int) -> bool:
    """Whether the last page of an Ogg file is whole, and marked as the last one."""
    file.seek(max(0, size - _OGG_PAGE))
    tail = file.read(_OGG_PAGE)
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    if len(page) < _OGG_HEADER:
        return False
    table = page[_OGG_HEADER:][: page[26]]
    whole = _OGG_HEADER + page[26] + sum(table) <= len(page)
    return whole and len(table) == page[26] and bool(page[5] & _OGG_LAST)
