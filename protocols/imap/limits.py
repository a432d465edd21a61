"""Every limit of the IMAP side, named and argued: small before sign-in, larger after."""

from typing import Final

from msgspec import Struct

KIB: Final = 1024
MIB: Final = 1024 * KIB


class FragmentLimits(Struct, frozen=True):
    """What one connection may make us hold or read for one command."""

    line: int  # octets of one line, its end not counted
    literal: int  # octets of one literal that is not a message
    append: int  # octets of a message (APPENDLIMIT); streamed, so this bounds the store, not memory
    command: int  # octets of one command held in memory: its lines and literals together
    literals: int  # literals in one command
    discard: int  # octets of a refused command that we read and throw away; a client that sends more is cut off


# A stranger needs LOGIN or AUTHENTICATE and little else.  RFC 4959 section 6: an initial response of any length that a
# mechanism may have must be taken, and a token of 8,192 octets has 10,924 in base64.
BEFORE_LOGIN: Final = FragmentLimits(
    line=12 * KIB, literal=4 * KIB, append=4 * KIB, command=16 * KIB, literals=4, discard=64 * KIB
)
# 64 KiB of line hold a set of 10,000 UIDs with gaps.  Literals outside APPEND are search words and mailbox names.
# A refused LITERAL+ message is read to its end, because clients answer a closed connection by sending it again.
AFTER_LOGIN: Final = FragmentLimits(
    line=64 * KIB, literal=64 * KIB, append=50 * MIB, command=256 * KIB, literals=200, discard=256 * MIB
)

SASL_LINE: Final = 12_288  # octets of one SASL response: RFC 4954 section 4, the only number a SASL profile gives
TAG: Final = 128  # octets; clients use fewer than 20, and we repeat it in every answer
COMMANDS_IN_FLIGHT: Final = 64  # commands read ahead of the one that runs; beyond this the adapter stops reading
UNREAD: Final = 256 * KIB  # octets fed but not yet understood, beyond which the adapter stops reading

UNAUTHENTICATED_SECONDS: Final = 60  # a person types a password in less; RFC 9051 5.4 sets 30 minutes only after login
UNAUTHENTICATED_COMMANDS: Final = 50  # CAPABILITY, ID, STARTTLS and a few attempts
UNAUTHENTICATED_OCTETS: Final = 256 * KIB  # of commands, before anybody has signed in
LOGIN_FAILURES: Final = 3  # then the connection ends
IDLE_SECONDS: Final = 30 * 60  # RFC 9051 section 5.4: at least 30 minutes

