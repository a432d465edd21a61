"""The settings file: what it means, and that every mistake in it is told with its line."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.server.config import (
    EXAMPLE,
    Alias,
    Application,
    Capability,
    ClientRule,
    Criteria,
    Duration,
    Endpoint,
    FilterName,
    Problem,
    Settings,
    SettingsError,
    SharedFilter,
    Size,
    UrlApplication,
    example,
    load,
    parse,
)


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    return [(problem.line, problem.text) for problem in caught.value.problems]


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("") == Settings()


def test_the_defaults_are_those_that_were_decided() -> None:
    """T-7.2, T-7.9, T-10.1."""
    settings = Settings()
    assert settings.delivery.duplicate_window == 7 * 24 * 3600
    assert settings.smtp.max_message_size == 50 * 1024 * 1024
    assert settings.smtp.max_recipients == 5000
    limits = settings.connections
    assert (limits.total, limits.per_ip, limits.per_user) == (20_000, 200, 30)
    assert settings.auth.plaintext_logins is False


def test_the_example_means_the_defaults_as_it_is_and_with_every_line_in_force() -> None:
    assert parse(EXAMPLE) == Settings()
    in_force, settings_in_it = re.subn(r"^#(\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
    effective = parse(in_force).effective()
    assert len(effective) == settings_in_it
    assert [row[:2] for row in effective] == [row[:2] for row in Settings().effective()]
    assert {row.source for row in effective} == {"file"}


def test_an_example_can_have_settings_of_ones_own() -> None:
    text = example(server_hostname="mail.example.com", imap_listen=("127.0.0.1:1143",), auth_plaintext_logins=True)
    settings = parse(text)
    assert settings.server.hostname == "mail.example.com"
    assert settings.imap.listen == (Endpoint("127.0.0.1:1143"),)
    assert settings.given == {"server.hostname", "imap.listen", "auth.plaintext_logins"}


def test_settings_show_where_they_come_from() -> None:
    rows = parse('[smtp]\nover_quota = "retry"\nmax_message_size = 1048576\n').effective()
    shown = {row.name: (row.value, row.source) for row in rows}
    assert shown["smtp.over_quota"] == ('"retry"', "file")
    assert shown["smtp.max_message_size"] == ('"1MB"', "file")
    assert shown["smtp.max_recipients"] == ("5000", "default")
    assert shown["delivery.duplicate_window"] == ('"7d"', "default")
    assert shown["delivery.plus_addressing"] == ("true", "default")
    assert shown["smtp.trusted_hubs"] == ('["127.0.0.0/8", "::1/128"]', "default")


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = """\
[imap]
listn = ["*:143"]
listen_tls = [
  "*:993",
  "nowhere",
]
max_message_size = true

[smtp]
over_quota = "bounce"
trusted_hubs = ["192.0.2.0/24", "192.0.2.1/24"]
max_recipients = 50

[conections]
total = 1

[log]
format = 3
"""
    assert problems(text) == [
        (2, "Unknown setting imap.listn: did you mean listen?"),
        (
            3,
            'imap.listen_tls: Expected an address like "*:143", "127.0.0.1:143", "[::1]:143" or "unix:PATH"'
            " (in item 2)",
        ),
        (7, 'imap.max_message_size: Expected a size like "50MB"'),
        (10, 'smtp.over_quota: Expected "reject" or "retry"'),
        (
            11,
            'smtp.trusted_hubs: Expected an address or a network like "192.0.2.0/24": '
            "192.0.2.1/24 has host bits set (in item 2)",
        ),
        (12, "smtp.max_recipients: Expected int >= 100"),
        (14, "Unknown section [conections]: did you mean connections?"),
        (18, 'log.format: Expected "json" or "console"'),
    ]


def test_a_mistake_is_told_as_compilers_do() -> None:
    with pytest.raises(SettingsError, match=r"^penfold\.toml:2: Unknown setting log\.x: there are format, level$"):
        parse("[log]\nx = 1", name="penfold.toml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[log]\nformat = \n", 2),
        ("[log]\n\nlevel = 'info\n", 3),
        ("[log]\n[log]\n", 2),
        ("[log", 1),
        ("[log]\nformat = '''\nx", 2),
        ("'", 1),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, line: int) -> None:
    ((found, _),) = problems(text)
    assert found == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\nlog.levl = 'info'", 3),
        ("\nlog = { levl = 'info' }", 2),
        ("[log]\n'levl' = 'info'", 2),
        ('["log"]\n"levl" = 1', 2),
        ("[ log ] # here\n  levl=1", 2),
        ("[imap]\nlisten = [ # ] \n '*:1', ']', \n]\n[log]\nlevl = 1", 6),
        ('[delivery]\npostmaster = """\nlevl = 1\n\\""" [\n"""\n[log]\nlevl = 1', 7),
        ("[delivery]\npostmaster = '''a\n[x]'''\n[log]\nlevl = 1", 5),
        ("[delivery]\npostmaster = \"a # [ ''' \"\n[log]\nlevl = 1", 4),
        ("log = 3", 1),
        ("[[log]]\nlevel='info'", 1),
    ],
)
def test_lines_are_right_in_every_way_to_write_toml(text: str, line: int) -> None:
    assert line in {found for found, _ in problems(text)}


