-- A mailbox database: mailboxes, their folders, and the messages in them.
-- The same text runs on SQLite and PostgreSQL: {B} is BLOB or BYTEA, {WR} is WITHOUT ROWID or nothing.
-- mailbox_id leads every key (a distributed engine hashes by it); times are microseconds since the epoch.

CREATE TABLE mailbox(
  mailbox_id BIGINT NOT NULL PRIMARY KEY, guid {B} NOT NULL, created_at BIGINT NOT NULL,
  next_folder_id BIGINT NOT NULL, next_message_id BIGINT NOT NULL, next_uidvalidity BIGINT NOT NULL,
  used_bytes BIGINT NOT NULL, used_count BIGINT NOT NULL) {WR};

CREATE TABLE folder(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, parent_id BIGINT NOT NULL, name TEXT NOT NULL,
  special_use TEXT, selectable BIGINT NOT NULL, created_at BIGINT NOT NULL,
  uidvalidity BIGINT NOT NULL, uidnext BIGINT NOT NULL, modseq BIGINT NOT NULL, recent_from BIGINT NOT NULL,
  n_exists BIGINT NOT NULL, n_unseen BIGINT NOT NULL, n_deleted BIGINT NOT NULL, n_bytes BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id), UNIQUE(mailbox_id, parent_id, name)) {WR};

-- A folder's keywords, numbered from 0 and never renumbered.  Those below 63 are bits of entry.keywords.
CREATE TABLE keyword(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, bit BIGINT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, bit), UNIQUE(mailbox_id, folder_id, name)) {WR};

-- The bytes of messages, once for each content.  location: 0 in this row, 1 in a pack file.
CREATE TABLE blob(
  scope BIGINT NOT NULL, hash {B} NOT NULL, size BIGINT NOT NULL, stored_size BIGINT NOT NULL,
  encoding BIGINT NOT NULL, location BIGINT NOT NULL, pack_id BIGINT, pack_offset BIGINT, created_at BIGINT NOT NULL,
  data {B}, PRIMARY KEY(scope, hash));

CREATE TABLE pack(
  pack_id BIGINT NOT NULL PRIMARY KEY, live_bytes BIGINT NOT NULL, dead_bytes BIGINT NOT NULL) {WR};

-- A message is prefix (this mailbox's own trace headers) and blob; the rest was computed once, when it came.
CREATE TABLE message(
  mailbox_id BIGINT NOT NULL, message_id BIGINT NOT NULL, scope BIGINT NOT NULL, hash {B} NOT NULL,
  n_entries BIGINT NOT NULL, size BIGINT NOT NULL, internal_at BIGINT NOT NULL, internal_zone BIGINT NOT NULL,
  sent_at BIGINT, prefix {B} NOT NULL, envelope {B} NOT NULL, structure {B} NOT NULL, parts {B} NOT NULL,
  summary {B} NOT NULL, utf8 {B}, PRIMARY KEY(mailbox_id, message_id)) {WR};
CREATE INDEX message_blob ON message(scope, hash);

-- A message in a folder.
CREATE TABLE entry(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, uid BIGINT NOT NULL, message_id BIGINT NOT NULL,
  modseq BIGINT NOT NULL, flags BIGINT NOT NULL, keywords BIGINT NOT NULL, saved_at BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, uid)) {WR};
CREATE TABLE entry_keyword(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, uid BIGINT NOT NULL, bit BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, uid, bit)) {WR};

-- Tombstones: which UIDs went away, and at which MODSEQ.
CREATE TABLE expunged(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, modseq BIGINT NOT NULL,
  uid_low BIGINT NOT NULL, uid_high BIGINT NOT NULL, PRIMARY KEY(mailbox_id, folder_id, modseq, uid_low)) {WR};

CREATE TABLE subscription(
  mailbox_id BIGINT NOT NULL, path TEXT NOT NULL, PRIMARY KEY(mailbox_id, path)) {WR};

-- Deliveries already made, so that a sender's retry changes nothing.
CREATE TABLE delivery_seen(
  mailbox_id BIGINT NOT NULL, token {B} NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY(mailbox_id, token)) {WR};
CREATE INDEX delivery_seen_expiry ON delivery_seen(expires_at);