SEQUENCE_RANGES: Final = 10_000  # ranges in one set; what a line of 64 KiB holds
FETCH_ITEMS: Final = 100  # there are some 20 different ones; the rest are body sections
FETCH_MODIFIERS: Final = 5  # there are three
SELECT_PARAMS: Final = 5  # there are two
HEADER_FIELDS: Final = 100  # names in one HEADER.FIELDS list
HEADER_FIELD_NAME: Final = 256  # octets; RFC 5322 2.1.1 lets a line have 998, no field known has more than 50
PART_DEPTH: Final = 100  # numbers in a part path; MIME is not scanned deeper
SEARCH_DEPTH: Final = 50  # parentheses, NOT, FUZZY and OR within one another; a chain of ORs is one level
SEARCH_KEYS: Final = 1_000  # keys in one SEARCH; clients look for some hundred Message-IDs at once
SEARCH_RETURNS: Final = 10  # options in RETURN (...); there are nine
CONTEXTS: Final = 8  # search results kept up to date for one client (RFC 5267 4.3.1); clients show one or two
CONTEXT_RANGES: Final = 4_096  # of UIDs in one of them, 150 octets each: a folder of any size with so many gaps
SORTED_CONTEXT: Final = 20_000  # messages of a sorted one, whose positions are counted on the spot: some milliseconds
SMALLEST_BATCH: Final = 500  # messages in one of UIDBATCHES: smaller ones would make a round trip of every screenful
LANGUAGES: Final = 20  # in one LANGUAGE; browsers let people list some ten
LANGUAGE: Final = 64  # octets of a language range; the longest that are in use have some 20
COMPARATORS: Final = 20  # in one COMPARATOR; there are three
COLLATION: Final = 254  # octets of a name, without its sign: RFC 4790 3.2
SORT_KEYS: Final = 20  # in one SORT; there are ten, and one that comes again has nothing left to decide
FILTER_PASSES: Final = 10  # that filters may name others; RFC 5466 3.1 wants three
SEARCH_TEXT: Final = 4 * KIB  # octets of one string to search for
SEARCH_TEXTS: Final = 128 * KIB  # of all strings in one SEARCH, which are folded on the spot: a thousand Message-IDs
FILTERS: Final = 64 * KIB  # octets of the filters in one SEARCH, each as often as it is named: as a line may have
FUZZY_WORDS: Final = 32  # that one SEARCH looks for fuzzily (RFC 6203 8); people type five
FUZZY_WORD: Final = 32  # letters of a word that may be misspelt; compounds that people write have some 30
FUZZY_KNOWN: Final = 10_000  # words that one key has looked at and remembers: 1 MiB, and most of what people use
MAILBOX_FILTERS: Final = 500  # mailboxes in one list of ESEARCH; clients with more say "personal" or name a subtree
NOTIFY_GROUPS: Final = 50  # of events in one NOTIFY; clients have one for what is selected and one for the rest
NOTIFY_EVENTS: Final = 20  # in one group; there are seven
NOTIFY_FOLDERS: Final = 10_000  # watched for one client: as many as a mailbox may have
NOTIFY_PENDING: Final = 1_000  # changes of annotations that wait for a client that does not read; then it is told so
LIST_PATTERNS: Final = 50
QUOTA_ROOT: Final = 256  # octets of a name; aliases have 64 at most
QUOTA_RESOURCES: Final = 20  # in one SETQUOTA; four are registered
QUOTA_RESOURCE: Final = 64  # octets of a name; the longest that is registered has 18
QUOTA_STORAGE: Final = (1 << 53) - 1  # units of 1,024 octets: as many octets as a signed number of 64 bits holds
LIST_OPTIONS: Final = 20
STATUS_ITEMS: Final = 20
METADATA_ENTRIES: Final = 100  # in one GETMETADATA or SETMETADATA; a folder has no more shared ones, nor private ones
METADATA_OPTIONS: Final = 5  # there are two
METADATA_NAME: Final = 255  # octets; this and the next are the store's limits, which a grammar may not ask
METADATA_VALUE: Final = 32 * KIB  # octets that a refused literal is told of; a test holds them together
ENABLE_CAPABILITIES: Final = 50
FLAGS: Final = 200  # flags in one list; a folder holds at most 500 keywords
KEYWORD: Final = 128  # octets of one keyword
MAILBOX_NAME: Final = 1_024  # octets on the wire
MAILBOX_DEPTH: Final = 32  # levels; the session counts, for it knows the separator
APPEND_MESSAGES: Final = 1_000  # in one APPEND (RFC 3502), which holds the writer for some 20 ms then
APPEND_DESCRIBED: Final = 16 * MIB  # of structures and the like, which wait in memory: mail has some 2 KiB of them
APPEND_OCTETS: Final = 1024 * MIB  # of all of them, which lie on disk unnamed until then
CATENATE_PARTS: Final = 1_000  # of one message; its MIME parts and what goes between them
URL: Final = 4 * KIB  # octets; a mailbox name, encoded, and some numbers
FULL_URL: Final = URL + 128  # of one that is authorized, which makes it longer by 76
URLS: Final = 100  # in one GENURLAUTH or URLFETCH; what one message is put together from
URL_MECHANISMS: Final = 10  # in one RESETKEY; there is one
USE_ATTRIBUTES: Final = 10  # in CREATE ... (USE (...)); RFC 6154 knows seven
ID_FIELDS: Final = 30  # RFC 2971 section 3.3, and the two below
ID_FIELD: Final = 30
ID_VALUE: Final = 1_024
CREDENTIAL: Final = 1_024  # octets of a login name or password; hashing a password is work

# Of what SORT and THREAD compared, for who asks again, over all folders: 400 octets for each message that was threaded,
# some 200 for one that was sorted by subject, 20 by date.
KEPT_OCTETS: Final = 64 * MIB

CACHED_KEY: Final = 512  # octets: longer FETCH items or flag lists are parsed anew, lest a client fill the cache
CACHE_ENTRIES: Final = 2_048
