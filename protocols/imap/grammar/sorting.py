"""SORT and THREAD: what to sort or thread by, and then what to search for (RFC 5256 section 5).

What follows the keys or the algorithm is read by the grammar of SEARCH; only here the charset has no word before it
and cannot be left out.
"""

from typing import Final, get_args

from protocols.imap import limits
from protocols.imap.commands import Algorithm, SearchKey, Sort, SortKey, SortKeyName, Thread
from protocols.imap.grammar.scanner import BadSyntax, Scanner
from protocols.imap.grammar.search import Program, Returns, at_word, charset_of, return_options

_SORT_KEYS: Final[dict[bytes, SortKeyName]] = {name.encode(): name for name in get_args(SortKeyName)}
_ALGORITHMS: Final[dict[bytes, Algorithm]] = {name.encode(): name for name in get_args(Algorithm)}


def sort(scanner: Scanner, tag: bytes, uid: bool) -> Sort:
    """SORT [search-return-opts] SP sort-criteria SP charset 1*(SP search-key) (RFC 5256, RFC 5267 section 5)."""
    scanner.space()
    returns = Returns()
    if at_word(scanner, b"RETURN"):
        returns = return_options(scanner)
        scanner.space()
    keys = scanner.listing(lambda: _sort_key(scanner), limits.SORT_KEYS, "sort keys")
    scanner.space()
    charset, criteria = _search_criteria(scanner)
    return Sort(tag, uid, tuple(keys), criteria, returns.options, charset, returns.page)


def thread(scanner: Scanner, tag: bytes, uid: bool) -> Thread:
    """THREAD SP thread-alg SP charset 1*(SP search-key)."""
    scanner.space()
    algorithm = _ALGORITHMS.get(scanner.word())
    if algorithm is None:
        raise BadSyntax("Unknown threading algorithm")
    scanner.space()
    charset, criteria = _search_criteria(scanner)
    return Thread(tag, uid, algorithm, criteria, charset)


def _sort_key(scanner: Scanner) -> SortKey:
    reverse = at_word(scanner, b"REVERSE")
    name = _SORT_KEYS.get(scanner.word())
    if name is None:
        raise BadSyntax("Unknown sort key")
    return SortKey(name, reverse)


def _search_criteria(scanner: Scanner) -> tuple[str, SearchKey]:
    charset, codec = charset_of(scanner)
    scanner.space()
    return charset, Program(scanner, codec).whole()
