"""Every limit of the MIME scanner, in one place: what a message may cost us, whoever wrote it.

Nothing here refuses a message.  What lies beyond a limit is kept as it came and merely not taken apart.
"""

from typing import Final

# Levels of multipart and message/rfc822.  Recursion over the tree is safe at this depth; real mail stays below 10.
MAX_DEPTH: Final = 50

# Each part costs about 10 us and 200 stored octets; a digest of a busy list has some hundred.
MAX_PARTS: Final = 10_000

# What all parts together may bring along in described header text.  Without it 10,000 parts of 16 KiB each would make a
# BODYSTRUCTURE of 160 MB.  Past it, no further parts are split off.
MAX_DESCRIBED: Final = 4 * 1024 * 1024

# Of one header block, so much is searched for fields; its end is still found exactly.  Exchange refuses above 256 KiB,
# Postfix cuts at 100 KiB.
MAX_HEADER: Final = 512 * 1024

# Of one field of the message header (Subject, To, References, ...).  About 6,000 addresses.
MAX_FIELD: Final = 256 * 1024

# Of one Content-* field of a part.  A file name is at most 255 octets; its RFC 2231 form at most 1,000.
MAX_MIME_FIELD: Final = 16 * 1024

# In one address field of the ENVELOPE; more than the 5,000 recipients Exchange takes.
MAX_ADDRESSES: Final = 6_000

# Of one Content-Type or Content-Disposition, counting RFC 2231 sections one by one.
MAX_PARAMS: Final = 200

# Threading keys kept: the thread's root and the nearest ancestors (RFC 5256: clients truncate the middle too).
MAX_REFERENCES: Final = 200

# RFC 5322 2.1.1: no line is longer, so no real message-id is.
MAX_MESSAGE_ID: Final = 998

# RFC 2046 5.1.1 says 70; longer ones exist.  Only so many octets are compared, and no more are ever held back while
# waiting for the rest of a line.
MAX_BOUNDARY: Final = 1_000

# RFC 8970 3.3: a preview SHOULD be at most 200 characters.
MAX_PREVIEW: Final = 200

# Text parts looked at for a preview, and what is kept of each: 200 characters of quoted-printable Chinese are 1,800
# octets.  HTML needs more, since style sheets come first.
MAX_SAMPLES: Final = 4
SAMPLE_PLAIN: Final = 2 * 1024
SAMPLE_HTML: Final = 16 * 1024
