"""The log of a process of its own: what is set up holds for the whole process."""

import json
import subprocess
import sys

PROGRAM = """
import logging, warnings
from adapters.server.logs import adopt_twisted, configure
log = configure({form!r}, {level!r})
adopt_twisted()
log.debug("small", n=1)
log.info("event", connection=7, name="Zoë\\n")
logging.getLogger("aiosmtpd").info("chatter")
logging.getLogger("asyncio").error("foreign %s", "word")
def fails(password):
    raise ValueError("oh")
try:
    fails("open sesame")
except ValueError:
    log.exception("fault", connection=7)
from twisted.logger import Logger
Logger("t").error("twisted {{what}}", what="word")
"""


def logged(form: str, level: str = "info") -> str:
    program = PROGRAM.format(form=form, level=level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_json_lines_hold_one_event_each_whoever_logs_it() -> None:
    event, foreign, fault, twisted = (json.loads(line) for line in logged("json").splitlines())
    assert (event["event"], event["level"], event["connection"], event["name"]) == ("event", "info", 7, "Zoë\n")
    assert event["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["level"]) == ("foreign word", "error")
    assert "ValueError: oh" in fault["exception"]
    assert twisted["event"] == "twisted word"


def test_a_traceback_shows_no_values() -> None:
    """They would be passwords and mail."""
    for form in ("json", "console"):
        assert "ValueError: oh" in logged(form)
        assert logged(form).count("open sesame") == 0


def test_the_level_is_a_threshold() -> None:
    assert '"small"' in logged("json", "debug")
    quiet = [json.loads(line)["event"] for line in logged("json", "error").splitlines()]
    assert quiet == ["foreign word", "fault", "twisted word"]
