"""The machine's own clock and randomness; see core.ports."""

import secrets
import time


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class SystemEntropy:
    def token(self, octets: int) -> bytes:
        return secrets.token_bytes(octets)
