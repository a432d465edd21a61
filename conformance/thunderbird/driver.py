"""Thunderbird as a process: started, spoken to in scripts, ended."""

import base64
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from conformance.support.packages import require
from conformance.support.processes import HOST, eventually
from conformance.thunderbird import profile, transcript
from conformance.thunderbird.mail import ImapAccount, Security
from conformance.thunderbird.marionette import Marionette, MarionetteError

START_SECONDS = 60.0
SCRIPT_SECONDS = 30.0
QUIT_SECONDS = 30.0

_PRELUDE = (Path(__file__).parent / "prelude.js").read_text()
# Marionette calls a script with the arguments and, last, a function that takes the result.
_SCRIPT = """\
const [DEADLINE, named, done] = arguments;
%s
(async ({ %s }) => {
%s
})(named).then(
  value => done({ value: value ?? null }),
  error => done({ error: `${error}\\n${error.stack ?? ""}` })
);
"""


class Thunderbird:
    """A Thunderbird with a profile of its own; in a `with` statement, running."""

    def __init__(self, directory: Path) -> None:
        """The directory is made."""
        self.directory = directory
        self._log = directory / "imap"
        self._process: subprocess.Popen[bytes] | None = None
        self._marionette: Marionette | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._quit()
        finally:
            self._kill()

    def _start(self) -> None:
        directory = self.directory
        directory.mkdir()
        profile.write(directory / "profile")
        environment = {
            **os.environ,
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "MOZ_CRASHREPORTER_DISABLE": "1",
            "MOZ_HEADLESS": "1",
            "MOZ_LOG": transcript.LOGGED,
            "MOZ_LOG_FILE": str(self._log),
        }
        options = ("--no-remote", "--profile", directory / "profile", "--marionette", "--remote-allow-system-access")
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [require("thunderbird"), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )
        port = directory / "profile" / profile.PORT_FILE

        def is_listening() -> bool:
            assert self._process is not None, "it has been started"
            assert self._process.poll() is None, f"Thunderbird has ended:\n{(directory / 'log').read_text()}"
            return port.exists() and port.read_text() != ""

        eventually(is_listening, seconds=START_SECONDS, what="Marionette listens")
        self._marionette = Marionette(int(port.read_text()), seconds=START_SECONDS)
        # Never acceptInsecureCerts: what is wrong with a certificate must show.
        self._marionette.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})
        self._marionette.command("Marionette:SetContext", value="chrome")

    def _quit(self) -> None:
        assert self._process is not None, "it runs"
        assert self._marionette is not None, "it runs"
        self._marionette.command("Marionette:Quit", flags=["eAttemptQuit"])
        assert self._process.wait(QUIT_SECONDS) == 0

    def _kill(self) -> None:
        """Ends what is left, children included."""
        if self._marionette is not None:
            self._marionette.close()
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def run_script(self, script: str, *, seconds: float = SCRIPT_SECONDS, **arguments: object) -> Any:
        """Runs the body of an asynchronous function, which sees the arguments, by their names, and prelude.js."""
        assert self._marionette is not None, "it runs"
        self._marionette.command("WebDriver:SetTimeouts", script=round((seconds + 5) * 1000))
        said = self._marionette.command(
            "WebDriver:ExecuteAsyncScript",
            seconds=seconds + 10,
            script=_SCRIPT % (_PRELUDE, ", ".join(arguments), script),
            args=[(time.time() + seconds) * 1000, arguments],
            sandbox="system",
            newSandbox=False,
        )["value"]
        if said is None:
            raise MarionetteError("a dialog has opened, which ends scripts")
        if "error" in said:
            raise MarionetteError(said["error"])
        return said["value"]

    def accept_dialog(self, *, seconds: float = SCRIPT_SECONDS) -> None:
        """Waits for a question, and answers with its first button."""
        marionette = self._marionette
        assert marionette is not None, "it runs"

        def accept() -> bool:
            try:
                marionette.command("WebDriver:AcceptAlert")
            except MarionetteError as error:
                if "no such alert" in str(error):
                    return False
                raise
            return True

        eventually(accept, seconds=seconds, what="a dialog")

    @contextmanager
    def dialog(self, script: str, **arguments: object) -> Iterator[None]:
        """A window that keeps others waiting, opened by the script: meanwhile scripts run in it, until it is closed."""
        marionette = self._marionette
        assert marionette is not None, "it runs"
        opener = marionette.command("WebDriver:GetWindowHandle")["value"]
        before = set(marionette.command("WebDriver:GetWindowHandles"))

        def opened() -> set[str]:
            return set(marionette.command("WebDriver:GetWindowHandles")) - before

        def is_loaded() -> bool:
            try:
                return bool(self.run_script('return document.readyState == "complete" && document.title != "";'))
            except MarionetteError as error:
                if "Document was unloaded" in str(error):  # that of the empty window
                    return False
                raise

        self.run_script(f"setTimeout(() => {{ {script} }});", **arguments)
        eventually(opened, seconds=SCRIPT_SECONDS, what="a window has opened")
        marionette.command("WebDriver:SwitchToWindow", handle=opened().pop(), focus=False)
        try:
            eventually(is_loaded, seconds=SCRIPT_SECONDS, what="the window is loaded")
            yield
            eventually(lambda: not opened(), seconds=SCRIPT_SECONDS, what="the window is closed")
        finally:
            if opened():
                marionette.command("WebDriver:CloseChromeWindow")
            marionette.command("WebDriver:SwitchToWindow", handle=opener, focus=False)

    def transcript(self, user: str) -> list[str]:
        """What this user's connections have said over IMAP."""
        return transcript.read(self._log.with_name("imap.moz_log"), user)

    def trust(self, certificate: Path, port: int) -> None:
        """Confirm Security Exception: the certificate is good enough for the server at this port."""
        self.run_script(
            """
                const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
                const overrides = Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService);
                const certificate = database.constructX509FromBase64(encoded);
                overrides.rememberValidityOverride(host, port, {}, certificate, false);
            """,
            encoded=base64.b64encode(ssl.PEM_cert_to_DER_cert(certificate.read_text())).decode(),
            host=HOST,
            port=port,
        )

    def remember_password(self, scheme: str, user: str, password: str) -> None:
        """As the box below a question for a password does."""
        self.run_script(
            """
                const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
                login.init(origin, null, origin, user, password, "", "");
                await Services.logins.addLoginAsync(login);
            """,
            origin=f"{scheme}://{HOST}",
            user=user,
            password=password,
        )

    def add_tag(self, name: str, *, key: str = "") -> None:
        """New Tag; or one with a key of the user's profile, which has come from an older Thunderbird."""
        self.run_script(
            """
                if (key) {
                  MailServices.tags.addTagForKey(key, name, "#3333FF", "");
                } else {
                  MailServices.tags.addTag(name, "#3333FF", "");
                }
            """,
            name=name,
            key=key,
        )

    def add_imap_account(self, user: str, password: str, port: int, *, security: Security) -> ImapAccount:
        """An account at a server on this machine; it looks for mail only when its user or the server says so."""
        self.remember_password("imap", user, password)
        key = self.run_script(
            """
                const server = MailServices.accounts.createIncomingServer(user, host, "imap");
                server.port = port;
                server.socketType = Ci.nsMsgSocketType[security];
                server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
                server.doBiff = false;
                server.loginAtStartUp = false;
                server.valid = true;
                const identity = MailServices.accounts.createIdentity();
                identity.fullName = user;
                identity.email = `${user}@example.com`;
                identity.valid = true;
                const account = MailServices.accounts.createAccount();
                account.addIdentity(identity);
                account.incomingServer = server;
                return account.key;
            """,
            user=user,
            host=HOST,
            port=port,
            security=security,
        )
        account = ImapAccount(self, key, user)
        account.folders()
        return account
