"""How much of everything one SMTP or LMTP client may have of us: each limit with its reason."""

from dataclasses import dataclass

MIB = 1024 * 1024

# RFC 5321 4.5.3.1.4 asks for 512 octets, and each extension adds its parameters: SIZE 26, BODY 17, SMTPUTF8 10 on MAIL,
# and RFC 3461 4.2 and 4.3 500 more on each.  Paths in UTF-8 and long VERP or SRS senders want room too.
ADDRESS_LINE = 4096
# RFC 5321 4.5.3.1.4 for the other commands.
COMMAND_LINE = 512
# A line that long without an end is no command any more, and nobody is there to read the 500.
RUNAWAY_LINE = 64 * 1024

# RFC 5321 4.5.3.1.1 asks for 64 octets and lets a server take more: VERP and SRS senders pass 64 every day.
LOCAL_PART = 255
# RFC 5321 4.5.3.1.2, and the limit of the DNS.
DOMAIN = 255

# Above this much unread input the transport stops reading.  One read brings up to 256 KiB, so more gains nothing.
INPUT_HIGH = 16 * 1024
# Replies gathered for one write; a client that pipelines more gets them in pieces, at the speed at which it reads.
OUTPUT_HIGH = 16 * 1024

# More data than this many times the message size is no mistake about the limit, so we hang up instead of draining it.
OVERRUN = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that an administrator may set."""

    # Exchange 2007 had 10 MB; 50 MB is what mail systems take today.
    message_size: int = 50 * MIB
    # Exchange 2007's MaxRecipientEnvelopeLimit for its hubs; RFC 5321 4.5.3.1.8 asks for at least 100.
    recipients: int = 5000
    # A hub opens some tens.  One connection costs about 11 KiB, 24 KiB more with TLS.
    connections: int = 1000
    # Hosts that are not hubs can do nothing here, so they must not be able to take the hubs' places.
    untrusted_connections: int = 50
    # Postfix's smtpd_junk_command_limit: NOOP, RSET, EHLO and their like since the last message.
    idle_commands: int = 100
    # Postfix's smtpd_hard_error_limit: mistakes since the last message that arrived.  Who makes so many does not speak
    # our protocol.
    errors: int = 20
    # RFC 5321 4.5.3.2.7: at least 5 minutes for the next command, as a whole and not for each octet of it.
    command_seconds: float = 300
    # RFC 5321 4.5.3.2.5 gives the client 3 minutes for a block of data; a server may be more patient.
    data_seconds: float = 300
    # A client that wants something says EHLO at once (RFC 5321 4.5.3.2.1 has 5 minutes for the other direction).
    first_command_seconds: float = 60
    # A handshake is two round trips.
    handshake_seconds: float = 30
    # What we said last has so long to reach the client, and then the connection is cut.
    closing_seconds: float = 10
