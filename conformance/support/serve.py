"""`penfold demo` with settings that the demo does not have: python -m conformance.support.serve ..."""

import argparse
import sys
from pathlib import Path

import msgspec

from adapters.server import demo, serving
from adapters.server.config import Endpoint, Size
from adapters.server.installation import Installation
from core.recipients import Quota


def main() -> int:
    """Serves until it is stopped."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dir", type=Path)
    arguments.add_argument("--port-base", type=int)
    arguments.add_argument("--users", type=int)
    arguments.add_argument("--password")
    arguments.add_argument("--largest", type=int, help="octets of a message")
    arguments.add_argument("--full", action="append", default=[], help="a user whose mailbox takes next to nothing")
    arguments.add_argument("--lmtp-socket", help="also listen there")
    chosen = arguments.parse_args()
    settings = demo.settings(chosen.dir.absolute(), chosen.port_base)
    replace = msgspec.structs.replace
    if chosen.largest:
        size = Size(chosen.largest)
        settings = replace(
            settings,
            imap=replace(settings.imap, max_message_size=size),
            smtp=replace(settings.smtp, max_message_size=size),
        )
    if chosen.lmtp_socket:
        endpoints = (*settings.lmtp.listen, Endpoint.read(f"unix:{chosen.lmtp_socket}"))
        settings = replace(settings, lmtp=replace(settings.lmtp, listen=endpoints))
    demo.prepare(settings, users=chosen.users, password=chosen.password, sample=False)
    house = Installation(settings)
    for alias in chosen.full:
        house.organization.set_recipient(
            replace(house.recipient(alias), use_database_quota=False, own_quota=Quota(prohibit_all=2000))
        )
    house.close()
    return serving.serve(settings, workers=None, read=lambda: settings, announce=lambda: print("ready", flush=True))


if __name__ == "__main__":
    sys.exit(main())
