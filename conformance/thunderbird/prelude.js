// What every script of the driver's can use.  DEADLINE is when the driver gives the script up, in milliseconds.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

/** Waits for something true, and results in it. */
async function until(condition, what) {
  for (;;) {
    const found = await condition();
    if (found) {
      return found;
    }
    if (Date.now() > DEADLINE) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Waits for what tells a listener, of URLs or of copies, how it has ended. */
function finished(start) {
  return new Promise((resolve, reject) => {
    const settle = status =>
      Components.isSuccessCode(status) ? resolve() : reject(new Error(`status 0x${status.toString(16)}`));
    start({
      QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
      OnStartRunningUrl() {},
      OnStopRunningUrl: (_url, status) => settle(status),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      getMessageId() {},
      onStopCopy: settle,
    });
  });
}

function rootOf(account) {
  return MailServices.accounts.getAccount(account).incomingServer.rootFolder;
}

/** The folder's name behind those of the folders that it is in. */
function pathOf(folder) {
  return folder.parent.isServer ? folder.name : `${pathOf(folder.parent)}/${folder.name}`;
}

/** The folder with this path; undefined if there is none. */
function findFolder(account, path) {
  return rootOf(account).descendants.find(folder => pathOf(folder) == path);
}

function folderAt(account, path) {
  const found = findFolder(account, path);
  if (!found) {
    throw new Error(`no folder ${path} is known`);
  }
  return found.QueryInterface(Ci.nsIMsgImapMailFolder);
}

/** The subject as the message list shows it. */
function subjectOf(message) {
  return (message.flags & Ci.nsMsgMessageFlags.HasRe ? "Re: " : "") + message.mime2DecodedSubject;
}

/** The messages with these subjects, each of which must be that of one message. */
function messagesWith(folder, subjects) {
  const messages = [...folder.messages];
  return subjects.map(subject => {
    const found = messages.filter(message => subjectOf(message) == subject);
    if (found.length != 1) {
      throw new Error(`${found.length} messages ${subject} are known in ${pathOf(folder)}`);
    }
    return found[0];
  });
}

/** The window's document of folders, messages and message pane. */
function threePane() {
  const { document } = Services.wm.getMostRecentWindow("mail:3pane");
  const pane = () => document.getElementById("tabmail")?.currentAbout3Pane;
  return until(() => pane()?.messageBrowser?.contentWindow?.getMessagePaneBrowser && pane(), "the three-pane window");
}
