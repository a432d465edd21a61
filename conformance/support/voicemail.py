"""A telephone exchange that keeps voice mail by IMAP: what Asterisk's app_voicemail.c says by way of c-client."""

import base64
import re
from email.message import EmailMessage
from email.policy import SMTP

from conformance.support.imap import Answer, Imap


class VoiceMail:
    """One extension's voice mail, in the mailbox of its user."""

    def __init__(self, client: Imap, *, user: str, password: str, master: str = "", extension: str = "4324") -> None:
        """With a master user it is that one's password, and SASL names both (RFC 4616)."""
        self.client = client
        self.extension = extension
        self._count = 0
        self._is_lit = False
        self._is_stale = False  # something has happened since the messages were counted
        client.ok("CAPABILITY")
        if master:
            self._authenticate(f"{user}\0{master}\0{password}")
        else:
            client.ok(f"LOGIN {user} {password}")
        (delimiter,) = {re.findall(rb'"(.)"', line)[0] for line in client.ok('LIST "" *').untagged}
        assert delimiter == b"/"
        self.open("INBOX")

    def _authenticate(self, message: str) -> None:
        self.client.send(b"a AUTHENTICATE PLAIN\r\n")
        assert self.client.response().startswith(b"+")
        self.client.send(base64.b64encode(message.encode()) + b"\r\n")
        assert self.client.finish(b"a").status == b"OK"

    def open(self, folder: str) -> None:
        """A folder that is not there is made."""
        if self.client.command(f"SELECT {folder}").status == b"NO":
            self.client.ok(f"CREATE {folder}")
            self.client.ok(f"SELECT {folder}")
        self.count()

    # ------------------------------------------------------------------------------------------ callers

    @property
    def is_full(self) -> bool:
        """What is looked at before the beep: STORAGE used against its limit, in KiB."""
        answer = self.client.ok("GETQUOTAROOT INBOX")
        used, limit = map(int, re.findall(rb"\(STORAGE (\d+) (\d+)", answer.untagged[-1])[0])
        return used >= limit

    def record(self, audio: bytes, *, urgent: bool = False) -> Answer:
        """A message in the folder that is open."""
        self._count += 1
        flags = "\\Flagged" if urgent else ""
        return self._hear(self.client.append("INBOX", self._message(audio, urgent=urgent), flags))

    def _message(self, audio: bytes, *, urgent: bool) -> bytes:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = "Asterisk PBX <asterisk@pbx.example.com>", "u1@example.com"
        mail["Subject"] = f"[PBX]: New message {self._count} in mailbox {self.extension}"
        for name, value in {
            "Message-Num": self._count,
            "Server-Name": "pbx.example.com",
            "Context": "imapvm",
            "Extension": self.extension,
            "Flag": "Urgent" if urgent else "",
            "Priority": 2,
            "Caller-ID-Num": "5551234",
            "Caller-ID-Name": "Joe",
            "Duration": len(audio) // 8000,
            "Category": "",
            "Message-Type": "Message",
            "Orig-date": "Mon Nov 23 09:00:00 AM UTC 2026",
            "Orig-time": 1795424400,
            "Message-ID": f"{self._count}-{self.extension}",
        }.items():
            mail[f"X-Asterisk-VM-{name}"] = str(value)
        mail.set_content("Just wanted to let you know you were just left a message.\n")
        mail.add_attachment(audio, maintype="audio", subtype="x-wav", filename=f"msg{self._count:04}.WAV")
        return mail.as_bytes()

    # ------------------------------------------------------------------------------------------ whose it is

    def new(self) -> list[int]:
        return self._search("UNSEEN UNDELETED UNFLAGGED")

    def urgent(self) -> list[int]:
        return self._search("UNSEEN UNDELETED FLAGGED")

    def old(self) -> list[int]:
        return self._search("SEEN UNDELETED")

    def _search(self, criteria: str) -> list[int]:
        whose = f"HEADER X-Asterisk-VM-Extension {self.extension} HEADER X-Asterisk-VM-Context imapvm"
        lines = self.client.ok(f"SEARCH {criteria} {whose}").untagged
        (found,) = [line for line in lines if line.startswith(b"* SEARCH")]
        return [int(number) for number in found.split()[2:]]

    def play(self, number: int) -> bytes:
        """The audio; whoever has heard it has seen it."""
        header = self.client.fetch(str(number), "BODY.PEEK[HEADER]", uid=False)[number][b"BODY[HEADER]"]
        assert b"X-Asterisk-VM-Extension: %b\r\n" % self.extension.encode() in bytes(header)  # type: ignore[call-overload]
        structure = self.client.fetch(str(number), "BODYSTRUCTURE", uid=False)[number][b"BODYSTRUCTURE"]
        assert structure[1][:2] == [b"audio", b"x-wav"]  # type: ignore[index]
        audio = self.client.fetch(str(number), "BODY[2]", uid=False)[number][b"BODY[2]"]
        self._hear(self.client.ok(f"STORE {number} +Flags (\\SEEN)"))
        return base64.b64decode(bytes(audio))  # type: ignore[call-overload]

    def save(self, number: int, folder: str) -> None:
        """Into another folder, which may have to be made, and away from here."""
        answer = self.client.command(f"COPY {number} {folder}")
        if answer.code == b"TRYCREATE":
            self.client.ok(f"CREATE {folder}")
            self.client.ok(f"COPY {number} {folder}")
        self.delete(number)

    def delete(self, number: int) -> None:
        """At once, and nothing else that is \\Deleted (RFC 4315)."""
        uid = next(iter(self.client.fetch(str(number), "(UID)")))
        self.client.ok(f"STORE {number} +Flags (\\DELETED)")
        self._hear(self.client.ok(f"UID EXPUNGE {uid}"))

    # ------------------------------------------------------------------------------------------ the lamp

    def count(self) -> None:
        self._is_lit, self._is_stale = bool(self.new() or self.urgent()), False

    def _hear(self, answer: Answer) -> Answer:
        """c-client's callbacks: what came, went or changed."""
        self._is_stale |= any(re.match(rb"\* \d+ (EXISTS|EXPUNGE|FETCH)", line) for line in answer.untagged)
        return answer

    def poll(self) -> bool:
        """Whether the lamp is lit: messages are counted again only when something was told."""
        self._hear(self.client.ok("NOOP"))
        if self._is_stale:
            self.count()
        return self._is_lit