def test_settings_that_contradict_each_other_are_told() -> None:
    text = """\
[connections]
total = 10
per_ip = 20
[tls]
certificate = "cert.pem"
[lmtp]
listen = ["127.0.0.1:24"]
[metrics]
listen = ["127.0.0.1:24", "127.0.0.1:0", "127.0.0.1:0"]
"""
    assert problems(text) == [
        (3, "connections.per_ip: More than connections.total, which is 10"),
        (5, "tls.certificate: A certificate is of no use without tls.key"),
        (9, "metrics.listen: 127.0.0.1:24 is taken by lmtp.listen already"),
    ]
    assert problems("[tls]\nkey = 'key.pem'") == [(2, "tls.key: A key is of no use without tls.certificate")]


def test_only_lmtp_listens_on_a_unix_socket() -> None:
    """Anything else would have taken any free port for it, on all addresses."""
    assert parse('lmtp.listen = ["unix:run/lmtp.sock"]').lmtp.listen == ("unix:run/lmtp.sock",)
    for name in ("imap.listen", "imap.listen_tls", "smtp.listen", "metrics.listen"):
        assert problems(f'{name} = ["127.0.0.1:1", "unix:a"]') == [
            (1, f'{name}: Only lmtp.listen can have a "unix:PATH"')
        ]


def test_a_list_is_asked_for_where_one_is_needed() -> None:
    assert problems('imap.listen = "*:143"') == [(1, 'imap.listen: Expected a list, as ["*:143"]')]
    assert problems("imap.listen = 143") == [(1, "imap.listen: Expected a list")]


@pytest.mark.parametrize("name", ["imap.max_message_size", "smtp.max_message_size"])
def test_messages_that_every_server_must_take_are_taken(name: str) -> None:
    assert problems(f"{name} = 0") == [(1, f"{name}: Less than 64KB, which every mail server must take")]
    parse(f'{name} = "64KB"')


def test_a_refused_value_does_not_make_more_mistakes() -> None:
    assert problems("[tls]\nkey = 3\ncertificate = 'cert.pem'") == [(2, "tls.key: Expected a path")]


def test_a_default_contradicts_nobody() -> None:
    assert parse("[connections]\ntotal = 10").connections.total == 10


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "penfold.toml"
    file.write_text("[tls]\ncertificate = 'cert.pem'\nkey = '/etc/key.pem'\n[server]\ndata_dir = 'data'\n")
    settings = load(file)
    assert settings.tls.certificate == tmp_path / "cert.pem"
    assert settings.tls.key == Path("/etc/key.pem")
    assert settings.server.data_dir == tmp_path / "data"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml: Cannot be read: No such file or directory$"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="Cannot be read"):
        load(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(0, 0), (90, 90), ("90", 90), ("90s", 90), ("5m", 300), ("12 h", 43_200), ("7D", 604_800)],
)
def test_durations(written: object, seconds: int) -> None:
    assert Duration.read(written) == seconds


