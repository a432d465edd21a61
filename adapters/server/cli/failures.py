"""What a command says when it fails: one line that names the remedy, and an exit code that scripts can tell apart."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from adapters.server.config import SettingsError
from adapters.server.trouble import OutOfReach
from core.errors import Refusal

REFUSED: Final = 1  # not found, not allowed, or promises broken
MISUSED: Final = 2  # typer's own
OUT_OF_REACH: Final = 3  # locked, unreadable, or no server is running
BAD_SETTINGS: Final = 4
FAULT: Final = 5

TRACEBACK: Final = "PENFOLD_TRACEBACK"  # in the environment: show where a fault is

# What can be done about it, where the refusal itself does not say.
REMEDIES: Final = {
    "NoSuchRecipient": "`penfold mailbox list` shows which there are",
    "NoSuchDatabase": "`penfold database list` shows which there are",
    "NoSuchDomain": "`penfold domain list` shows which there are, `penfold domain add` makes it ours",
    "NoSuchFolder": "`penfold mailbox show` and `penfold public-folder list` show which there are",
    "NoSuchGroup": "`penfold group list` shows which there are, `penfold group show` who is in one",
    "NoSuchTrustee": "`penfold mailbox list` and `penfold group list` show who there is; a group is called group:NAME",
    "GroupExists": "choose another name",
    "GroupLoop": "`penfold group show` shows which groups it is in",
    "PublicFoldersElsewhere": "leave --database out",
    "NoSuchSession": "`penfold sessions list` shows which there are",
    "RecipientExists": "choose another, or change that one with `penfold mailbox set`",
    "AddressInUse": "`penfold mailbox show ADDRESS` shows whose it is",
    "DatabaseExists": "choose another name",
    "DatabaseMissing": "mount its disk, or restore it from the backup",
    "DatabaseLocked": "is a server just starting or stopping?  Try again in a moment",
    "NotRunning": "start one with `penfold serve`",
    "Interrupted": "try again once it runs",
    "ConnectionBroken": "look into its log, and try again",
    "Fault": "report it with what the log says",
}


class Misused(Exception):
    """The options do not fit together or do not suffice."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turns what is raised into a line on standard error and an exit code."""
    try:
        yield
    except SettingsError as wrong:
        _end(BAD_SETTINGS, str(wrong))
    except Misused as wrong:
        _end(MISUSED, str(wrong))
    except UnicodeEncodeError:
        _end(MISUSED, "what was given is not UTF-8")
    except OutOfReach as wrong:
        _end(OUT_OF_REACH, str(wrong))
    except Refusal as refusal:
        kind = getattr(refusal, "kind", type(refusal).__name__)
        remedy = REMEDIES.get(kind, "")
        is_fault = kind == "Fault"
        code = FAULT if is_fault else OUT_OF_REACH if refusal.temporary else REFUSED
        _end(code, f"{refusal}: {remedy}" if remedy else str(refusal))
    except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as fault:  # noqa: BLE001 - an administrator is told of it as of anything else
        if TRACEBACK in os.environ:
            traceback.print_exc()
        if isinstance(fault, OSError) and isinstance(fault.filename, (str, bytes, os.PathLike)):
            _end(OUT_OF_REACH, _of_a_file(fault))
        _end(FAULT, f"a fault of Penfold's: {type(fault).__name__}: {fault} (with {TRACEBACK}=1 it says where)")


def _of_a_file(fault: OSError) -> str:
    """The machine's fault rather than ours."""
    remedy = ": be its owner, or root" if isinstance(fault, PermissionError) else ""
    return f"{os.fsdecode(fault.filename)} cannot be used: {fault.strerror or fault}{remedy}"


def _end(code: int, text: str) -> None:
    for line in text.splitlines():
        print(f"penfold: {line}", file=sys.stderr)
    raise typer.Exit(code)
