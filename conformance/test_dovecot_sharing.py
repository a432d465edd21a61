"""Access control lists beside Dovecot (RFC 4314): the same lists, and what each right lets another user see and do."""

import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from conformance.support.differential import Comparison, known, normal
from conformance.support.imap import Answer, Imap
from conformance.support.processes import succeed
from conformance.support.servers import Dovecot, Penfold

# As Penfold has it without being asked: others' folders below "Other Users/", \Seen of each reader's own, and lists
# that are looked at with each command.
SHARING = """
plugin {
  acl = vfile::cache_secs=0
  acl_anyone = allow
  acl_shared_dict = file:DIR/home/shared-mailboxes
  acl_groups = Staff
}
namespace others {
  type = shared
  separator = /
  prefix = Other Users/%%u/
  location = sdbox:DIR/home/%%n/sdbox:INDEXPVT=~/read/%%u
  subscriptions = no
  list = children
}
"""
STORIES: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "commands.toml").read_text())
RIGHTS = ("", "l", "r", "lr", "lrs", "lrw", "lrt", "lre", "lrte", "li", "lri", "lriswt", "lrx", "lkx", "lra",
          "lrswipkxtea")  # fmt: skip


@pytest.fixture(scope="module")
def dovecot(directory: Path) -> Iterator[Dovecot]:
    """One whose users can share folders."""
    (directory / "dovecot").mkdir(mode=0o755)
    server = Dovecot(directory / "dovecot", more=SHARING).start()
    yield server
    server.stop()


class Users:
    """Some users at both servers, and in what their answers differ."""

    def __init__(self, penfold: Penfold, dovecot: Dovecot, *names: str) -> None:
        with ExitStack() as stack:
            sessions = [(stack.enter_context(penfold.client(n)), stack.enter_context(dovecot.client(n))) for n in names]
            self._stack = stack.pop_all()
        self.first = Comparison(*sessions[0])
        self._users = {name: self.first.beside(*both) for name, both in zip(names, sessions, strict=True)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, case: str, line: str) -> None:
        """A line is the user and the command."""
        user, _, command = line.partition(" ")
        self._users[user].ask(f"{case} {line}", command)


def test_lists_are_kept_and_told_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    with Users(penfold, dovecot, "u1", "u2", "u3") as users:
        for number, line in enumerate(STORIES["acl"]):
            users.ask(f"acl:{number:03}", line)
        report = users.first.report(known(), "acl")
    assert not report, f"they differ:\n{report}"


def test_each_right_opens_the_same_doors(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 4314 4: a folder for each set of rights, and all that another user may try in it."""
    for server in (penfold, dovecot):
        with server.client("u4") as owner, server.client("u5") as other:
            for rights in RIGHTS:
                _share(owner, other, rights)
    with Users(penfold, dovecot, "u4", "u5") as users:
        for rights in RIGHTS:
            for number, line in enumerate(STORIES["rights"]):
                users.ask(f"rights:{rights}:{number:03}", line.replace("FOLDER", f"for-{rights}"))
        report = users.first.report(known(), "rights")
    assert not report, f"they differ:\n{report}"


def _share(owner: Imap, other: Imap, rights: str) -> None:
    """Three messages in a folder of the owner's, which is opened to the other, who has one in a folder of his own."""
    folder = f"for-{rights}"
    for client, count in ((owner, 3), (other, 1)):
        client.ok(f"CREATE {folder}")
        for number in range(count):
            assert client.append(folder, b"Subject: %d\r\n\r\n" % number).status == b"OK"
    owner.ok(f'SETACL {folder} u5 "{rights}"')


def test_annotations_and_quotas_of_others_need_the_same_rights(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5464 3.3; RFC 9208 leaves open whose quotas are told."""
    for server in (penfold, dovecot):
        with server.client("u6") as owner:
            for rights in RIGHTS:
                owner.ok(f"CREATE for-{rights}")
                owner.ok(f'SETMETADATA for-{rights} (/shared/comment "ours" /private/comment "mine")')
                owner.ok(f'SETACL for-{rights} u7 "{rights}"')
    with Users(penfold, dovecot, "u6", "u7") as users:
        for rights in RIGHTS:
            for number, line in enumerate(STORIES["annotations"]):
                users.ask(f"annotations:{rights}:{number:03}", line.replace("FOLDER", f"for-{rights}"))
        report = users.first.report(known(), "annotations")
    assert not report, f"they differ:\n{report}"


# GROUP is one that u9 is in, however it is called.
GROUPS = (
    "u8 SETACL Team GROUP lrs",
    "u8 GETACL Team",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 SETACL Team -GROUP s",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 SETACL Team anyone li",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 SETACL Team u9 lt",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 SETACL Team -u9 l",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 DELETEACL Team -u9",
    "u8 DELETEACL Team u9",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 GETACL Team",
    "u8 DELETEACL Team GROUP",
    "u8 DELETEACL Team -GROUP",
    'u9 MYRIGHTS "Other Users/u8/Team"',
    "u8 LISTRIGHTS Team GROUP",
    "u8 GETACL Team",
)


def test_rights_of_a_group_are_given_and_taken_away(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 4314 2."""
    command = Path(sys.executable).parent / "penfold"
    succeed(command, "group", "add", "Staff", "--dir", penfold.directory)
    succeed(command, "group", "add-member", "Staff", "u9", "--dir", penfold.directory)
    answers: list[list[object]] = []
    for server, group in ((penfold, "group:Staff"), (dovecot, "$Staff")):
        with server.client("u8") as owner, server.client("u9") as member:
            owner.ok("CREATE Team")
            clients = {"u8": owner, "u9": member}
            answers.append([_answer(clients, line, group) for line in GROUPS])
    with Users(penfold, dovecot, "u8") as users:
        for number, (line, *both) in enumerate(zip(GROUPS, *answers, strict=True)):
            users.first.compare(f"groups:{number:02} {line}", *both)
        report = users.first.report(known(), "groups")
    assert not report, f"they differ:\n{report}"


def _answer(clients: dict[str, Imap], line: str, group: str) -> object:
    user, _, command = line.partition(" ")
    answer = clients[user].command(command.replace("GROUP", group))
    return normal(Answer([line.replace(group.encode(), b"GROUP") for line in answer.untagged], answer.tagged))
