"""Which Debian package brings which program: one that is missing fails the test and says how to get it."""

import os
import shutil

PACKAGES = {
    "dovecot": "dovecot-core",
    "postfix": "postfix",
    "swaks": "swaks",
    "mbsync": "isync",
    "offlineimap": "offlineimap3",
    "mutt": "mutt",
    "neomutt": "neomutt",
    "fetchmail": "fetchmail",
    "imapfilter": "imapfilter",
    "curl": "curl",
    "alpine": "alpine",
    "tmux": "tmux",
    "openssl": "openssl",
    "cc": "gcc libc6-dev",
    "strace": "strace",
}
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/lib/postfix/sbin"


def require(program: str) -> str:
    """Where a program is."""
    found = shutil.which(program, path=PATH)
    assert found, f"{program} is missing: run conformance/install.sh (Debian package {PACKAGES.get(program, program)})"
    return found
