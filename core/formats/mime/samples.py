"""The beginnings of the text parts, caught while the octets pass, for the preview."""

from .entity import Entity
from .limits import MAX_SAMPLES, SAMPLE_HTML, SAMPLE_PLAIN
from .preview import Sample


class Sampler:
    """Told where each leaf begins and ends; keeps a little of the first few that a reader would see."""

    def __init__(self) -> None:
        self._samples: list[tuple[Entity, int]] = []
        self._octets: list[bytearray] = []
        self._missing = 0  # how much the current sample may still take; 0: no sample
        self._body_start = 0

    def enter(self, path: list[Entity]) -> None:
        """The body of the last entity of the path begins."""
        entity = path[-1]
        content = entity.content
        is_attachment = content.disposition is not None and content.disposition.type.lower() == b"attachment"
        if content.type.lower() != b"text" or is_attachment or len(self._samples) == MAX_SAMPLES:
            return
        # Of an alternative, its multipart; else itself.
        alternative = len(path) > 1 and path[-2].content.subtype.lower() == b"alternative"
        self._samples.append((entity, id(path[-2] if alternative else entity)))
        self._octets.append(bytearray())
        self._missing = SAMPLE_HTML if content.subtype.lower() == b"html" else SAMPLE_PLAIN
        self._body_start = entity.body_start

    def take(self, octets: bytes, start: int, end: int, base: int) -> None:
        """Body octets pass."""
        if self._missing:
            start = max(start, self._body_start - base)
            piece = octets[start : min(end, start + self._missing)]
            self._octets[-1] += piece
            self._missing -= len(piece)

    def leave(self) -> None:
        """The current leaf ends."""
        self._missing = 0

    def samples(self) -> list[Sample]:
        return [
            Sample(
                is_html=entity.content.subtype.lower() == b"html",
                charset=_charset(entity),
                encoding=entity.content.encoding.decode("latin-1"),
                alternatives=alternatives,
                octets=bytes(octets),
            )
            for (entity, alternatives), octets in zip(self._samples, self._octets, strict=True)
        ]


def _charset(entity: Entity) -> str:
    """The charset parameter, or none."""
    for param in entity.content.params:
        if param.name.lower() == b"charset":
            return param.value.decode("latin-1")
    return ""
