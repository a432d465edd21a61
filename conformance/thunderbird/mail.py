"""What a user does with mail in Thunderbird.  Folders are named by their paths, messages by their subjects."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from conformance.support.processes import eventually

if TYPE_CHECKING:
    from conformance.thunderbird.driver import Thunderbird

Security = Literal["plain", "alwaysSTARTTLS", "SSL"]  # Thunderbird's names (nsMsgSocketType)
Use = Literal["Inbox", "Archive", "Drafts", "Junk", "SentMail", "Trash"]  # and for folders (nsMsgFolderFlags)


@dataclass(frozen=True)
class Message:
    """A line of the message list."""

    subject: str
    sender: str
    read: bool
    starred: bool
    tags: frozenset[str]  # as the user reads them: "Important"


@dataclass(frozen=True)
class Attachment:
    name: str
    content_type: str
    octets: bytes


@dataclass(frozen=True)
class Shown:
    """What the message pane shows."""

    subject: str
    sender: str
    text: str
    attachments: tuple[Attachment, ...]


class Subscribing:
    """The dialog of the folders that there are to subscribe to."""

    def __init__(self, thunderbird: "Thunderbird") -> None:
        self._thunderbird = thunderbird

    def rows(self) -> dict[str, bool | None]:
        """The folders that are shown, and whether they are ticked; None where there is no box for that."""
        found = self._thunderbird.run_script("""
            const tree = await until(() => document.getElementById("subscribeTree"), "the tree");
            await until(() => tree.view?.rowCount, "rows");
            const path = [];
            return Array.from({ length: tree.view.rowCount }, (_, index) => {
              const row = tree.view.rowAt(index);
              path.length = row.level;
              path.push(row.texts.name);
              return [path.join("/"), row.hasProperty("uncheckable") ? null : row.hasProperty("checked")];
            });
        """)
        return dict(found)

    def tick(self, path: str) -> None:
        """A click into the box of a folder."""
        self._thunderbird.run_script(
            """
                const tree = document.getElementById("subscribeTree");
                tree.scrollToIndex(index, true);
                // A row is drawn some time after it is there.
                const label = await until(() => {
                  const found = tree.getRowAtIndex(index)?.querySelector("label");
                  return found?.textContent == tree.view.rowAt(index).texts.name && found;
                }, `the row ${index}`);
                label.querySelector("input").click();
            """,
            index=list(self.rows()).index(path),
        )


class ImapAccount:
    """One account of Thunderbird's."""

    def __init__(self, thunderbird: "Thunderbird", key: str, user: str) -> None:
        self._thunderbird = thunderbird
        self._key = key
        self.user = user

    def _run(self, script: str, **arguments: Any) -> Any:
        return self._thunderbird.run_script(script, account=self._key, **arguments)

    def transcript(self) -> list[str]:
        """What has been said over IMAP for this account, from the start: lines like `INBOX C: 20 IDLE`."""
        return self._thunderbird.transcript(self.user)

    def wait_for_idle(self, folder: str) -> None:
        """Until Thunderbird leaves it to the server to speak of this folder, which it does after two idle seconds."""

        def is_idle() -> bool:
            said = [line for line in self.transcript() if line.startswith(f"{folder} ")]
            return said[-2:-1] != [] and said[-2].endswith(" IDLE") and said[-1].startswith(f"{folder} S: +")

        eventually(is_idle, seconds=30, what=f"IDLE on {folder}")

    def keep_nothing(self) -> None:
        """Unticks `Keep messages in all folders for this account on this computer`.

        After that, bodies are fetched when they are looked at, in pieces, and nothing but the server can search them.
        """
        self._run("""
            const { incomingServer } = MailServices.accounts.getAccount(account);
            incomingServer.QueryInterface(Ci.nsIImapIncomingServer).offlineDownload = false;
            for (const folder of rootOf(account).descendants) {
              folder.clearFlag(Ci.nsMsgFolderFlags.Offline);
            }
        """)

    def ask_for_changes_only(self) -> None:
        """Turns mail.server.serverN.use_condstore on, which no dialog shows."""
        self._run("""
            const { incomingServer } = MailServices.accounts.getAccount(account);
            incomingServer.QueryInterface(Ci.nsIImapIncomingServer).useCondStore = true;
            incomingServer.closeCachedConnections();
        """)

    # ---------------------------------------------------------------------------------------------- folders

    def folders(self) -> set[str]:
        """All folders, asked for anew."""
        return set(
            self._run("""
                await finished(listener => MailServices.imap.discoverAllFolders(rootOf(account), listener, null));
                return rootOf(account).descendants.map(pathOf);
            """)
        )

    def folder_for(self, use: Use) -> str:
        return str(self._run("return pathOf(rootOf(account).getFolderWithFlags(Ci.nsMsgFolderFlags[use]));", use=use))

    def pane(self) -> list[str]:
        """The folders of this account in the folder pane, from top to bottom."""
        found = self._run("""
            const { folderTree } = await threePane();
            const root = rootOf(account);
            await until(() => folderTree.rows.some(row => row.uri == root.URI), "the account in the folder pane");
            return folderTree.rows.flatMap(row => {
              const folder = MailServices.folderLookup.getFolderForURL(row.uri);
              return folder && !folder.isServer && folder.rootFolder == root ? pathOf(folder) : [];
            });
        """)
        return [str(path) for path in found]

    @contextmanager
    def subscribing(self) -> Iterator["Subscribing"]:
        """The dialog behind Subscribe; who leaves this has pressed OK."""
        opening = 'Services.wm.getMostRecentWindow("mail:3pane").MsgSubscribe(rootOf(account));'
        with self._thunderbird.dialog(opening, account=self._key):
            dialog = Subscribing(self._thunderbird)
            yield dialog
            # Not at once: the window closes, and with it goes the script.
            self._run('setTimeout(() => document.querySelector("dialog").getButton("accept").click());')

    def open(self, folder: str) -> None:
        """A click on the folder, or on Get Messages where it is open, and the look for changes that follows."""
        self._run(
            """
                const folder = folderAt(account, path);
                const pane = await threePane();
                let isLoaded = false;
                const listener = {
                  onFolderEvent(loaded, event) {
                    isLoaded ||= loaded == folder && event == "FolderLoaded";
                  },
                };
                MailServices.mailSession.AddFolderListener(listener, Ci.nsIFolderListener.event);
                try {
                  if (pane.gFolder == folder) {
                    folder.updateFolder(null);
                  }
                  // The row of a new folder may come later than the folder.
                  await until(() => { pane.displayFolder(folder); return pane.gFolder == folder; }, `${path} on show`);
                  await until(() => isLoaded, `the end of the look into ${path}`);
                } finally {
                  MailServices.mailSession.RemoveFolderListener(listener);
                }
            """,
            path=folder,
        )

    def create_folder(self, path: str) -> None:
        """Returns when Thunderbird shows it."""
        parent, _, name = path.rpartition("/")
        self._run(
            """
                (parent ? folderAt(account, parent) : rootOf(account)).createSubfolder(name, null);
                await until(() => findFolder(account, path), `the new folder ${path}`);
            """,
            path=path,
            parent=parent,
            name=name,
        )

    def rename_folder(self, path: str, name: str) -> None:
        """Within the folder that it is in."""
        parent, slash, _ = path.rpartition("/")
        self._run(
            """
                folderAt(account, path).rename(name, null);
                await until(() => findFolder(account, renamed) && !findFolder(account, path), `the folder ${renamed}`);
            """,
            path=path,
            name=name,
            renamed=parent + slash + name,
        )

    def delete_folder(self, path: str) -> None:
        """With the answer that one is sure; it goes to the Trash, or away for good if it is there."""
        # Not awaited, because it comes back only after the answer.
        self._run("const folder = folderAt(account, path); setTimeout(() => folder.deleteSelf(null));", path=path)
        self._thunderbird.accept_dialog()
        self._run("await until(() => !findFolder(account, path), `the end of ${path}`);", path=path)

    def empty_trash(self) -> None:
        self._run("""
            const trash = rootOf(account).getFolderWithFlags(Ci.nsMsgFolderFlags.Trash);
            await finished(listener => trash.emptyTrash(listener));
        """)

    # ---------------------------------------------------------------------------------------------- messages

    def counts(self, folder: str) -> tuple[int, int]:
        """Messages, and unread ones among them, as Thunderbird knows them now."""
        total, unread = self._run(
            """
                const folder = folderAt(account, path);
                return [folder.getTotalMessages(false), folder.getNumUnread(false)];
            """,
            path=folder,
        )
        return total, unread

    def messages(self, folder: str) -> dict[str, Message]:
        """The message list by subject, as Thunderbird knows it now."""
        found = self._run(
            """
                const names = new Map(MailServices.tags.getAllTags().map(tag => [tag.key, tag.tag]));
                const tagsOf = message =>
                  message.getStringProperty("keywords").split(" ").flatMap(key => names.get(key) ?? []);
                return [...folderAt(account, path).messages].map(message => ({
                  subject: subjectOf(message),
                  sender: message.mime2DecodedAuthor,
                  read: message.isRead,
                  starred: message.isFlagged,
                  tags: tagsOf(message),
                }));
            """,
            path=folder,
        )
        return {values["subject"]: Message(**{**values, "tags": frozenset(values["tags"])}) for values in found}

    def wait_for_message(self, folder: str, subject: str) -> None:
        """Asks nothing of the server: it must tell by itself."""
        self._run(
            """
                const folder = folderAt(account, path);
                const isThere = () => [...folder.messages].some(message => subjectOf(message) == subject);
                await until(isThere, `the message ${subject}`);
            """,
            path=folder,
            subject=subject,
        )

    def read(self, folder: str, subject: str) -> Shown:
        """A click on the message, which marks it as read."""
        shown = self._run(
            """
                const [message] = messagesWith(folderAt(account, path), [subject]);
                const pane = await threePane();
                const reader = pane.messageBrowser.contentWindow;
                await until(() => {
                  pane.selectMessage(message);
                  return reader.gMessage == message && reader.msgLoaded;
                }, `the message ${subject} on show`);
                const { body } = reader.getMessagePaneBrowser().contentDocument;
                const texts = body.querySelectorAll(".moz-text-plain, .moz-text-flowed, .moz-text-html");
                const attachments = reader.currentAttachments.map(async attachment => ({
                  name: attachment.name,
                  content_type: attachment.contentType,
                  octets: ChromeUtils.base64URLEncode(await attachment.fetchAttachment(), { pad: true }),
                }));
                return {
                  subject: subjectOf(message),
                  sender: message.mime2DecodedAuthor,
                  text: Array.from(texts, text => text.textContent).join("\\n"),
                  attachments: await Promise.all(attachments),
                };
            """,
            path=folder,
            subject=subject,
        )
        attachments = tuple(
            Attachment(found["name"], found["content_type"], base64.urlsafe_b64decode(found["octets"]))
            for found in shown["attachments"]
        )
        return Shown(shown["subject"], shown["sender"], shown["text"], attachments)

    def mark_read(self, folder: str, *subjects: str, read: bool = True) -> None:
        self._run(
            """
                const folder = folderAt(account, path);
                folder.markMessagesRead(messagesWith(folder, subjects), read);
            """,
            path=folder,
            subjects=subjects,
            read=read,
        )

    def star(self, folder: str, *subjects: str, starred: bool = True) -> None:
        self._run(
            """
                const folder = folderAt(account, path);
                folder.markMessagesFlagged(messagesWith(folder, subjects), starred);
            """,
            path=folder,
            subjects=subjects,
            starred=starred,
        )

    def tag(self, folder: str, *subjects: str, tag: str, tagged: bool = True) -> None:
        """With a tag's name in the menu: Important, Work, Personal, To Do, Later, or one that was added."""
        self._run(
            """
                const folder = folderAt(account, path);
                const messages = messagesWith(folder, subjects);
                const key = MailServices.tags.getKeyForTag(tag);
                if (tagged) {
                  folder.addKeywordsToMessages(messages, key);
                } else {
                  folder.removeKeywordsFromMessages(messages, key);
                }
            """,
            path=folder,
            subjects=subjects,
            tag=tag,
            tagged=tagged,
        )

    def copy(self, folder: str, *subjects: str, to: str, move: bool = False) -> None:
        self._run(
            """
                const from = folderAt(account, path);
                const messages = messagesWith(from, subjects);
                await finished(listener =>
                  MailServices.copy.copyMessages(from, messages, folderAt(account, to), move, listener, null, false)
                );
            """,
            path=folder,
            subjects=subjects,
            to=to,
            move=move,
        )

    def move(self, folder: str, *subjects: str, to: str) -> None:
        self.copy(folder, *subjects, to=to, move=True)

    def delete(self, folder: str, *subjects: str, for_good: bool = False) -> None:
        """Delete, or Shift-Delete, which leaves the end to `compact`."""
        self._run(
            """
                const folder = folderAt(account, path);
                const messages = messagesWith(folder, subjects);
                await finished(listener => folder.deleteMessages(messages, null, forGood, false, listener, false));
            """,
            path=folder,
            subjects=subjects,
            forGood=for_good,
        )

    def compact(self, folder: str) -> None:
        """Expunges."""
        self._run("await finished(listener => folderAt(account, path).compact(listener, null));", path=folder)

    def save_draft(self, message: bytes) -> None:
        """What the compose window does with a message that is saved."""
        file = self._thunderbird.directory / "draft.eml"
        file.write_bytes(message)
        self._run(
            """
                const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
                file.initWithPath(name);
                const drafts = rootOf(account).getFolderWithFlags(Ci.nsMsgFolderFlags.Drafts);
                const flags = Ci.nsMsgMessageFlags.Read;
                await finished(listener =>
                  MailServices.copy.copyFileMessage(file, drafts, null, true, flags, "", listener, null)
                );
            """,
            name=str(file),
        )

    def draft_reply(self, folder: str, subject: str) -> None:
        """Reply, and in the window that opens, Save; it is closed then."""
        self._run(
            """
                const [message] = messagesWith(folderAt(account, path), [subject]);
                const { defaultIdentity } = MailServices.accounts.getAccount(account);
                MailServices.compose.OpenComposeWindow(
                  null,
                  message,
                  message.folder.getUriForMsg(message),
                  Ci.nsIMsgCompType.ReplyToSender,
                  Ci.nsIMsgCompFormat.PlainText,
                  defaultIdentity,
                  null,
                  null
                );
                const find = () => Services.wm.getMostRecentWindow("msgcompose");
                const compose = await until(() => find()?.composeEditorReady && find(), "the compose window");
                const begun = new Promise(resolve => compose.addEventListener("aftersave", resolve, { once: true }));
                compose.goDoCommand("cmd_saveAsDraft");
                await begun;
                await until(() => !compose.gSaveOperationInProgress, "the end of saving");
                compose.close();
                await until(() => !find(), "the end of the compose window");
            """,
            path=folder,
            subject=subject,
        )

    def search(self, folder: str, **terms: str) -> set[str]:
        """Search Messages, run on the server: the subjects of what has all these.

        The names are those of nsMsgSearchAttrib: Subject, Sender, To, Body.
        """
        return set(
            self._run(
                """
                    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
                    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folderAt(account, path));
                    for (const [attribute, words] of Object.entries(terms)) {
                      const term = session.createTerm();
                      const { value } = term;
                      term.attrib = value.attrib = Ci.nsMsgSearchAttrib[attribute];
                      term.op = Ci.nsMsgSearchOp.Contains;
                      term.booleanAnd = true;
                      value.str = words;
                      term.value = value;
                      session.appendTerm(term);
                    }
                    const found = [];
                    await new Promise((resolve, reject) => {
                      session.registerListener({
                        QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
                        onNewSearch() {},
                        onSearchHit: message => found.push(subjectOf(message)),
                        onSearchDone: status =>
                          Components.isSuccessCode(status) ? resolve() : reject(new Error(`status ${status}`)),
                      });
                      session.search(null);
                    });
                    return found;
                """,
                path=folder,
                terms=terms,
            )
        )
