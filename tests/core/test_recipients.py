"""Addresses and names: how they are folded, cut, and checked."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import MailboxId
from core.recipients import (
    DEFAULT_QUOTA,
    DatabaseId,
    InvalidAddress,
    InvalidAlias,
    MailboxDatabaseInfo,
    Quota,
    Recipient,
    RecipientId,
    candidates,
    check_address,
    check_alias,
    check_database_name,
    check_display_name,
    check_domain,
    effective,
    fold_address,
    fold_domain,
    fold_name,
    is_postmaster,
    split_address,
)

texts = st.text(max_size=40)
addresses = st.builds("{}@{}".format, texts, texts)


def recipient(*, use_database_quota: bool, own: Quota) -> Recipient:
    return Recipient(
        recipient_id=RecipientId(1),
        alias="u1",
        display_name="User One",
        enabled=True,
        database_id=DatabaseId(1),
        mailbox_id=MailboxId(1),
        use_database_quota=use_database_quota,
        own_quota=own,
        primary_address="u1@example.com",
        secondary_addresses=("one@example.com",),
        created_at=0,
    )


def test_the_default_quota_is_that_of_exchange_2007() -> None:
    """T-1.2."""
    in_kb = [n // 1024 for n in (DEFAULT_QUOTA.warn, DEFAULT_QUOTA.prohibit_send, DEFAULT_QUOTA.prohibit_all) if n]
    assert in_kb == [1_991_680, 2_097_152, 2_411_520]


def test_a_mailbox_has_its_own_quota_only_when_it_does_not_use_the_databases() -> None:
    """T-1.2."""
    database = MailboxDatabaseInfo(DatabaseId(1), "A", mounted=True, quota=Quota(1, 2, 3), created_at=0)
    own = Quota(warn=None, prohibit_send=5, prohibit_all=None)
    assert effective(recipient(use_database_quota=True, own=own), database) == Quota(1, 2, 3)
    assert effective(recipient(use_database_quota=False, own=own), database) == own


def test_the_primary_address_comes_first() -> None:
    assert recipient(use_database_quota=True, own=Quota()).addresses == ("u1@example.com", "one@example.com")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("a@b", ("a", "b")),
        ('"a@b"@c', ('"a@b"', "c")),
        ("postmaster", ("postmaster", "")),
        ("@b", ("", "b")),
        ("", ("", "")),
    ],
)
def test_an_address_is_split_at_its_last_at_sign(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("User.One@Example.COM", "user.one@example.com"),
        ("Jürgen@example.com", "ju\u0308rgen@EXAMPLE.com"),
        ("JÜRGEN@example.com", "jürgen@example.com"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a@bücher.example"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
        ("PostMaster", "postmaster"),
    ],
)
def test_two_spellings_of_an_address_fold_to_one(one: str, other: str) -> None:
    assert fold_address(one) == fold_address(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße.example", "strasse.example"),  # IDNA 2008: different owners
        ("xn--a.example", "a.example"),
        ("xn--abc-.example", "abc.example"),  # decodes to ASCII: a fake A-label
        ("xn--99999999.example", "99999999.example"),
    ],
)
def test_domains_of_different_owners_stay_different(one: str, other: str) -> None:
    assert fold_domain(one) != fold_domain(other)


def test_what_is_no_a_label_stands_for_itself() -> None:
    assert fold_domain("XN--é.example") == "xn--é.example"
    assert fold_domain("xn--\u20ac99999.example").startswith("xn--")


@given(addresses)
def test_folding_twice_is_folding_once(address: str) -> None:
    assert fold_address(fold_address(address)) == fold_address(address)
    assert fold_name(fold_name(address)) == fold_name(address)


@given(addresses)
def test_letter_case_and_composition_never_matter(address: str) -> None:
    local, domain = split_address(address)
    decomposed = unicodedata.normalize("NFD", local) + "@" + domain
    assert fold_address(decomposed) == fold_address(address)
    if address.isascii():
        assert fold_address(address.upper()) == fold_address(address)


def test_the_address_itself_is_looked_for_before_the_one_without_detail() -> None:
    assert candidates("A+B+c@Example.com") == ("a+b+c@example.com", "a@example.com")


@pytest.mark.parametrize(
    "address", ["a@example.com", "+b@example.com", '"a+b c"@example.com', "a+b", "a@exa+mple.com", ""]
)
def test_some_addresses_have_no_detail(address: str) -> None:
    assert candidates(address) == (address,)


def test_without_plus_addressing_there_is_no_detail() -> None:
    assert candidates("a+b@example.com", plus_addressing=False) == ("a+b@example.com",)


@given(addresses)
def test_every_candidate_is_folded(address: str) -> None:
    for candidate in candidates(address):
        assert fold_address(candidate) == candidate


def test_postmaster_is_known_in_any_case_with_and_without_a_domain() -> None:
    assert is_postmaster("PostMaster")
    assert is_postmaster("POSTMASTER@example.com")
    assert not is_postmaster("postmaster2@example.com")
    assert not is_postmaster("someone@postmaster")


@pytest.mark.parametrize(
    "address",
    ["u1@example.com", "u+x@example.com", '"a b@c"@example.com', "jürgen@bücher.example", "o'brien@a.b-c.example"],
)
def test_a_recipient_may_have_any_address_of_the_grammar(address: str) -> None:
    assert check_address(address) == fold_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "u1",
        "@example.com",
        "u1@",
        ".u@example.com",
        "u..1@example.com",
        "u 1@example.com",
        "u1@exa mple.com",
        "u1@-example.com",
        "u1@example..com",
        "u1@example.com.",
        "u1@[192.0.2.1]",
        "u1@192.0.2.1",
        "u\u200b1@example.com",
        "u1@exam\u200bple.com",
        "u\ud8001@example.com",
        "u1\r\n@example.com",
        "u" * 65 + "@example.com",
        "u@" + "a" * 64 + ".example",
        "u@" + "a." * 130 + "example",
        "\u00e9" * 33 + "@example.com",
    ],
)
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddress):
        check_address(address)


@given(addresses)
def test_any_text_is_an_address_or_refused(address: str) -> None:
    try:
        folded = check_address(address)
    except InvalidAddress:
        return
    assert folded == fold_address(address)
    assert "\r" not in folded


def test_a_domain_is_folded_when_it_is_checked() -> None:
    assert check_domain("XN--BCHER-KVA.Example") == "bücher.example"


@pytest.mark.parametrize("alias", ["u1", "User.One", "jürgen", "o'brien", "a-b_c", "1st", "山田"])
def test_names_people_have_are_aliases(alias: str) -> None:
    assert check_alias(alias) == fold_name(alias)


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "a@b",
        "a+b",
        "a/b",
        "a\\b",
        "a b",
        "a*",
        "a%",
        ".a",
        "-a",
        "a.",
        "a..b",
        "a\n",
        "a\u200bb",
        "a" * 65,
        "\ud800",
        "Anyone",
    ],
)
def test_names_that_would_mean_something_else_are_no_aliases(alias: str) -> None:
    with pytest.raises(InvalidAlias):
        check_alias(alias)


def test_full_width_letters_are_the_same_alias() -> None:
    assert check_alias("\uff35\uff11") == check_alias("u1")


def test_a_database_name_may_have_spaces_inside() -> None:
    assert check_database_name("Mailbox Database (1)") == "mailbox database (1)"
    for name in (" A", "A ", "A/B", "../A", ""):
        with pytest.raises(InvalidAlias):
            check_database_name(name)


def test_a_display_name_can_be_seen() -> None:
    assert check_display_name("Jürgen O'Brien, Dr. (Sales)") == "Jürgen O'Brien, Dr. (Sales)"
    for name in ("", "   ", "a\r\nb", "\u202egnp.exe", "é" * 129):
        with pytest.raises(InvalidAlias):
            check_display_name(name)
