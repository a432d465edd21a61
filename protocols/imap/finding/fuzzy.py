"""Words that nearly match: how well a text holds what somebody has in mind (RFC 6203).

A text comes in pieces that part no words.  A needle looks at each distinct word once, and knows what came of it when
the next message has the same words; to a needle words are the same that differ in letters which it does not have.  How
far a word is from another is found out last, after looking at its length and its letters, and no further than may be:
long words and random strings cost no more than short ones (RFC 6203 8).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import filterfalse, islice
from math import isclose
from typing import Final

from msgspec import Struct

from core.formats.casemap import loosen
from protocols.imap import limits
from protocols.imap.work import Breathe

# How well a text matches; a word that is missing counts 0, and the words of a needle come to their mean.
PHRASE: Final = 1.0  # as it was typed
EXACT: Final = 0.9  # the word itself
BEGINS: Final = 0.7  # a word that begins with it
WITHIN: Final = 0.6  # as it was typed, but in the middle of words
MISSPELT: Final = (0.5, 0.3)  # by one slip, by two
LETTERS_FOR_SLIPS: Final = (4, 8)  # that a word must have for one, and for two

COMPARISONS: Final = 100  # of two words in one go: some tenths of a millisecond, or five where all are nearly alike

# Vowel signs of South Asian scripts are no letters to Python; without them words would fall apart.
_LETTERS: Final = "\\w\u0900-\u0963\u0966-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_WORD: Final = re.compile(f"[{_LETTERS}]+")
_STRANGE: Final = "\0"  # any letter that is not in the needle


def words_of(text: str) -> list[str]:
    """The words of a loosened text, in order."""
    return _WORD.findall(text)


def count_words(texts: Iterable[str], most: int) -> int:
    """How many words there are in what is looked for, counted up to one more than this."""
    words = (word for text in texts for word in _WORD.finditer(loosen(text)))
    return sum(1 for _ in islice(words, most + 1))


def pieces(slices: Iterable[str]) -> Iterator[str]:
    """The pieces, which end where a word does, of a loosened text that comes in slices, wherever they are cut."""
    held = ""
    for slice_ in slices:
        cut = len(held) - len(_open_word(held))
        if cut:
            yield held[:cut]
        held = held[cut:] + slice_
    yield held


def _open_word(text: str) -> str:
    """The word that a text ends in and that may go on, unless it is longer than any word."""
    tail = text[-(limits.FUZZY_WORD + 1) :]
    words = words_of(tail)
    return words[-1] if words and tail.endswith(words[-1]) and len(words[-1]) <= limits.FUZZY_WORD else ""


def distance(left: str, right: str, most: int) -> int:
    """How many letters must be changed, added, left out or swapped with the next; beyond `most`, one more than that.

    A letter is part of one such step only (optimal string alignment).
    """
    beyond = most + 1
    if abs(len(left) - len(right)) > most:
        return beyond
    start, ends = 0, (len(left), len(right))
    while start < min(ends) and left[start] == right[start]:
        start += 1
    while start < min(ends) and left[ends[0] - 1] == right[ends[1] - 1]:
        ends = ends[0] - 1, ends[1] - 1
    left, right = left[start : ends[0]], right[start : ends[1]]
    if most == 1 or not left or not right:  # what most words come to
        is_swap = len(left) == len(right) == 2 and left == right[::-1]
        return 1 if is_swap else min(max(len(left), len(right)), beyond)
    columns = len(right)
    above: list[int] = []  # the row before the one before
    before: list[int] = [*range(columns + 1)]
    for row, letter in enumerate(left, 1):
        # Farther from the diagonal all is beyond.
        low, high = max(1, row - most), min(columns, row + most)
        current: list[int] = [beyond] * (columns + 1)
        current[0] = row
        for column in range(low, high + 1):
            other = right[column - 1]
            cost = min(before[column] + 1, current[column - 1] + 1, before[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, above[column - 2] + 1)
            current[column] = cost
        if min(current) > most and min(before) >= most:  # a swap reaches two rows on
            return beyond
        above, before = before, current
    return min(before[-1], beyond)


def slips(word: str) -> int:
    """How many slips of the pen a word may have: of a short one another word would come, of a long one hardly."""
    return sum(len(word) >= letters for letters in LETTERS_FOR_SLIPS) if len(word) <= limits.FUZZY_WORD else 0


class _Target(Struct, frozen=True):
    place: int  # among the words of the needle
    word: str
    letters: frozenset[str]
    slips: int


class Needle:
    """What is looked for.  It remembers words of texts, and goes from one message to the next."""

    def __init__(self, text: str) -> None:
        self.phrase = loosen(text)
        self._words = tuple(dict.fromkeys(words_of(self.phrase)))
        self._table = _table("".join(self._words))
        self._near: dict[int, list[_Target]] = {}  # by the length of what may be meant
        for place, word in enumerate(self._words):
            few = slips(word)
            target = _Target(place, word, frozenset(word), few)
            for length in range(len(word) - few, len(word) + few + 1) if few else ():
                self._near.setdefault(length, []).append(target)
        self._misses: set[str] = set()  # words of texts that do not match
        self._hits: dict[str, dict[int, float]] = {}  # and those that do: which word of ours, how well

    def score(self, texts: Iterable[Iterable[str]], breathe: Breathe) -> float:
        """How well some texts together match; 0 if they do not."""
        best = [0.0] * len(self._words)
        is_within = False
        for text in texts:
            tail = ""
            for piece in text:
                if tail:
                    breathe()
                together = tail + piece
                if self.phrase in together:
                    # What is all of the tail was seen with what stands before it.
                    if self._apart.search(together, 1 if 0 < len(self.phrase) == len(tail) else 0):
                        return PHRASE
                    is_within = True
                tail = together[-len(self.phrase) :] if self.phrase else ""
                self._judge(piece, best, breathe)
        # Of "IMAP is broken" one word may be missing, but not two.
        matched = sum(map(bool, best))
        found = sum(best) / len(best) if matched and 2 * matched >= len(best) else 0.0
        return max(found, WITHIN) if is_within else found

    @cached_property
    def _apart(self) -> re.Pattern[str]:
        """The phrase where no word goes on before or behind it."""
        before = f"(?<![{_LETTERS}])" if _WORD.match(self.phrase) else ""
        behind = f"(?![{_LETTERS}])" if _WORD.match(self.phrase[-1:]) else ""
        return re.compile(before + re.escape(self.phrase) + behind)

    def _judge(self, piece: str, best: list[float], breathe: Breathe) -> None:
        """Makes the best of what a piece has to offer for each word."""
        if all(quality == EXACT for quality in best):
            return
        if len(self._misses) + len(self._hits) > limits.FUZZY_KNOWN:
            self._misses.clear()
            self._hits.clear()
        # In ASCII, which most text is, this is twice as fast as the pattern.
        words = piece.translate(self._table).split() if piece.isascii() else words_of(piece)
        comparisons = 0
        for word in filterfalse(self._misses.__contains__, words):
            hits = self._hits.get(word)
            if hits is None:
                hits = self._compared(word)
                comparisons += 1 + len(self._near.get(len(word), ()))
                if comparisons > COMPARISONS:
                    breathe()
                    comparisons = 0
                if len(word) <= limits.FUZZY_WORD:
                    self._remember(word, hits)
            for place, quality in hits.items():
                best[place] = max(best[place], quality)

    def _remember(self, word: str, hits: dict[int, float]) -> None:
        if hits:
            self._hits[word] = hits
        else:
            self._misses.add(word)

    def _compared(self, word: str) -> dict[int, float]:
        hits: dict[int, float] = {}
        if word.startswith(self._words):
            for place, wanted in enumerate(self._words):
                if word.startswith(wanted):
                    hits[place] = EXACT if word == wanted else BEGINS
        near = self._near.get(len(word))
        if near is None:
            return hits
        letters = frozenset(word)
        for target in near:
            most = target.slips
            if (
                target.place not in hits
                # Each slip costs or brings one kind of letter at most.
                and len(target.letters - letters) <= most
                and len(letters - target.letters) <= most
                and (far := distance(target.word, word, most)) <= most
            ):
                hits[target.place] = MISSPELT[far - 1]
        return hits


def _table(letters: str) -> dict[int, str]:
    """For str.translate: what is between words is a space, and strange letters are one."""
    codes = [code for code in range(128) if chr(code) not in letters]
    return {code: _STRANGE if _WORD.match(chr(code)) else " " for code in codes}


def scaled(scores: Sequence[float]) -> list[int]:
    """Relevancy of the messages of one result: from 1 to 100, the whole of it if they differ (RFC 6203 4)."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if isclose(low, high):  # a sum may differ by the order of what is summed up
        return [100] * len(scores)
    return [1 + round(99 * (score - low) / (high - low)) for score in scores]
