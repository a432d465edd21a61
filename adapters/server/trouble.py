"""What keeps an installation from being opened or served, in one line that names the remedy."""

import errno
import os
import pwd
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adapters.server.listeners import CannotListen

REMEDIES: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "something else listens there: stop it, or change the `listen` settings",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE (docs/hardening.md says how), or change the settings",
    errno.EADDRNOTAVAIL: "this machine does not have the address: change the `listen` settings",
    socket.EAI_NONAME: "change the `listen` settings",
}


class OutOfReach(Exception):
    """Nothing can be asked: no settings, no permission, no installation."""


@contextmanager
def opening(root: Path) -> Iterator[None]:
    """What goes wrong with the files of an installation while it is opened.  Raises OutOfReach."""
    from adapters.server.installation import NotInstalled  # slow to import: a command may not need it
    from adapters.stores.migrations import SchemaTooNew
    from adapters.stores.sqlite import ENGINE_ERRORS, SqliteTooOld

    try:
        yield
    except PermissionError as fault:
        raise OutOfReach(f"{fault.filename or root} cannot be opened: be {owner(root)}, or root") from fault
    except (NotInstalled, SqliteTooOld, SchemaTooNew) as no:
        raise OutOfReach(str(no)) from no
    except ENGINE_ERRORS as fault:
        reason = fault.strerror if isinstance(fault, OSError) else fault
        remedy = "is the disk sound and not full, and may you write there?"
        raise OutOfReach(f"{root} cannot be opened ({reason}): {remedy}") from fault


@contextmanager
def serving(root: Path) -> Iterator[None]:
    """The same, and what goes wrong with all else that a server needs."""
    with opening(root):
        try:
            yield
        except ssl.SSLError as fault:
            raise OutOfReach(f"tls.certificate and tls.key cannot be used: {fault}") from fault
        except CannotListen as fault:
            said = f"cannot start: {fault.where}: {fault.strerror}"
            raise OutOfReach(": ".join(filter(None, (said, REMEDIES.get(fault.errno or 0))))) from fault
        except OSError as fault:
            if fault.filename is None:
                raise
            raise OutOfReach(f"{fault.filename} cannot be used: {fault.strerror}") from fault


def owner(root: Path) -> str:
    """Who may administer, as far as can be seen."""
    try:
        return pwd.getpwuid(root.stat().st_uid).pw_name
    except (OSError, KeyError):
        return "its owner"


def is_roots_trap(root: Path) -> bool:
    """Whether root would make files there that their owner could not open any more."""
    return os.geteuid() == 0 and root.exists() and root.stat().st_uid != 0