@pytest.mark.parametrize(
    ("written", "octets"), [(0, 0), (1000, 1000), ("1KB", 1024), ("50mb", 50 << 20), ("2GB", 2 << 30), ("7B", 7)]
)
def test_sizes(written: object, octets: int) -> None:
    assert Size.read(written) == octets


@pytest.mark.parametrize("written", [-1, 1.5, True, None, "", "7y", "-1s", "1e3s", "s", "9" * 16, 1 << 53, []])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="Expected a duration"):
        Duration.read(written)


@given(st.integers(0, 10**15 - 1))
def test_a_quantity_is_shown_as_it_can_be_written(count: int) -> None:
    assert Size.read(str(Size(count))) == count
    assert Duration.read(str(Duration(count))) == count


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("*:143", (None, 143, None)),
        ("127.0.0.1:0", ("127.0.0.1", 0, None)),
        ("[::1]:993", ("::1", 993, None)),
        ("mail.example.com:25", ("mail.example.com", 25, None)),
        ("unix:run/lmtp.sock", (None, 0, "run/lmtp.sock")),
        ("unix:/run/a:24", (None, 0, "/run/a:24")),
    ],
)
def test_endpoints(written: str, parts: tuple[str | None, int, str | None]) -> None:
    endpoint = Endpoint.read(written)
    assert (endpoint.host, endpoint.port, endpoint.path) == parts


@pytest.mark.parametrize(
    "written",
    ["", "143", ":143", "::1:143", "host", "host:", "host:x", "host:65536", "unix:", "a b:1", "h:\u0661", 143],
)
def test_what_is_no_endpoint(written: object) -> None:
    with pytest.raises(ValueError, match="Expected an address"):
        Endpoint.read(written)


def test_networks_are_addresses_too() -> None:
    settings = parse("[smtp]\ntrusted_hubs = ['192.0.2.1', '2001:db8::/32']")
    assert [str(hub.network) for hub in settings.smtp.trusted_hubs] == ["192.0.2.1/32", "2001:db8::/32"]


@pytest.mark.parametrize("written", ["'-x'", "'a b'", "'bücher.example'", "3"])
def test_what_is_no_host_name(written: str) -> None:
    ((line, text),) = problems(f"[server]\nhostname = {written}")
    assert line == 2
    assert text.startswith("server.hostname: Expected a host name")


@pytest.mark.parametrize("written", ["['Ada.Byron', 'u1']", "[]"])
def test_who_sets_quotas_is_a_list_of_aliases(written: str) -> None:
    assert [*parse(f"[imap]\nquota_admins = {written}").imap.quota_admins] == ast.literal_eval(written)


@pytest.mark.parametrize(
    ("written", "place"), [("['u1', 'ada@example.com']", " (in item 2)"), ("['']", ""), ("[3]", ""), ("'u1'", None)]
)
def test_what_is_no_list_of_aliases(written: str, place: str | None) -> None:
    ((line, text),) = problems(f"[imap]\nquota_admins = {written}")
    assert line == 2
    assert text.startswith("imap.quota_admins: Expected " + ("a list" if place is None else "an alias"))
    assert text.endswith(place or "")


@pytest.mark.parametrize("written", ["'help@example.com'", "'mailto:'", "'1:x'", "'mailto:a b'", "'tel:é'", "3"])
def test_what_is_no_uri(written: str) -> None:
    assert parse("[server]\nadmin = 'mailto:help@example.com'").server.admin == "mailto:help@example.com"
    assert problems(f"[server]\nadmin = {written}") == [
        (2, 'server.admin: Expected a URI like "mailto:help@example.com"')
    ]


