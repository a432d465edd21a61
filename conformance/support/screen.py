"""A terminal for full-screen clients: tmux with a server of its own, read as a person would."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from conformance.support.processes import run, succeed

SECONDS = 20.0


class Screen:
    """One program on a screen of 120 by 40."""

    def __init__(self, directory: Path, command: Sequence[str | Path], *, env: Mapping[str, str]) -> None:
        self._socket = directory / "tmux"
        self._env = {"TERM": "screen", **env}
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._env.items())
        line = f"exec env {words} {shlex.join(map(str, command))}"
        self._tmux("-f", os.devnull, "new-session", "-d", "-s", "s", "-x", "120", "-y", "40", line)

    def _tmux(self, *arguments: str) -> str:
        return succeed("tmux", "-S", self._socket, *arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        run("tmux", "-S", self._socket, "kill-server")

    def text(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "s")

    def press(self, *keys: str) -> None:
        """tmux's names of keys (Enter, C-c), or letters."""
        self._tmux("send-keys", "-t", "s", *keys)

    def waits_for(self, words: str, *, seconds: float = SECONDS) -> str:
        """The screen once it shows this."""
        until = time.monotonic() + seconds
        while words not in (shown := self.text()):
            assert time.monotonic() < until, f"{words!r} is not shown within {seconds} s:\n{shown}"
            time.sleep(0.1)
        return shown

    def is_over(self) -> bool:
        """Whether the program has ended."""
        return run("tmux", "-S", self._socket, "has-session", "-t", "s").code != 0
