"""Frames on a stream: the length of each in four octets, then its octets."""

import struct
from collections.abc import Iterator
from typing import Final

FRAME_OCTETS: Final = 64 << 20  # a command with the bodies of a whole MULTIAPPEND, and all that was computed of them
_LENGTH: Final = struct.Struct(">I")


class BrokenFrame(ValueError):
    """What came is no frame of ours."""


def framed(octets: bytes) -> bytes:
    """A frame.  Raises BrokenFrame for more than FRAME_OCTETS."""
    if len(octets) > FRAME_OCTETS:
        raise BrokenFrame(f"A frame has at most {FRAME_OCTETS} octets")
    return _LENGTH.pack(len(octets)) + octets


class Unframer:
    """Takes octets as they come, and gives frames."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The frames that are whole now.  Raises BrokenFrame."""
        self._octets += octets
        start = 0
        while (stop := self._end(start)) and stop <= len(self._octets):
            yield bytes(self._octets[start + _LENGTH.size : stop])
            start = stop
        del self._octets[:start]

    def _end(self, start: int) -> int:
        """Where the frame ends that begins there; 0: not enough has come to know."""
        if len(self._octets) - start < _LENGTH.size:
            return 0
        (length,) = _LENGTH.unpack_from(self._octets, start)
        if length > FRAME_OCTETS:
            raise BrokenFrame(f"A frame of {length} octets: at most {FRAME_OCTETS} are ours")
        return start + _LENGTH.size + int(length)
