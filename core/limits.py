"""The store's limits, each with its reason.  Protocols have limits of their own for what they read from the wire."""

from typing import Final

FOLDERS_PER_MAILBOX: Final = 10_000  # LIST answers from one read of them all
FOLDER_DEPTH: Final = 32  # far beyond what people nest; bounds every walk
FOLDER_NAME_OCTETS: Final = 255  # one level, in UTF-8: as long as file systems allow
GRANTS_PER_FOLDER: Final = 1_000  # lines of an access control list; larger circles are groups
MEMBERS_PER_GROUP: Final = 10_000  # direct ones; a group is shown as a whole
GROUPS_PER_MEMBER: Final = 1_000  # direct and by nesting: LIST looks each of them up
FULL_ACCESS_PER_MAILBOX: Final = 1_000  # people and groups; larger circles are groups
KEYWORDS_PER_FOLDER: Final = 500  # they are never forgotten, and each is sent with every SELECT
ANNOTATIONS_PER_FOLDER: Final = 100  # shared ones, and private ones of each user; RFC 5464 4.1 demands 10
ANNOTATION_OCTETS: Final = 32 * 1024  # of one value, which is read and sent whole; RFC 5464 4.1 demands 1,024
ANNOTATION_NAME_OCTETS: Final = 255  # far beyond those that are registered
ANNOTATION_OCTETS_PER_MAILBOX: Final = 1 << 22  # likewise; a colour for each of 10,000 folders takes half
ANNOTATION_OVERHEAD: Final = 128  # octets that one counts for besides its name and value: what its row takes, about
ROWS_PER_COMMAND: Final = 2_000  # a command holds the writer for some 20 ms at most
TOMBSTONES_PER_FOLDER: Final = 10_000  # ranges of UIDs; a client that was away for longer is told what is missing
SEEN_RANGES: Final = 4_096  # of one reader in one folder; more are joined, and cost some 100 octets each until then
COPY_ROWS: Final = 50_000  # COPY must be all or nothing, so it may hold the writer longer, but not for ever
FAR_COPY_ROWS: Final = 10_000  # to another mailbox, where each message gets a row of its own
DELIVERIES_PER_COMMAND: Final = 100  # recipients of one message that are filed in one transaction
