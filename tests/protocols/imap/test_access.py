"""Signing in, and what surrounds it."""

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from protocols.imap.services import Account, Keys
from protocols.imap.work import StartTls
from tests.support.imap import Client, TestServer, account

WRONG = b"NO [AUTHENTICATIONFAILED] Name or password is wrong\r\n"


def plain(login: str, password: str, authzid: str = "") -> str:
    return b64encode(f"{authzid}\0{login}\0{password}".encode()).decode()


def test_login_tells_what_can_be_done_now(server: TestServer) -> None:
    """RFC 9051 6.2.3, and the capabilities that a client would ask for next."""
    answer = server.client(None).ok("LOGIN u1 pass")
    assert answer.startswith(b"a1 OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    for capability in (b" MOVE", b" UIDPLUS", b" SPECIAL-USE", b" APPENDLIMIT=10000000"):
        assert capability in answer
    assert b"AUTH=" not in answer


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(server: TestServer) -> None:
    client = server.client(None)
    assert client.says("LOGIN u1 wrong") == b"a1 " + WRONG
    assert client.says("LOGIN nobody wrong") == b"a2 " + WRONG


def test_three_failures_end_the_connection(server: TestServer) -> None:
    client = server.client(None)
    client.says("LOGIN u1 wrong")
    client.says("LOGIN u1 wrong")
    assert client.says("LOGIN u1 wrong") == b"a3 " + WRONG + b"* BYE Too many failures\r\n"
    assert client.session.is_closing
    assert client.paused == [1.0, 2.0]


def test_success_forgets_the_failures_of_that_name(server: TestServer) -> None:
    client = server.client(None)
    client.no("LOGIN u1 wrong", "AUTHENTICATIONFAILED")
    client.ok("LOGIN u1 pass")
    assert server.failures == []


def test_plain_with_an_initial_response(server: TestServer) -> None:
    """RFC 4959."""
    client = server.client(None)
    client.ok(f"AUTHENTICATE PLAIN {plain('u1', 'pass')}")


def test_plain_without_an_initial_response(server: TestServer) -> None:
    """RFC 9051 6.2.2."""
    client = server.client(None)
    assert client.says("AUTHENTICATE plain") == b"+ \r\n"
    assert client.send(plain("u1", "pass").encode() + b"\r\n").startswith(b"a1 OK ")


def test_acting_for_oneself_is_allowed_and_for_others_is_not(server: TestServer) -> None:
    """RFC 4422 3.4.1; whether there is such another is not told."""
    for authzid in ("u1", "u1@example.com"):
        client = server.client(None)
        client.ok(f"AUTHENTICATE PLAIN {plain('u1', 'pass', authzid)}")
        assert (client.session.signed_in.name, client.session.impersonator) == ("u1", None)
    client = server.client(None)
    refused = [client.says(f"AUTHENTICATE PLAIN {plain('u1', 'pass', other)}")[3:] for other in ("u2", "nobody")]
    assert refused[0] == refused[1] == b"NO [AUTHORIZATIONFAILED] You may not act for anybody of that name\r\n"
    assert server.failures == ["u1", "u1"]
    assert client.says(f"AUTHENTICATE PLAIN {plain('u1', 'wrong', 'u2')}").startswith(b"a3 " + WRONG)


def test_who_may_impersonate_signs_in_as_another(server: TestServer) -> None:
    """T-12.7: the session is the other's in every respect; who signed in is remembered for administrators."""
    server.impersonators = {"u1"}
    server.client("u2").append("INBOX", b"Subject: for u2\r\n\r\n")
    client = server.client(None)
    client.no(f"AUTHENTICATE PLAIN {plain('u1', 'pass', 'nobody')}", "AUTHORIZATIONFAILED")
    client.ok(f"AUTHENTICATE PLAIN {plain('u1', 'pass', 'u2')}")
    assert b"* 1 EXISTS" in client.ok("SELECT INBOX")
    assert (client.session.signed_in.name, client.session.impersonator) == ("u2", account(1))
    assert server.successes[-1] == "u1 as u2"
    client.ok("UNAUTHENTICATE")
    client.ok("LOGIN u2 pass")
    assert client.session.impersonator is None, "the next one signs in as himself"


def test_the_login_mechanism_asks_twice(server: TestServer) -> None:
    client = server.client(None)
    assert client.says("AUTHENTICATE LOGIN") == b"+ " + b64encode(b"Username:") + b"\r\n"
    assert client.send(b64encode(b"u1") + b"\r\n") == b"+ " + b64encode(b"Password:") + b"\r\n"
    assert client.send(b64encode(b"pass") + b"\r\n").startswith(b"a1 OK ")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b"*", b"a1 BAD Authentication was given up\r\n"),
        (b"!!", b"a1 BAD Not base64\r\n"),
        (b"x" * 20_000, b"a1 BAD Authentication was given up\r\n"),
        (b64encode(b"junk"), b"a1 " + WRONG),
    ],
)
def test_a_response_that_is_none_fails(server: TestServer, response: bytes, answer: bytes) -> None:
    """RFC 9051 6.2.2: "*" gives up, and is answered with BAD."""
    client = server.client(None)
    client.says("AUTHENTICATE PLAIN")
    assert client.send(response + b"\r\n") == answer
    client.ok("LOGIN u1 pass")


