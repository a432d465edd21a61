"""Settings that may each be as they are, but not beside the others."""

from collections.abc import Iterator

from .kinds import Endpoint, Size
from .settings import ClientRule, Settings, SharedFilter, UrlApplication, each_setting

_SMALLEST_LIMIT = 64 << 10  # RFC 5321 4.5.3.1.7; and 0 would be announced as no limit (RFC 1870 3)


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """What each setting alone may be, but not beside the others: (name, text)."""
    tls, connections = settings.tls, settings.connections
    if tls.certificate and not tls.key:
        yield "tls.certificate", "A certificate is of no use without tls.key"
    if tls.key and not tls.certificate:
        yield "tls.key", "A key is of no use without tls.certificate"
    if settings.oauth.issuer and not (settings.oauth.audience and settings.oauth.keys):
        yield "oauth.issuer", "An issuer is of no use without oauth.audience and oauth.keys"
    for name, count in (("connections.per_ip", connections.per_ip), ("connections.per_user", connections.per_user)):
        if name in settings.given and count > connections.total:
            yield name, f"More than connections.total, which is {connections.total}"
    for name, size in (
        ("imap.max_message_size", settings.imap.max_message_size),
        ("smtp.max_message_size", settings.smtp.max_message_size),
    ):
        if size < _SMALLEST_LIMIT:
            yield name, f"Less than {Size(_SMALLEST_LIMIT)}, which every mail server must take"
    yield from _rules_for_nothing(settings.imap.clients)
    yield from _applications_of_nobody(settings.imap.urlauth_applications)
    yield from _no_filters(settings.imap.filters)
    yield from _not_on_sockets(settings)
    yield from _taken_twice(settings)


def _no_filters(filters: tuple[SharedFilter, ...]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for number, each in enumerate(filters):
        if not each.name or not each.search:
            yield f"imap.filters.{number}", "A filter has a name and a search"
        elif each.name in names:
            yield f"imap.filters.{number}", "Another filter has that name"
        names.add(each.name)


def _rules_for_nothing(rules: tuple[ClientRule, ...]) -> Iterator[tuple[str, str]]:
    for number, rule in enumerate(rules):
        place = f"imap.clients.{number}"
        if not rule.names_clients and not rule.accounts:
            yield place, "Whom this means is not said: imap.hide_capabilities is for everybody"
        elif not rule.names_clients and not rule.hide:
            yield place, "Nothing is hidden by this"


def _applications_of_nobody(applications: tuple[UrlApplication, ...]) -> Iterator[tuple[str, str]]:
    known = set()
    for number, application in enumerate(applications):
        place = f"imap.urlauth_applications.{number}"
        if not application.name:
            yield place, "Which application this is about is not said"
        elif not application.users:
            yield place, f"Nobody is named who acts for {application.name}"
        elif application.name in known:
            yield place, f"{application.name} is there already"
        known.add(application.name)


def _not_on_sockets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in _listeners(settings):
        if name != "lmtp.listen" and any(endpoint.path for endpoint in value):
            yield name, 'Only lmtp.listen can have a "unix:PATH"'


def _taken_twice(settings: Settings) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for name, value in _listeners(settings):
        for endpoint in value:
            if endpoint in taken and (endpoint.port != 0 or endpoint.path):
                yield name, f"{endpoint} is taken by {taken[endpoint]} already"
            taken.setdefault(endpoint, name)


def _listeners(settings: Settings) -> Iterator[tuple[str, tuple[Endpoint, ...]]]:
    return ((name, value) for name, value in each_setting(settings) if name.endswith((".listen", ".listen_tls")))
