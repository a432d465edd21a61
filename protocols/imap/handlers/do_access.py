"""The connection itself: capabilities, TLS, signing in, ENABLE, ID, NAMESPACE, NOOP, LOGOUT."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from core.model import SEPARATOR
from core.recipients import Digest
from protocols.imap import commands, limits
from protocols.imap.fragments import Line
from protocols.imap.grammar import BadSyntax, base64
from protocols.imap.handlers.do_select import leave
from protocols.imap.naming.homes import OTHER_USERS, PUBLIC_FOLDERS
from protocols.imap.offering.policy import is_background, is_hidden
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected, bad
from protocols.imap.services import Account, Keys
from protocols.imap.work import Answer, Asking, Await, Compute, Pause, StartDeflate, StartTls, Steps, StopDeflate
from protocols.sasl import MECHANISMS
from protocols.sasl.steps import Challenge, Failure, NeedIdentity, NeedKeys, NeedPassword, NeedToken, Step, Success

if TYPE_CHECKING:
    from protocols.imap.session import Session

SIGNED_OUT = "Who are you now?"

# What may be enabled -> its spelling, and what else goes with it.
ENABLES: dict[str, tuple[str, ...]] = {
    "IMAP4REV2": ("IMAP4rev2",),
    "CONDSTORE": ("CONDSTORE",),
    "QRESYNC": ("QRESYNC", "CONDSTORE"),  # RFC 7162 3.2.3
    "UTF8=ACCEPT": ("UTF8=ACCEPT",),  # RFC 6855 3
    "UIDONLY": ("UIDONLY",),  # RFC 9586 3
}


def do_capability(session: Session, command: commands.Capability) -> str:
    """RFC 9051 6.1.1."""
    session.send(responses.capability(session.capabilities()))
    return "Completed"


def do_noop(session: Session, command: commands.Noop | commands.Check) -> str:
    """RFC 9051 6.1.2; CHECK (RFC 3501 6.4.1) has nothing to do here, since all is durable already."""
    return "Completed"


def do_logout(session: Session, command: commands.Logout) -> Steps:
    """RFC 9051 6.1.3: BYE comes before the tagged OK."""
    yield from leave(session)
    session.send(responses.bye("Until next time", language=session.language))
    session.is_leaving = True
    return "Logged out"


def do_id(session: Session, command: commands.Id) -> str:
    """RFC 2971.  Apple's Mail puts off for a day what it fetches in the background when its ID is refused (TN3189)."""
    session.client_id = command.fields
    services = session.services
    if services.client_policy.puts_off and is_background(command.fields) and services.is_busy:
        raise Rejected("Too busy for this; another day", code=responses.UNAVAILABLE)
    session.send(responses.id_({"name": "Penfold"}))
    return "Completed"


def do_namespace(session: Session, command: commands.Namespace) -> str:
    """RFC 2342."""
    own, others, public = [("", SEPARATOR)], [(f"{OTHER_USERS}/", SEPARATOR)], [(f"{PUBLIC_FOLDERS}/", SEPARATOR)]
    session.send(responses.namespace(own, others, public, utf8=session.takes_utf8))
    return "Completed"


def do_enable(session: Session, command: commands.Enable) -> str:
    """RFC 5161: what we do not know is passed over, and so is what this client is not offered."""
    hidden = session.hidden
    offered = [name for name in command.capabilities if name in ENABLES and not is_hidden(name, hidden)]
    if session.selected is not None and "IMAP4REV2" in offered:
        session.selected.shows_recent = False
    new = [name for name in offered if name not in session.enabled]
    session.send(responses.enabled([ENABLES[name][0] for name in new]))
    for name in new:
        session.enable(name, *ENABLES[name][1:])
    return "Enabled"


def do_starttls(session: Session, command: commands.Starttls) -> Steps:
    """RFC 9051 6.2.1."""
    if session.is_secure or not session.services.has_tls:
        raise bad("TLS is not to be had here")
    session.send(responses.ok(command.tag, "Begin TLS negotiation", language=session.language))
    yield StartTls()
    session.tls_started()
    return ""  # the tagged OK had to come before


def do_login(session: Session, command: commands.Login) -> Steps:
    """RFC 9051 6.2.3."""
    if not session.may_send_passwords:
        raise Rejected("Use TLS first", code=responses.PRIVACYREQUIRED)
    account = yield from _check_password(session, command.user, command.password)
    return _admit(session, account, command.user)