def test_rules_for_clients_are_tables() -> None:
    text = """\
[imap]
hide_capabilities = ["preview", "Sort"]
use_shipped_client_table = false
[[imap.clients]]
name = "Microsoft Office 365"
hide = ["UIDONLY", "QUOTA"]
[[imap.clients]]
accounts = ["ada"]
hide = ["COMPRESS=DEFLATE"]
[[imap.clients]]
vendor = "Wino"
version = "1."
"""
    settings = parse(text)
    assert settings.imap.hide_capabilities == ("PREVIEW", "SORT")
    assert settings.imap.use_shipped_client_table is False
    assert settings.imap.clients == (
        ClientRule(name="Microsoft Office 365", hide=(Capability("UIDONLY"), Capability("QUOTA"))),
        ClientRule(accounts=(Alias("ada"),), hide=(Capability("COMPRESS=DEFLATE"),)),
        ClientRule(vendor="Wino", version="1."),
    )
    shown = {row.name: row.value for row in settings.effective() if row.source == "file"}
    assert parse("\n".join(f"{name} = {value}" for name, value in shown.items())) == settings


def test_filters_for_all_users_are_tables() -> None:
    text = """\
[[imap.filters]]
name = "From-Boss"
search = 'FROM "boss@example.com" SUBJECT "Grüße"'
description = "what matters"
[[imap.filters]]
name = "old"
search = "OLDER 31536000"
"""
    settings = parse(text)
    assert settings.imap.filters == (
        SharedFilter(FilterName("from-boss"), Criteria('FROM "boss@example.com" SUBJECT "Grüße"'), "what matters"),
        SharedFilter(FilterName("old"), Criteria("OLDER 31536000")),
    )
    shown = {row.name: row.value for row in settings.effective() if row.source == "file"}
    assert parse("\n".join(f"{name} = {value}" for name, value in shown.items())) == settings


def test_mistakes_in_filters_are_told_with_their_lines() -> None:
    text = """\
[[imap.filters]]
name = "a/b"
search = "OR SMALLER"
[[imap.filters]]
name = "ä"
search = 3
"""
    assert problems(text) == [
        (2, 'imap.filters.name: Expected the name of a filter, like "on-the-road"'),
        (3, "imap.filters.search: No search criteria of IMAP: Expected a space and an argument"),
        (5, 'imap.filters.name: Expected the name of a filter, like "on-the-road"'),
        (6, "imap.filters.search: Expected search criteria of IMAP, like 'UNSEEN SINCE 1-Feb-1994'"),
    ]
    text = """\
[[imap.filters]]
name = "x"
[[imap.filters]]
search = "SEEN"
[[imap.filters]]
name = "y"
search = "SEEN"
[[imap.filters]]
name = "Y"
search = "SEEN"
"""
    assert problems(text) == [
        (1, "imap.filters: A filter has a name and a search"),
        (3, "imap.filters: A filter has a name and a search"),
        (8, "imap.filters: Another filter has that name"),
    ]


def test_mistakes_in_rules_for_clients_are_told_with_their_lines() -> None:
    text = """\
[[imap.clients]]
nam = "x"
hide = ["UIDONYL"]

[[imap.clients]]
name = 3
hide = ["IDLE", "auth=plain"]
accounts = "ada"
"""
    assert problems(text) == [
        (2, "Unknown setting imap.clients.nam: did you mean name?"),
        (3, "imap.clients.hide: There is no capability UIDONYL: did you mean UIDONLY? (in item 1)"),
        (6, "imap.clients.name: Expected str, got int"),
        (
            7,
            "imap.clients.hide: auth=plain cannot be hidden: it says how to sign in, which has settings of its own"
            " (in item 2)",
        ),
        (8, 'imap.clients.accounts: Expected a list, as ["ada"]'),
    ]


def test_a_rule_says_whom_it_means_and_what_it_hides() -> None:
    text = """\
[[imap.clients]]
hide = ["IDLE"]

[[imap.clients]]
accounts = ["ada"]
"""
    assert problems(text) == [
        (1, "imap.clients: Whom this means is not said: imap.hide_capabilities is for everybody"),
        (4, "imap.clients: Nothing is hidden by this"),
    ]