def test_a_mechanism_that_is_not_offered_is_refused(server: TestServer) -> None:
    client = server.client(None)
    client.no("AUTHENTICATE CRAM-MD5")
    client.no("AUTHENTICATE SCRAM-SHA-256-PLUS")


def test_without_tls_no_password_is_taken_where_it_may_not(server: TestServer) -> None:
    """RFC 9051 6.2.3, LOGINDISABLED."""
    server.plaintext_logins = False
    client = server.client(None)
    assert b" LOGINDISABLED " in client.greeting
    assert b"AUTH=PLAIN" not in client.greeting
    assert b"AUTH=SCRAM-SHA-256" in client.greeting
    client.no("LOGIN u1 pass", "PRIVACYREQUIRED")
    client.no(f"AUTHENTICATE PLAIN {plain('u1', 'pass')}", "PRIVACYREQUIRED")
    assert server.failures == []
    server.client("u1", secure=True)


# ---------------------------------------------------------------------------------------------- SCRAM


def scram_keys(account: Account | None, password: bytes) -> Keys:
    salted = hashlib.pbkdf2_hmac("sha256", password, b"salt", 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return Keys(account, b"salt", 4096, stored, hmac.digest(salted, b"Server Key", "sha256"))


def scram_final(header: bytes, first: bytes, challenge: bytes, password: bytes) -> bytes:
    nonce = challenge.split(b",")[0]
    unproven = b"c=" + b64encode(header) + b"," + nonce
    salted = hashlib.pbkdf2_hmac("sha256", password, b"salt", 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    signed = hmac.digest(hashlib.sha256(key).digest(), first + b"," + challenge + b"," + unproven, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signed, strict=True))
    return unproven + b",p=" + b64encode(proof)


def scram(client: Client, login: str, password: bytes, authzid: str = "") -> bytes:
    first = b"n=" + login.encode() + b",r=abcdef"
    header = f"n,{'a=' if authzid else ''}{authzid},".encode()
    answer = client.says(b"AUTHENTICATE SCRAM-SHA-256 " + b64encode(header + first))
    challenge = b64decode(answer.removeprefix(b"+ "))
    answer = client.send(b64encode(scram_final(header, first, challenge, password)) + b"\r\n")
    if not answer.startswith(b"+ "):
        return answer
    assert b64decode(answer.removeprefix(b"+ ")).startswith(b"v=")
    return client.send(b"\r\n")


def test_scram_lets_in_who_knows_the_password(server: TestServer) -> None:
    """RFC 5802, RFC 7677."""
    server.keys_of["u1"] = scram_keys(account(1), b"pass")
    assert scram(server.client(None), "u1", b"pass").startswith(b"a1 OK [CAPABILITY ")


def test_over_tls_scram_may_be_bound_to_the_certificate(server: TestServer) -> None:
    """RFC 5802 section 6: -PLUS is offered with TLS alone, and who could have used it may not be talked out of it."""
    server.channel_bindings = {"tls-server-end-point": b"hash"}
    server.keys_of["u1"] = scram_keys(account(1), b"pass")
    plain, client = server.client(None), server.client(None, secure=True)
    assert b"-PLUS" not in plain.greeting
    assert b" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 " in client.greeting
    plain.no("AUTHENTICATE SCRAM-SHA-256-PLUS")
    first = b64encode(b"p=tls-server-end-point,,n=u1,r=abcdef")
    assert client.says(b"AUTHENTICATE SCRAM-SHA-256-PLUS " + first).startswith(b"+ ")
    client.send(b"*\r\n")
    assert client.says(b"AUTHENTICATE SCRAM-SHA-256 " + b64encode(b"y,,n=u1,r=abcdef")).endswith(WRONG)


def test_scram_with_sha_1_asks_for_its_own_keys(server: TestServer) -> None:
    server.keys_of["u1"] = scram_keys(None, b"pass")
    client = server.client(None)
    assert client.says(b"AUTHENTICATE SCRAM-SHA-1 " + b64encode(b"n,,n=u1,r=abcdef")).startswith(b"+ ")
    assert server.digests == ["sha1"]


# ---------------------------------------------------------------------------------------------- tokens, certificates


def bearer(login: str, token: str) -> bytes:
    return b64encode(f"n,a={login},\1host=x\1auth=Bearer {token}\1\1".encode())


def test_a_token_signs_in(server: TestServer) -> None:
    """RFC 7628; offered where there is an issuer, and only where it may be sent."""
    assert b"AUTH=OAUTHBEARER" not in server.client(None).greeting
    server.takes_tokens = True
    client = server.client(None)
    assert b"AUTH=OAUTHBEARER AUTH=XOAUTH2" in client.greeting
    assert b"OK [CAPABILITY" in client.says(b"AUTHENTICATE OAUTHBEARER " + bearer("u1", "u1"))
    client = server.client(None)
    assert b"OK [CAPABILITY" in client.says(b"AUTHENTICATE XOAUTH2 " + b64encode(b"user=u1\1auth=Bearer u1\1\1"))
    server.plaintext_logins = False
    client = server.client(None)
    assert b"AUTH=OAUTHBEARER" not in client.greeting
    client.no(b"AUTHENTICATE OAUTHBEARER " + bearer("u1", "u1"), "PRIVACYREQUIRED")


@pytest.mark.parametrize("answer", [b64encode(b"\1"), b"", b64encode(b"whatever")])
def test_a_token_that_proves_nothing_is_told_why_and_refused(server: TestServer, answer: bytes) -> None:
    """RFC 7628 3.2.2 and 3.2.3; it counts as any other failure."""
    server.takes_tokens = True
    client = server.client(None)
    for login, token, code in (("u1", "nobody", WRONG), ("u2", "u1", b"of that name\r\n")):
        challenge = client.says(b"AUTHENTICATE OAUTHBEARER " + bearer(login, token))
        assert b64decode(challenge.removeprefix(b"+ ")) == b'{"status":"invalid_token"}'
        assert client.send(answer + b"\r\n").endswith(code)
    assert server.failures == ["u1", "u1"]


def test_a_client_may_give_up_on_hearing_why(server: TestServer) -> None:
    server.takes_tokens = True
    client = server.client(None)
    for _ in range(2):
        client.says(b"AUTHENTICATE OAUTHBEARER " + bearer("u1", "nobody"))
        assert b" BAD " in client.send(b"*\r\n")
    client.says(b"AUTHENTICATE OAUTHBEARER " + bearer("u1", "nobody"))
    client.leave()
    assert server.failures == ["u1"] * 3, "it has failed before it hears why"


def test_a_long_token_may_be_an_initial_response(server: TestServer) -> None:
    """RFC 4959 6."""
    server.takes_tokens = True
    said = b64encode(b"n,,\1auth=Bearer " + b"a" * 8150 + b"\1\1")
    assert server.client(None).says(b"AUTHENTICATE OAUTHBEARER " + said).startswith(b"+ ")


def test_a_certificate_signs_in(server: TestServer) -> None:
    """RFC 4422 A; offered to who has shown one."""
    client = server.client(None, secure=True)
    client.no("AUTHENTICATE EXTERNAL =")
    client.session.certificate_names = ("u1", "u2")
    assert b"AUTH=EXTERNAL" in client.ok("CAPABILITY")
    client.no(b"AUTHENTICATE EXTERNAL " + b64encode(b"u3"), "AUTHORIZATIONFAILED")
    assert b"OK [CAPABILITY" in client.says(b"AUTHENTICATE EXTERNAL =")
    assert client.session.signed_in.name == "u1"
    client.ok("UNAUTHENTICATE")
    client.ok(b"AUTHENTICATE EXTERNAL " + b64encode(b"u2"))
    assert client.session.signed_in.name == "u2"
    client.ok("UNAUTHENTICATE")
    client.session.certificate_names = ("nobody@old.example", "u1")
    client.ok("AUTHENTICATE EXTERNAL =")
    assert server.successes[-1] == "u1", "whom the certificate names, not its first name"


def test_scram_answers_a_wrong_password_and_an_unknown_name_alike(server: TestServer) -> None:
    server.keys_of["u1"] = scram_keys(account(1), b"pass")
    server.keys_of["x"] = scram_keys(None, b"nobody knows")
    client = server.client(None)
    assert scram(client, "u1", b"wrong") == b"a1 " + WRONG
    assert scram(client, "x", b"wrong") == b"a2 " + WRONG
    assert scram(client, "u1", b"pass").startswith(b"a3 OK")
    assert client.paused == [1.0]


@pytest.mark.parametrize("change", ["disabled", "password", "impersonation"])
def test_what_changes_while_scram_goes_on_counts(server: TestServer, change: str) -> None:
    """The server's final message may stay unanswered for a minute (RFC 5802 5)."""
    server.keys_of["u1"] = scram_keys(account(1), b"pass")
    server.impersonators = {"u1"}
    client = server.client(None)
    header, first = b"n,a=u2,", b"n=u1,r=abcdef"
    challenge = b64decode(client.says(b"AUTHENTICATE SCRAM-SHA-256 " + b64encode(header + first))[2:])
    assert client.send(b64encode(scram_final(header, first, challenge, b"pass")) + b"\r\n").startswith(b"+ ")
    if change == "impersonation":
        server.impersonators.clear()
    else:
        server.keys_of["u1"] = scram_keys(None if change == "disabled" else account(1), b"another")
    answer = client.send(b"\r\n")
    assert answer.startswith(b"a1 NO [AUTHORIZATIONFAILED]" if change == "impersonation" else b"a1 " + WRONG)
    assert client.session.account is None


def test_scram_acts_for_whom_its_user_may(server: TestServer) -> None:
    """RFC 5802 5: the server says no instead of its final message."""
    server.keys_of["u1"] = scram_keys(account(1), b"pass")
    client = server.client(None)
    assert scram(client, "u1", b"pass", "u2").startswith(b"a1 NO [AUTHORIZATIONFAILED]")
    assert scram(client, "u1", b"wrong", "u2") == b"a2 " + WRONG
    server.impersonators = {"u1"}
    assert scram(client, "u1", b"pass", "u2").startswith(b"a3 OK [CAPABILITY ")
    assert (client.session.signed_in.name, client.session.impersonator) == ("u2", account(1))


def test_tokens_and_certificates_act_for_whom_their_user_may(server: TestServer) -> None:
    """RFC 7628 3.1, RFC 4422 A."""
    server.takes_tokens, server.impersonators = True, {"u1"}
    for mechanism, said in (
        (b"OAUTHBEARER ", bearer("u2", "u1")),
        (b"XOAUTH2 ", b64encode(b"user=u2\1auth=Bearer u1\1\1")),
        (b"EXTERNAL ", b64encode(b"u2")),
    ):
        client = server.client(None, secure=True)
        client.session.certificate_names = ("u1",)
        client.ok(b"AUTHENTICATE " + mechanism + said)
        assert (client.session.signed_in.name, client.session.impersonator) == ("u2", account(1))
    assert server.successes == ["u1 as u2"] * 3


# ---------------------------------------------------------------------------------------------- TLS and limits


def test_what_follows_starttls_in_the_clear_is_forgotten(server: TestServer) -> None:
    """RFC 9051 6.2.1: it may have been put there by somebody between us."""
    server.has_tls = True
    server.plaintext_logins = False
    client = server.client(None)
    assert b" STARTTLS" in client.greeting
    answer = client.send(b"a STARTTLS\r\nb NOOP\r\n")
    assert answer == b"a OK Begin TLS negotiation\r\n"
    assert client.session.is_secure
    assert b"STARTTLS" not in client.ok("CAPABILITY")
    client.bad("STARTTLS")
    client.ok("LOGIN u1 pass")


def test_starttls_is_work_for_the_adapter(server: TestServer) -> None:
    server.has_tls = True
    assert isinstance(server.client(None).begin("STARTTLS"), StartTls)


def test_starttls_without_a_certificate_is_bad(server: TestServer) -> None:
    server.client(None).bad("STARTTLS")


def test_too_many_connections_are_refused(server: TestServer) -> None:
    """D.8: throttled."""
    server.most_connections = 0
    server.client(None).no("LOGIN u1 pass", "LIMIT")


def test_a_mailbox_that_is_not_mounted_is_unavailable(server: TestServer) -> None:
    """T-1.5."""
    server.mounted = False
    server.client(None).no("LOGIN u1 pass", "UNAVAILABLE")


def test_a_connection_that_ends_is_released(server: TestServer) -> None:
    client = server.client()
    assert server.connections == 1
    client.leave()
    client.leave()
    assert server.connections == 0


# ---------------------------------------------------------------------------------------------- the rest


def test_enable_tells_what_is_new(server: TestServer) -> None:
    """RFC 5161."""
    client = server.client()
    assert client.ok("ENABLE IMAP4rev2 NOTHING") == b"* ENABLED IMAP4rev2\r\na2 OK Enabled\r\n"
    assert client.ok("ENABLE imap4REV2") == b"* ENABLED\r\na3 OK Enabled\r\n"


def test_id_is_kept_and_answered(server: TestServer) -> None:
    """RFC 2971."""
    client = server.client(None)
    assert client.ok('ID ("Name" "Thunder" "os" NIL)').startswith(b'* ID ("name" "Penfold")\r\n')
    assert client.session.client_id == (("name", "Thunder"), ("os", None))


def test_there_is_one_namespace_of_each_kind(server: TestServer) -> None:
    """RFC 2342."""
    namespaces = b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Public Folders/" "/"))\r\n'
    assert server.client().ok("NAMESPACE").startswith(namespaces)
