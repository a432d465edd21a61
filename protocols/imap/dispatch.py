"""Which commands there are, in which states they may be given, what carries them out, and what of it is announced."""

from collections.abc import Callable
from typing import Any, Final

from protocols.imap import commands
from protocols.imap.commands import Command
from protocols.imap.finding.searching import names_filters, names_numbers
from protocols.imap.handlers.do_access import (
    do_authenticate,
    do_capability,
    do_compress,
    do_enable,
    do_id,
    do_login,
    do_logout,
    do_namespace,
    do_noop,
    do_starttls,
    do_unauthenticate,
)
from protocols.imap.handlers.do_append import do_append
from protocols.imap.handlers.do_copy import do_copy, do_move
from protocols.imap.handlers.do_folders import (
    do_create,
    do_delete,
    do_list,
    do_lsub,
    do_rename,
    do_status,
    do_subscribe,
    do_unsubscribe,
)
from protocols.imap.handlers.do_international import do_comparator, do_language
from protocols.imap.handlers.do_messages import do_expunge, do_fetch, do_store
from protocols.imap.handlers.do_metadata import do_get_metadata, do_set_metadata
from protocols.imap.handlers.do_notify import do_notify
from protocols.imap.handlers.do_quota import do_get_quota, do_get_quota_root, do_set_quota
from protocols.imap.handlers.do_replace import do_replace
from protocols.imap.handlers.do_rights import do_delete_acl, do_get_acl, do_list_rights, do_my_rights, do_set_acl
from protocols.imap.handlers.do_search import (
    do_cancel_update,
    do_esearch,
    do_search,
    do_sort,
    do_thread,
    do_uid_batches,
)
from protocols.imap.handlers.do_select import do_close, do_idle, do_select, do_unselect
from protocols.imap.handlers.do_urls import do_gen_url_auth, do_reset_key, do_url_fetch
from protocols.imap.work import Answer, Steps

NOT_AUTHENTICATED: Final = 1
AUTHENTICATED: Final = 2
SELECTED: Final = 4
ANY: Final = NOT_AUTHENTICATED | AUTHENTICATED | SELECTED
SIGNED_IN: Final = AUTHENTICATED | SELECTED

Handler = Callable[[Any, Any], Steps | Answer]

# Command -> (the states in which it is allowed, what carries it out).  RFC 9051 section 6.
COMMANDS: Final[dict[type[Command], tuple[int, Handler]]] = {
    commands.Capability: (ANY, do_capability),
    commands.Noop: (ANY, do_noop),
    commands.Logout: (ANY, do_logout),
    commands.Id: (ANY, do_id),
    commands.Language: (ANY, do_language),
    commands.Starttls: (NOT_AUTHENTICATED, do_starttls),
    commands.Authenticate: (NOT_AUTHENTICATED, do_authenticate),
    commands.Login: (NOT_AUTHENTICATED, do_login),
    commands.Enable: (SIGNED_IN, do_enable),
    commands.Compress: (SIGNED_IN, do_compress),
    commands.Unauthenticate: (SIGNED_IN, do_unauthenticate),
    commands.Select: (SIGNED_IN, do_select),
    commands.Create: (SIGNED_IN, do_create),
    commands.Delete: (SIGNED_IN, do_delete),
    commands.Rename: (SIGNED_IN, do_rename),
    commands.Subscribe: (SIGNED_IN, do_subscribe),
    commands.Unsubscribe: (SIGNED_IN, do_unsubscribe),
    commands.List: (SIGNED_IN, do_list),
    commands.Lsub: (SIGNED_IN, do_lsub),
    commands.Namespace: (SIGNED_IN, do_namespace),
    commands.Status: (SIGNED_IN, do_status),
    commands.GetMetadata: (SIGNED_IN, do_get_metadata),
    commands.SetMetadata: (SIGNED_IN, do_set_metadata),
    commands.Append: (SIGNED_IN, do_append),
    commands.GetQuota: (SIGNED_IN, do_get_quota),
    commands.GetQuotaRoot: (SIGNED_IN, do_get_quota_root),
    commands.SetQuota: (SIGNED_IN, do_set_quota),
    commands.Comparator: (SIGNED_IN, do_comparator),
    commands.Notify: (SIGNED_IN, do_notify),
    commands.Idle: (SIGNED_IN, do_idle),
    commands.SetAcl: (SIGNED_IN, do_set_acl),
    commands.DeleteAcl: (SIGNED_IN, do_delete_acl),
    commands.GetAcl: (SIGNED_IN, do_get_acl),
    commands.ListRights: (SIGNED_IN, do_list_rights),
    commands.MyRights: (SIGNED_IN, do_my_rights),
    commands.ResetKey: (SIGNED_IN, do_reset_key),
    commands.GenUrlAuth: (SIGNED_IN, do_gen_url_auth),
    commands.UrlFetch: (SIGNED_IN, do_url_fetch),
    commands.Check: (SELECTED, do_noop),
    commands.Close: (SELECTED, do_close),
    commands.Unselect: (SELECTED, do_unselect),
    commands.Expunge: (SELECTED, do_expunge),
    commands.Search: (SELECTED, do_search),
    commands.Esearch: (SIGNED_IN, do_esearch),
    commands.Sort: (SELECTED, do_sort),
    commands.Thread: (SELECTED, do_thread),
    commands.Fetch: (SELECTED, do_fetch),
    commands.Store: (SELECTED, do_store),
    commands.Copy: (SELECTED, do_copy),
    commands.Move: (SELECTED, do_move),
    commands.UidBatches: (SELECTED, do_uid_batches),
    commands.CancelUpdate: (SELECTED, do_cancel_update),
    commands.Replace: (SELECTED, do_replace),
}


def holds_expunge(command: Command | None) -> bool:
    """Whether no message may go while this runs, since it is about message numbers (RFC 9051 7.5.1, RFC 5256 3)."""
    match command:
        case commands.Search() | commands.Sort() | commands.Thread() | commands.Esearch():
            # RFC 7162 3.2.10.2; what a filter names is known to the handler only.
            return not command.uid or names_numbers(command.criteria) or names_filters(command.criteria)
        case commands.Fetch() | commands.Store():
            return not command.uid
        case _:
            return False


# RFC 9051 6.1.1: IDLE is announced to strangers too, since some clients ask only before they sign in.
ALWAYS: Final = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE", "LANGUAGE")
AFTER_LOGIN: Final = (
    "NAMESPACE",
    "CHILDREN",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "BINARY",
    "CONDSTORE",
    "QRESYNC",
    "OBJECTID",
    "SAVEDATE",
    "PARTIAL",
    "UIDONLY",
    "UIDBATCHES",
    "INPROGRESS",
    "UTF8=ACCEPT",
    "I18NLEVEL=2",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "THREAD=REFS",
    "SEARCH=FUZZY",
    "WITHIN",
    "MULTISEARCH",
    "CONTEXT=SEARCH",
    "CONTEXT=SORT",
    "PREVIEW",
    "MULTIAPPEND",
    "REPLACE",
    "CATENATE",
    "URL-PARTIAL",
    "CREATE-SPECIAL-USE",
    "ACL",
    "RIGHTS=kxte",
    "LIST-MYRIGHTS",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "QUOTA=RES-MAILBOX",
    "NOTIFY",
    "METADATA",
    "LIST-METADATA",
    "FILTERS",
)
