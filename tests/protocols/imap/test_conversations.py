"""THREAD: which message answers which, step by step (RFC 5256 3), and the draft's REFS."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.formats.casemap import fold
from protocols.imap.commands import Algorithm
from protocols.imap.finding import conversations
from protocols.imap.finding.columns import MAIL, columns
from protocols.imap.finding.conversations import Mail, Threads, response, threads
from tests.support.rows import row

ALGORITHMS: tuple[Algorithm, ...] = ("ORDEREDSUBJECT", "REFERENCES", "REFS")


def mail(
    name: str = "", references: str = "", subject: str = "", *, sent: int = 0, arrived: int = 0, reply: bool = False
) -> Mail:
    return Mail(sent, arrived, fold(subject), reply, name, tuple(references.split()))


def mails(*headers: str) -> Sequence[Mail]:
    """What THREAD compares of messages with these headers, each arrived a second after the one before it."""
    return columns([MAIL], [row(uid, header, arrived=uid) for uid, header in enumerate(headers, 1)])[MAIL].values


def said(algorithm: Algorithm, *found: Mail) -> str:
    """The threads, of messages that are numbered from 1."""
    octets = b"".join(response(threads(algorithm, found), range(1, len(found) + 1)))
    assert octets.startswith(b"* THREAD")
    assert octets.endswith(b"\r\n")
    return octets[8:].decode().strip()


def in_turn(algorithm: Algorithm, *found: Mail) -> str:
    """The same, each message sent after the one before it."""
    return said(algorithm, *[replace(each, sent=number) for number, each in enumerate(found)])


# --- the answer ---


def test_the_response_writes_chains_and_siblings() -> None:
    """RFC 5256 4, both examples."""
    trees = Threads(8, [0, 1], {1: [3], 3: [2, 6], 2: [4], 6: [5], 5: [7]})
    assert b"".join(response(trees, [2, 3, 4, 6, 23, 7, 44, 96])) == b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"
    assert b"".join(response(Threads(2, [2], {2: [0, 1]}), [3, 5])) == b"* THREAD ((3)(5))\r\n"
    assert b"".join(response(Threads(0, [], {}), [])) == b"* THREAD\r\n"


def test_the_numbers_are_the_callers() -> None:
    trees = threads("REFS", [mail("a"), mail("b", "a")])
    assert b"".join(response(trees, [1, 2])) == b"* THREAD (1 2)\r\n"
    assert b"".join(response(trees, [703, 4_294_967_295])) == b"* THREAD (703 4294967295)\r\n"


def test_a_long_response_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = threads("ORDEREDSUBJECT", [mail() for _ in range(1000)])
    numbers = range(1, 1001)
    whole = b"".join(response(trees, numbers))
    monkeypatch.setattr(conversations, "PIECE_WORDS", 10)
    pieces = list(response(trees, numbers))
    assert b"".join(pieces) == whole
    assert max(map(len, pieces)) < 100


# --- ORDEREDSUBJECT ---


def test_the_oldest_of_a_subject_is_the_parent_of_the_others() -> None:
    found = [
        mail(subject="b", sent=5),
        mail(subject="a", sent=4),
        mail(subject="B", sent=3),
        mail(subject="c", sent=9),
        mail(subject="b", sent=8),
        mail(subject="a", sent=4),
    ]
    assert said("ORDEREDSUBJECT", *found) == "(3 (1)(5))(2 6)(4)"


def test_messages_without_a_subject_have_the_same_subject() -> None:
    assert in_turn("ORDEREDSUBJECT", mail(), mail(), mail(subject="x"), mail()) == "(1 (2)(4))(3)"


def test_the_subject_is_the_base_subject() -> None:
    subjects = ["Re: Ärger", "[list] ärger (fwd)", "Arger", "[Fwd: ÄRGER]"]
    found = mails(*[f"Subject: {text}" for text in subjects])
    assert said("ORDEREDSUBJECT", *found) == "(1 (2)(4))(3)"
    assert [each.is_reply for each in found] == [True, True, False, True]


# --- REFERENCES, step 1 ---


def test_references_make_parents_of_those_before() -> None:
    """(1)(A): the first is the parent of the second, and so on."""
    assert in_turn("REFERENCES", mail("a"), mail("b"), mail("c", "a b")) == "(1 2 3)"


def test_ids_are_those_of_the_header_without_needless_quotes() -> None:
    headers = [
        'Message-ID: <"01KF8JCEOCBS0045PS"@xxx.yyy.com>',
        "References: <01KF8JCEOCBS0045PS@xxx.yyy.com>",
        "In-Reply-To: your message of yesterday <01KF8JCEOCBS0045PS@xxx.yyy.com> <other@x>",
        "References: none\nIn-Reply-To: <01KF8JCEOCBS0045PS@xxx.yyy.com>",
        "References: <01kf8jceocbs0045ps@xxx.yyy.com>",  # message ids have case
    ]
    found = mails(*headers)
    assert said("REFERENCES", *found) == "(1 (2)(3)(4))(5)"


def test_what_has_no_id_is_nobodys_parent() -> None:
    assert in_turn("REFERENCES", mail(), mail(), mail("", "x")) == "(1)(2)(3)"


def test_of_the_same_id_only_the_first_message_has_it() -> None:
    assert in_turn("REFERENCES", mail("c", "a"), mail("a"), mail("a"), mail("b", "a")) == "(2 (1)(4))(3)"


def test_the_second_of_the_same_id_may_answer_the_first() -> None:
    assert in_turn("REFERENCES", mail("a"), mail("a", "a")) == "(1 2)"


def test_a_dummy_stands_for_what_is_not_there() -> None:
    assert in_turn("REFERENCES", mail("b", "a"), mail("c", "a")) == "((1)(2))"


def test_a_link_that_exists_is_not_changed_by_other_messages() -> None:
    """(1)(A): References may have been truncated."""
    found = [mail("a"), mail("b", "a"), mail("c", "b"), mail("d", "a c")]
    assert in_turn("REFERENCES", *found) == "(1 2 3 4)"


def test_a_messages_own_references_are_right() -> None:
    """(1)(B): a link that another message made is broken."""
    assert in_turn("REFERENCES", mail("c", "a b"), mail("a"), mail("b"), mail("d")) == "(2)(3 1)(4)"
    assert in_turn("REFERENCES", mail("c", "a b"), mail("a"), mail("b", "d"), mail("d")) == "(2)(4 3 1)"


def test_later_messages_may_find_a_parent_for_one_that_names_none() -> None:
    assert in_turn("REFERENCES", mail("a"), mail("b"), mail("c", "a b")) == "(1 2 3)"


def test_no_link_closes_a_loop() -> None:
    assert in_turn("REFERENCES", mail("a", "b"), mail("b", "a")) == "(2 1)"
    assert in_turn("REFERENCES", mail("a", "a")) == "(1)"
    assert in_turn("REFERENCES", mail("a", "b b a")) == "(1)"
    assert in_turn("REFERENCES", mail("a", "c"), mail("b", "a"), mail("c", "b")) == "(3 1 2)"


def test_a_link_for_a_while_can_forbid_another() -> None:
    """(1): what 1 says of b and c holds until c itself is looked at, and by then b has been refused its parent."""
    assert in_turn("REFS", mail("a", "b c"), mail("b", "c"), mail("c")) == "(2)(3 1)"


# --- steps 2 and 3 ---


def test_dummies_within_a_thread_give_way_to_their_children() -> None:
    found = [mail("a"), mail("c", "a x y"), mail("d", "a x z"), mail("e", "a")]
    assert in_turn("REFS", *found) == "(1 (2)(3)(4))"


def test_a_dummy_at_the_top_gives_way_to_an_only_child() -> None:
    assert in_turn("REFS", mail("b", "x y z")) == "(1)"
    assert in_turn("REFS", mail("b", "x"), mail("c", "x b"), mail("d", "x b")) == "(1 (2)(3))"


def test_a_dummy_at_the_top_keeps_several_children_together() -> None:
    assert in_turn("REFS", mail("b", "v w x"), mail("c", "v y"), mail("d", "v w z")) == "((1)(2)(3))"


def test_a_dummy_without_children_is_gone() -> None:
    """y is left without a child, and x with one."""
    assert in_turn("REFS", mail("m", "x"), mail("n", "x y b"), mail("b")) == "(1)(3 2)"


# --- steps 4 and 5 ---


def test_replies_find_an_original_by_their_subject() -> None:
    found = [mail(subject="s"), mail(subject="s", reply=True), mail(subject="S", reply=True)]
    assert in_turn("REFERENCES", *found) == "(1 (2)(3))"
    assert in_turn("REFS", *found) == "(1)(2)(3)"


def test_an_original_may_be_younger_than_its_replies() -> None:
    """(5)(B)(iv)."""
    assert in_turn("REFERENCES", mail(subject="s", reply=True), mail(subject="s")) == "(2 1)"


def test_two_originals_get_a_dummy_above_them() -> None:
    """(5)(C)(iv), the last rule; a reply that comes then is a child of the dummy."""
    found = [mail(subject="s"), mail(subject="s"), mail(subject="s", reply=True)]
    assert in_turn("REFERENCES", *found) == "((1)(2)(3))"


def test_a_reply_that_came_before_stays_with_the_first_original() -> None:
    found = [mail(subject="s"), mail(subject="s", reply=True), mail(subject="s")]
    assert in_turn("REFERENCES", *found) == "((1 2)(3))"


def test_two_replies_without_an_original_get_a_dummy() -> None:
    found = [mail(subject="s", reply=True), mail(subject="s", reply=True), mail(subject="s", reply=True)]
    assert in_turn("REFERENCES", *found) == "((1)(2)(3))"


def test_a_dummy_takes_all_of_its_subject() -> None:
    """(5)(B)(i): its subject is that of its first child."""
    pair = [mail("a", "x", "s"), mail("b", "x", "t")]
    assert in_turn("REFERENCES", *pair, mail(subject="s"), mail(subject="t")) == "((1)(2)(3))(4)"
    assert in_turn("REFERENCES", mail(subject="s"), mail(subject="s", reply=True), *pair) == "((1)(2)(3)(4))"


def test_two_dummies_become_one() -> None:
    found = [mail("a", "x", "s"), mail("b", "x", "s"), mail("c", "y", "s"), mail("d", "y", "t")]
    assert in_turn("REFERENCES", *found) == "((1)(2)(3)(4))"


def test_an_empty_subject_brings_nobody_together() -> None:
    """(5)(B)(ii)."""
    assert in_turn("REFERENCES", mail(), mail(reply=True), mail("a", "x"), mail("b", "x")) == "(1)(2)((3)(4))"


def test_whole_threads_are_gathered() -> None:
    found = [mail("a", "", "s"), mail("b", "a", "other"), mail("c", "", "s", reply=True), mail("d", "c", "s")]
    assert in_turn("REFERENCES", *found) == "(1 (2)(3 4))"


# --- step 6 ---


def test_siblings_and_threads_come_by_sent_date() -> None:
    found = [
        mail("z", sent=9),
        mail("a", sent=2),
        mail("b", "a", sent=8),
        mail("c", "a", sent=3),
        mail("d", "x", sent=7),
        mail("e", "x", sent=1),
    ]
    assert said("REFERENCES", *found) == "((6)(5))(2 (4)(3))(1)"


def test_messages_of_one_date_keep_the_order_of_their_numbers() -> None:
    """RFC 5256 2.2."""
    found = [mail("b", "a"), mail("c", "a"), mail("d", "a"), mail("e")]
    assert said("REFERENCES", *found) == "((1)(2)(3))(4)"


def test_without_a_date_the_internal_date_is_the_sent_date() -> None:
    assert [(found.sent, found.arrived) for found in mails("", "Subject: x")] == [(1, 1), (2, 2)]


# --- REFS ---


def test_the_thread_with_the_latest_arrival_comes_last() -> None:
    """Draft 4: "when a new message arrives, its thread becomes the latest thread"; within, sent dates count."""
    found = [
        mail("a", sent=1, arrived=10),
        mail("b", sent=2, arrived=20),
        mail("c", "a", sent=9, arrived=25),
        mail("d", "a", sent=3, arrived=30),
    ]
    assert said("REFS", *found) == "(2)(1 (4)(3))"
    assert said("REFS", *found[:2], mail("e", "b", arrived=9)) == "(1)(2 3)"


def test_of_two_arrivals_in_one_second_the_later_number_counts() -> None:
    assert said("REFS", mail("a"), mail("b"), mail("c", "a")) == "(2)(1 3)"


def test_subjects_do_not_count_in_refs() -> None:
    assert in_turn("REFS", mail(subject="s"), mail(subject="s", reply=True)) == "(1)(2)"


# --- depth and width ---

DEEP = 10_000


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([mail(f"{n}", f"{n - 1}" if n else "") for n in range(DEEP)], id="answers in turn"),
        pytest.param([mail(f"{n}", f"{n - 1}" if n else "") for n in reversed(range(DEEP))], id="the last one first"),
        pytest.param([mail("", f"{n} {n + 1}") for n in range(DEEP)] + [mail(f"{DEEP}")], id="a chain of dummies"),
        pytest.param(
            [mail("x", " ".join(map(str, range(DEEP)))), *[mail(f"{n}") for n in range(DEEP)]], id="one field"
        ),
        pytest.param(
            [
                *[mail(f"{n}", f"{n - 1}") for n in range(DEEP // 2)],
                *[mail(f"c{n}", f"p{n}") for n in range(DEEP // 2)],
                *[mail(f"p{n}", f"{DEEP // 2 - 1}") for n in range(DEEP // 2)],
            ],
            id="pairs that find a place at the bottom",
        ),
        pytest.param(
            [
                *[mail("", " ".join(f"{m}" for m in range(n, n + 200))) for n in range(0, DEEP, 199)],
                *[mail(f"{n}", f"{n + 1} {n - 1}") for n in range(DEEP)],
            ],
            id="a chain that comes apart",
        ),
    ],
)
@pytest.mark.parametrize("algorithm", ["REFERENCES", "REFS"])
def test_no_depth_is_too_much(algorithm: Algorithm, found: list[Mail]) -> None:
    numbers = re.findall(r"\d+", said(algorithm, *found))
    assert sorted(map(int, numbers)) == [*range(1, len(found) + 1)]


def test_a_long_chain_is_one_list() -> None:
    found = [mail(f"{n}", f"{n - 1}" if n else "") for n in range(DEEP)]
    assert said("REFERENCES", *found) == f"({' '.join(map(str, range(1, DEEP + 1)))})"


# --- the RFC once more, word for word, as an oracle ---


class Node:
    def __init__(self, number: int = 0) -> None:
        self.number = number  # 0: a dummy
        self.parent: Node | None = None
        self.children: list[Node] = []

    def take(self, child: "Node") -> None:
        child.leave()
        child.parent = self
        self.children.append(child)

    def leave(self) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
            self.parent = None

    def holds(self, other: "Node") -> bool:
        return self is other or any(child.holds(other) for child in self.children)


def oracle(algorithm: Algorithm, found: Sequence[Mail]) -> str:
    """What RFC 5256 says, step by step."""

    def date(node: Node) -> tuple[int, int]:
        first = node if node.number else min(node.children, key=date)
        return found[first.number - 1].sent, first.number

    def subject(node: Node) -> str:
        first = node if node.number else min(node.children, key=date)
        return found[first.number - 1].subject

    def is_reply(node: Node) -> bool:
        return bool(node.number) and found[node.number - 1].is_reply

    def sort(node: Node) -> None:
        for child in node.children:
            sort(child)
        node.children.sort(key=date)

    def prune(node: Node, *, is_root: bool) -> None:
        for child in list(node.children):
            prune(child, is_root=False)
            if not child.number and (len(child.children) <= 1 or not is_root):
                for grandchild in list(child.children):
                    node.take(grandchild)
                child.leave()

    def written(node: Node) -> str:
        number = str(node.number) if node.number else ""
        if len(node.children) == 1:
            return f"{number} {written(node.children[0])}"
        return f"{number} {''.join(f'({written(child)})' for child in node.children)}".strip()

    root = Node()
    if algorithm == "ORDEREDSUBJECT":
        for name, _, number in sorted((each.subject, each.sent, number) for number, each in enumerate(found, 1)):
            thread = next((node for node in root.children if subject(node) == name), root)
            thread.take(Node(number))
    else:
        messages = [Node(number) for number in range(1, len(found) + 1)]
        ids: dict[str, Node] = {}
        for node, each in zip(messages, found, strict=True):
            ids.setdefault(each.message_id or f"unique {node.number}", node)
        for node, each in zip(messages, found, strict=True):  # (1)
            ancestors = [ids.setdefault(name, Node()) for name in each.references]
            for parent, child in pairwise(ancestors):
                if child.parent is None and not child.holds(parent):
                    parent.take(child)
            node.leave()
            if ancestors and not node.holds(ancestors[-1]):
                ancestors[-1].take(node)
        for node in {id(node): node for node in [*messages, *ids.values()]}.values():  # (2)
            if node.parent is None:
                root.take(node)
        prune(root, is_root=True)  # (3)
        root.children.sort(key=date)  # (4)
    if algorithm == "REFERENCES":
        table: dict[str, Node] = {}
        for node in root.children:  # (5)(B)
            known = table.setdefault(subject(node), node)
            if known.number and (not node.number or (is_reply(known) and not is_reply(node))):
                table[subject(node)] = node
        for node in list(root.children):  # (5)(C)
            name = subject(node)
            known = table[name]
            if not name or known is node or node.parent is not root:
                continue
            if not known.number and not node.number:
                for child in list(node.children):
                    known.take(child)
                node.leave()
            elif not known.number or (is_reply(node) and not is_reply(known)):
                known.take(node)
            else:
                dummy = Node()
                root.take(dummy)
                dummy.take(known)
                dummy.take(node)
                table[name] = dummy
    sort(root)  # (6)
    if algorithm == "REFS":

        def latest(node: Node) -> tuple[int, int]:
            own = [(found[node.number - 1].arrived, node.number)] if node.number else []
            return max([*own, *map(latest, node.children)])

        root.children.sort(key=latest)
    return "".join(f"({written(node).strip()})" for node in root.children)


NAMES = st.sampled_from(["", *"abcdefgh"])
MAILS = st.builds(
    Mail,
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from(["", "S", "T"]),
    st.booleans(),
    NAMES,
    st.lists(st.sampled_from([*"abcdefgh", "x", "y"]), max_size=5).map(tuple),
)
MAILBOXES = st.lists(MAILS, max_size=12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(found=MAILBOXES)
def test_the_threads_are_those_of_the_rfc(algorithm: Algorithm, found: list[Mail]) -> None:
    assert said(algorithm, *found) == oracle(algorithm, found)


@pytest.mark.parametrize("steps", [0, 1, 2])
@given(found=st.lists(MAILS, max_size=40))
def test_the_better_way_up_a_tree_leads_to_the_same_top(steps: int, found: list[Mail]) -> None:
    """However few steps are taken before it is."""
    expected = said("REFS", *found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversations, "STEPS", steps)
        assert said("REFS", *found) == expected


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(found=st.lists(MAILS, max_size=40))
def test_every_message_is_in_one_place(algorithm: Algorithm, found: list[Mail]) -> None:
    trees = threads(algorithm, found)
    placed = [*trees.tops, *(node for children in trees.children.values() for node in children)]
    messages = [node for node in placed if node < trees.count]
    dummies = [node for node in placed if node >= trees.count]
    assert sorted(messages) == [*range(len(found))]
    assert len(dummies) == len(set(dummies))
    assert set(dummies) <= set(trees.tops)
    assert all(len(trees.children[node]) > 1 for node in dummies)
    numbers = re.findall(r"\d+", said(algorithm, *found))
    assert sorted(map(int, numbers)) == [*range(1, len(found) + 1)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(found=st.lists(MAILS, max_size=40))
def test_siblings_come_by_date(algorithm: Algorithm, found: list[Mail]) -> None:
    trees = threads(algorithm, found)
    for children in trees.children.values():
        assert children == sorted(children, key=lambda node: (found[node].sent, node))


@given(found=st.lists(MAILS, max_size=40))
def test_children_of_ordered_subject_have_none(found: list[Mail]) -> None:
    """RFC 5256 3: "there are no grandchildren in ORDEREDSUBJECT threading"."""
    trees = threads("ORDEREDSUBJECT", found)
    assert set(trees.children) <= set(trees.tops)


@st.composite
def conversation(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Mail]:
    """Mails as well-behaved clients write them: each with all its ancestors, and no two sent at the same time."""
    count = draw(st.integers(1, 15))
    found: list[Mail] = []
    for number in range(count):
        parent = draw(st.none() | st.sampled_from(found)) if found else None
        ancestors = () if parent is None else (*parent.references, parent.message_id)
        subject = draw(st.sampled_from("STU")) if parent is None else parent.subject
        found.append(Mail(number, number, subject, parent is not None, f"m{number}", ancestors))
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data(), found=conversation())
def test_the_order_in_the_mailbox_does_not_matter(algorithm: Algorithm, data: st.DataObject, found: list[Mail]) -> None:
    shuffled = data.draw(st.permutations(found))
    kept = data.draw(st.lists(st.sampled_from(found), unique=True))  # what a search finds of them
    for some in (shuffled, [each for each in shuffled if each in kept]):
        numbers = [each.sent + 1 for each in some]
        tidy = sorted(some, key=lambda each: each.sent)
        expected = b"".join(response(threads(algorithm, tidy), sorted(numbers)))
        assert b"".join(response(threads(algorithm, some), numbers)) == expected


@given(found=conversation())
def test_true_ancestors_make_the_true_tree(found: list[Mail]) -> None:
    trees = threads("REFS", found)
    parents = {child: parent for parent, children in trees.children.items() for child in children}
    for node, each in enumerate(found):
        assert (f"m{parents[node]}" if node in parents else None) == (each.references[-1] if each.references else None)
