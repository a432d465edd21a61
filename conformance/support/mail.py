"""Messages for tests, each with a token by which it is found again."""

import itertools

_numbers = itertools.count(1)


def message(subject: str = "", *, body: str = "", sender: str = "joe@example.net", to: str = "u1@example.com") -> bytes:
    """An ordinary message; no two have the same Message-ID."""
    number = next(_numbers)
    text = (
        f"From: Joe <{sender}>\nTo: {to}\nSubject: {subject or f'message {number}'}\n"
        f"Date: Mon, 23 Nov 2026 09:00:00 +0000\n"
        f"Message-ID: <{number}.{subject.replace(' ', '-') or 'x'}@conformance.example>\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\n\n{body or f'This is message {number}.'}\n"
    )
    return text.replace("\n", "\r\n").encode()