def do_authenticate(session: Session, command: commands.Authenticate) -> Steps:
    """RFC 9051 6.2.2, with the initial response of RFC 4959."""
    if command.mechanism not in session.mechanisms:
        code = None if session.may_send_passwords else responses.PRIVACYREQUIRED
        raise Rejected("That mechanism is not to be had here", code=code)
    mechanism = MECHANISMS[command.mechanism](session.services.entropy, bindings=session.bindings)
    step: Step = mechanism.start(command.initial)
    proof: _Proof | None = None
    while True:
        match step:
            case Challenge(octets):
                step = mechanism.step((yield from _ask(session, octets)))
            case NeedPassword(authcid=login, authzid=authzid, password=password):
                account = yield from _check_password(session, login, password)
                return _admit(session, account, login, authzid)
            case NeedKeys(username=login, digest=digest):
                yield from _wait(session, login)
                keys = session.services.keys(login, digest)
                proof = _Proof(login, digest, keys)
                step = mechanism.keys(keys)
            case NeedToken(token=token, authzid=authzid, refusal=refusal):
                yield from _wait(session, authzid)
                account = yield Compute(partial(session.services.sign_in_with_token, token))
                try:
                    identity = _authorized(session, account, authzid, authzid)
                except Rejected:  # it counts already: the client may go away instead of hearing why
                    yield from _ask(session, refusal)
                    raise
                return _welcome(session, identity)
            case NeedIdentity(authzid=authzid):
                names = session.certificate_names
                yield from _wait(session, authzid or names[0])
                account = session.services.sign_in_with_certificate(names, authzid)
                return _admit(session, account, account.name if account else authzid or names[0], authzid)
            case Success(authzid=authzid, final=final):
                assert proof is not None, "it was asked for the keys"
                _authorized(session, proof.keys.account, proof.login, authzid)  # RFC 5802 5: before the final message
                if final:
                    yield from _ask(session, final)
                # The client may have taken its time: decided again by what holds now.
                holds = session.services.keys(proof.login, proof.digest) == proof.keys
                return _admit(session, proof.keys.account if holds else None, proof.login, authzid)
            case Failure():
                return _admit(session, None, "" if proof is None else proof.login)


class _Proof(NamedTuple):
    """Whose keys SCRAM works with."""

    login: str
    digest: Digest
    keys: Keys


def _ask(session: Session, challenge: bytes) -> Asking[bytes]:
    """Sends a challenge; the client's response, decoded.  "*" gives up (RFC 9051 6.2.2)."""
    session.send(responses.challenge(b64encode(challenge)))
    line = yield Await.LINE
    if not isinstance(line, Line) or line.text == b"*":
        raise bad("Authentication was given up")
    try:
        return base64(line.text)
    except BadSyntax as fault:
        raise bad(fault.text) from None


def _check_password(session: Session, login: str, password: bytes) -> Asking[Account | None]:
    """The account, or None.  A password verified a moment ago is known again without hashing."""
    services = session.services
    yield from _wait(session, login)
    account = services.sign_in_again(login, password)
    if account is None:
        account = yield Compute(lambda: services.sign_in(login, password))
    return account


def _wait(session: Session, login: str) -> Asking[None]:
    delay = session.services.login_delay(session.peer, login)
    if delay:
        yield Pause(delay)


def _admit(session: Session, account: Account | None, login: str, authzid: str = "") -> Answer:
    """Lets the account in, or answers as for any other failure."""
    return _welcome(session, _authorized(session, account, login, authzid))


class _Identity(NamedTuple):
    """Whose session it will be, by which name, and who really signs in if that is somebody else."""

    account: Account
    login: str
    impersonator: Account | None


def _authorized(session: Session, account: Account | None, login: str, authzid: str) -> _Identity:
    """RFC 4422 3.4.1: whom `account`, which has proved who it is, acts for.  Raises Rejected.

    A name that nobody has and one for which the account may not act are answered alike.
    """
    if account is None:
        _failed(session, login)
        raise Rejected("Name or password is wrong", code=responses.AUTHENTICATIONFAILED)
    if not authzid:
        return _Identity(account, login or account.name, None)
    found = session.services.act_for(account, authzid)
    if found is None:
        _failed(session, account.name)
        raise Rejected("You may not act for anybody of that name", code=responses.AUTHORIZATIONFAILED)
    is_other = found.user != account.user
    return _Identity(found, account.name, account) if is_other else _Identity(account, login, None)


def _welcome(session: Session, identity: _Identity) -> Answer:
    services, (account, login, impersonator) = session.services, identity
    services.login_succeeded(session.peer, login, account if impersonator is not None else None)
    if not services.is_mounted(account):
        raise Rejected("The mailbox is not available at the moment", code=responses.UNAVAILABLE)
    if not services.admit(account):
        raise Rejected("Too many connections", code=responses.LIMIT)
    session.sign_in(account, impersonator)
    return "Welcome", responses.capability_code(session.capabilities())


def _failed(session: Session, login: str) -> None:
    session.services.login_failed(session.peer, login)
    session.login_failures += 1
    if session.login_failures >= limits.LOGIN_FAILURES:
        session.is_leaving, session.last_words = True, "Too many failures"


def do_unauthenticate(session: Session, command: commands.Unauthenticate) -> Steps:
    """RFC 8437: as if nobody had signed in yet; TLS stays."""
    if not session.services.may_unauthenticate:
        raise bad("Signing out is not to be had here")
    yield from leave(session)
    session.sign_out()
    if not session.is_compressed:
        return SIGNED_OUT
    session.send(responses.ok(command.tag, SIGNED_OUT, language=session.language))
    yield StopDeflate()
    session.compression_ended()
    return ""  # the tagged OK had to come before


def do_compress(session: Session, command: commands.Compress) -> Steps:
    """RFC 4978: from the octet after the tagged OK on, both sides speak DEFLATE."""
    if command.mechanism != "DEFLATE":
        raise bad("Only DEFLATE is known")
    if session.is_compressed:
        raise bad("The connection is compressed already")
    session.send(responses.ok(command.tag, "From now on in DEFLATE", language=session.language))
    yield StartDeflate()
    session.compression_started()
    return ""  # the tagged OK had to come before
