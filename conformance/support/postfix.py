"""A Postfix of one's own: its configuration, queue and log below a directory, beside the system's."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from conformance.support.packages import require
from conformance.support.processes import eventually, free_base, is_listening, succeed

MASTER = """\
{smtp}      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       1       1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
smtp      unix  -       -       n       -       -       smtp
lmtp      unix  -       -       n       -       -       lmtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
showq     unix  n       -       n       -       -       showq
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}
multi_instance_name = postfix-conformance
myhostname = hub.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relay_domains = example.com
relay_transport = lmtp:{destination}
default_transport = discard
smtpd_relay_restrictions = permit_mynetworks, reject
lmtp_destination_concurrency_limit = 10
message_size_limit = 50000000
mailbox_size_limit = 0
smtputf8_enable = yes
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
"""


class Postfix:
    """Takes mail for example.com and hands it on by LMTP."""

    def __init__(self, directory: Path, destination: str) -> None:
        """`destination` as in a transport table: inet:127.0.0.1:24 or unix:/path."""
        require("postfix")
        self.directory = directory
        self.smtp = free_base(0)
        self._config = directory / "etc"
        uid = pwd.getpwnam("postfix").pw_uid
        for name in ("etc", "spool", "data", "log"):
            (directory / name).mkdir(parents=True)
        os.chown(directory / "data", uid, -1)
        (self._config / "main.cf").write_text(MAIN.format(root=directory, destination=destination))
        (self._config / "master.cf").write_text(MASTER.format(smtp=f"127.0.0.1:{self.smtp}"))
        for name in ("postfix-files", "dynamicmaps.cf"):
            if (Path("/etc/postfix") / name).exists():
                shutil.copy(Path("/etc/postfix") / name, self._config / name)

    def start(self) -> "Postfix":
        # `postfix start` insists that the directory is named in the system's main.cf; the environment says the same.
        succeed("postfix", "-c", self._config, "start", env={"MAIL_CONFIG": str(self._config)})
        eventually(lambda: is_listening(self.smtp), what=f"Postfix listens; its log:\n{self.log()}")
        return self

    def stop(self) -> None:
        pid = int((self.directory / "spool" / "pid" / "master.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not is_listening(self.smtp), what="Postfix has ended")

    def log(self) -> str:
        path = self.directory / "log" / "mail.log"
        return path.read_text() if path.exists() else ""

    def sendmail(self, message: bytes, *recipients: str, sender: str = "joe@example.net") -> None:
        """What a program on the hub does."""
        words = ["sendmail", "-C", str(self._config), "-i", "-f", sender, *recipients]
        subprocess.run(
            words, input=message, check=True, timeout=20, env={**os.environ, "MAIL_CONFIG": str(self._config)}
        )

    def flush(self) -> None:
        succeed("postqueue", "-c", self._config, "-f")