def test_applications_of_urls_are_tables() -> None:
    """RFC 5593 3.3."""
    assert (parse("").imap.urlauth, parse("").imap.urlauth_public) == (False, True)
    text = """\
[imap]
urlauth = true
[[imap.urlauth_applications]]
name = "Submit"
users = ["hub1", "hub2"]
[[imap.urlauth_applications]]
name = "stream"
users = ["media"]
"""
    settings = parse(text)
    assert settings.imap.urlauth_applications == (
        UrlApplication(Application("submit"), (Alias("hub1"), Alias("hub2"))),
        UrlApplication(Application("stream"), (Alias("media"),)),
    )
    shown = {row.name: row.value for row in settings.effective() if row.source == "file"}
    assert parse("\n".join(f"{name} = {value}" for name, value in shown.items())) == settings


def test_an_application_of_urls_is_told_of_once_and_with_its_users() -> None:
    text = """\
[[imap.urlauth_applications]]
users = ["hub"]

[[imap.urlauth_applications]]
name = "submit"

[[imap.urlauth_applications]]
name = "stream"
users = ["media"]

[[imap.urlauth_applications]]
name = "STREAM"
users = ["media"]
"""
    assert problems(text) == [
        (1, "imap.urlauth_applications: Which application this is about is not said"),
        (4, "imap.urlauth_applications: Nobody is named who acts for submit"),
        (11, "imap.urlauth_applications: stream is there already"),
    ]


@pytest.mark.parametrize("written", ["''", "'x-y'", "'submit+'", "3", f"'{'x' * 33}'"])
def test_what_is_no_application_of_urls(written: str) -> None:
    assert problems(f"[[imap.urlauth_applications]]\nname = {written}") == [
        (2, 'imap.urlauth_applications.name: Expected the name of an application, like "submit"')
    ]


@pytest.mark.parametrize("name", ["user", "AuthUser", "anonymous"])
def test_users_are_no_application_of_urls(name: str) -> None:
    """RFC 5593 3.1: these are taken."""
    assert problems(f"[[imap.urlauth_applications]]\nname = '{name}'") == [
        (2, f'imap.urlauth_applications.name: "{name}" is for users, not for an application')
    ]


@pytest.mark.parametrize("text", ["imap.clients = 3", "imap.clients = [3]", "[imap.clients]\nname = 'x'"])
def test_what_is_no_table_of_rules(text: str) -> None:
    assert problems(text) == [(1, "imap.clients: Expected tables: write [[imap.clients]]")]


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("'IMAP4rev1'", "IMAP4rev1 cannot be hidden: clients take a server without it for none"),
        ("'LITERAL+'", "LITERAL+ cannot be hidden: clients see it in the greeting, before anything is known of them"),
        ("'SASL-IR'", "SASL-IR cannot be hidden: clients see it in the greeting"),
        ("'id'", "id cannot be hidden: without it nobody knows which client it is"),
        ("'ENABLE'", "ENABLE cannot be hidden: other capabilities are turned on by it"),
        ("'STARTTLS'", "STARTTLS cannot be hidden: it says how to sign in"),
        ("'XYZZY'", "There is no capability XYZZY (in item 1)"),
        ("'SORT=DISPLAI'", "There is no capability SORT=DISPLAI: did you mean SORT=DISPLAY?"),
        ("''", "There is no capability "),
        ("3", 'Expected the name of a capability, like "UIDONLY"'),
    ],
)
def test_what_cannot_be_hidden(written: str, wrong: str) -> None:
    ((line, text),) = problems(f"[imap]\nhide_capabilities = [{written}]")
    assert line == 2
    assert text.startswith(f"imap.hide_capabilities: {wrong}")


keys = st.sampled_from(
    ["imap", "listen", "tls.key", '"x"', "[log]", "level", "[[a]]", "[[imap.clients]]", "hide", "total", "a.b"]
)
values = st.sampled_from(["1", "true", "'x'", '"""\na\n"""', "[\n1,\n]", "{a = 1}", "'7d'", "1979-05-27", "1.5", "[]"])


@given(st.lists(st.builds("{} = {}".format, keys, values) | keys).map("\n".join) | st.text(max_size=50))
def test_any_text_is_settings_or_a_list_of_problems(text: str) -> None:
    wrong: list[Problem] = []
    try:
        assert parse(text).effective()
    except SettingsError as error:
        wrong = error.problems
    assert all(0 <= line <= text.count("\n") + 1 for line, _ in wrong)
