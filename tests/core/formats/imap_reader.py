"""A small strict reader of IMAP data: it takes what RFC 3501 section 9 allows and nothing else."""

from dataclasses import dataclass

Value = bytes | int | None | list["Value"]


class Bad(Exception):
    """Not what the grammar says."""


@dataclass
class Reader:
    octets: bytes
    utf8: bool = False
    at: int = 0

    def peek(self) -> bytes:
        return self.octets[self.at : self.at + 1]

    def expect(self, octet: bytes) -> None:
        if self.peek() != octet:
            raise Bad(f"{octet!r} expected at {self.at}: {self.octets[self.at : self.at + 40]!r}")
        self.at += 1

    def value(self) -> Value:
        match self.peek():
            case b"(":
                return self.list()
            case b'"':
                return self.quoted()
            case b"{":
                return self.literal()
            case _:
                return self.atom()

    def list(self) -> list[Value]:
        self.expect(b"(")
        values: list[Value] = []
        while self.peek() != b")":
            # A space parts two values; only lists may touch (1*address, 1*body).
            if values and not (isinstance(values[-1], list) and self.peek() == b"("):
                self.expect(b" ")
            values.append(self.value())
        self.at += 1
        if not values:
            raise Bad("no IMAP list of ours may be empty")
        return values

    def quoted(self) -> bytes:
        self.expect(b'"')
        text = b""
        while self.peek() != b'"':
            if self.peek() == b"\\":
                self.at += 1
                if self.peek() not in (b'"', b"\\"):
                    raise Bad("only quoted-specials are escaped")
            octet = self.peek()
            if octet in (b"", b"\r", b"\n", b"\0"):
                raise Bad("not a TEXT-CHAR")
            text += octet
            self.at += 1
        self.at += 1
        if not (self.utf8 or text.isascii()):
            raise Bad("8-bit in a quoted string")
        text.decode()
        return text

    def literal(self) -> bytes:
        end = self.octets.index(b"}\r\n", self.at)
        length = int(self.octets[self.at + 1 : end])
        self.at = end + 3 + length
        text = self.octets[end + 3 : self.at]
        if len(text) != length or b"\0" in text:
            raise Bad("not a literal")
        return text

    def atom(self) -> int | None:
        start = self.at
        while self.peek().isalnum():
            self.at += 1
        atom = self.octets[start : self.at]
        if atom == b"NIL":
            return None
        if not atom.isdigit():
            raise Bad(f"neither NIL nor a number: {self.octets[start : start + 20]!r}")
        return int(atom)


def read(octets: bytes, *, utf8: bool = False) -> list[Value]:
    """The one parenthesized list that these octets are."""
    reader = Reader(octets, utf8)
    values = reader.list()
    if reader.at != len(octets):
        raise Bad("more after the list")
    return values


def _nstring(value: Value) -> None:
    assert value is None or isinstance(value, bytes), value


def _address(value: Value) -> None:
    assert isinstance(value, list)
    assert len(value) == 4
    for part in value:
        _nstring(part)


def check_envelope(value: Value) -> None:
    """RFC 3501 9, envelope."""
    assert isinstance(value, list)
    assert len(value) == 10
    for index, member in enumerate(value):
        if index in (0, 1, 8, 9):
            _nstring(member)
        elif member is not None:
            assert isinstance(member, list)
            for address in member:
                _address(address)


def _params(value: Value) -> None:
    if value is not None:
        assert isinstance(value, list)
        assert len(value) % 2 == 0
        assert all(isinstance(each, bytes) for each in value)


def _common(dsp: Value, lang: Value, loc: Value) -> None:
    if dsp is not None:
        assert isinstance(dsp, list)
        assert len(dsp) == 2
        assert isinstance(dsp[0], bytes)
        _params(dsp[1])
    if isinstance(lang, list):
        assert all(isinstance(each, bytes) for each in lang)
    else:
        _nstring(lang)
    _nstring(loc)


def check_body(value: Value, *, extensible: bool) -> None:
    """RFC 3501 9, body: of BODYSTRUCTURE if extensible, else of BODY."""
    assert isinstance(value, list)
    if isinstance(value[0], list):
        children = value[: next(index for index, each in enumerate(value) if not isinstance(each, list))]
        for child in children:
            check_body(child, extensible=extensible)
        rest = value[len(children) :]
        assert isinstance(rest[0], bytes)
        assert len(rest) == (5 if extensible else 1)
        if extensible:
            _params(rest[1])
            _common(*rest[2:])
        return
    type_, subtype, params, id_, description, encoding, octets, *rest = value
    assert isinstance(type_, bytes)
    assert isinstance(subtype, bytes)
    assert isinstance(encoding, bytes)
    assert isinstance(octets, int)
    _params(params)
    _nstring(id_)
    _nstring(description)
    if type_.lower() == b"message" and subtype.lower() in (b"rfc822", b"global"):
        envelope, body, lines, *rest = rest
        check_envelope(envelope)
        check_body(body, extensible=extensible)
        assert isinstance(lines, int)
    elif type_.lower() == b"text":
        lines, *rest = rest
        assert isinstance(lines, int)
    # body-ext-1part may be left out; the stand-in for an empty multipart does.
    assert len(rest) in ((0, 4) if extensible else (0,))
    if rest:
        _nstring(rest[0])
        _common(*rest[1:])
