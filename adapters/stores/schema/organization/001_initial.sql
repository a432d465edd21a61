-- The organization database: who and where.  Small; its hot part is cached by every worker.
-- What is called folded is the form by which something is found (core.recipients); beside it is the form to show.

-- The next number of each kind.  Numbers are never used twice: a deleted mailbox may still be on disk, and a password
-- that was verified for one recipient must never count for another.
CREATE TABLE sequence(kind TEXT NOT NULL PRIMARY KEY, next BIGINT NOT NULL) {WR};
INSERT INTO sequence(kind, next) VALUES ('database', 1), ('mailbox', 1), ('recipient', 1);

CREATE TABLE mailbox_database(
  database_id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, folded_name TEXT NOT NULL UNIQUE,
  mounted BIGINT NOT NULL, created_at BIGINT NOT NULL,
  warn_bytes BIGINT, prohibit_send_bytes BIGINT, prohibit_all_bytes BIGINT) {WR};

CREATE TABLE accepted_domain(domain TEXT NOT NULL PRIMARY KEY, is_default BIGINT NOT NULL) {WR};

CREATE TABLE recipient(
  recipient_id BIGINT NOT NULL PRIMARY KEY, alias TEXT NOT NULL, folded_alias TEXT NOT NULL UNIQUE,
  display_name TEXT NOT NULL, enabled BIGINT NOT NULL, created_at BIGINT NOT NULL,
  database_id BIGINT NOT NULL, mailbox_id BIGINT NOT NULL UNIQUE,
  use_database_quota BIGINT NOT NULL, warn_bytes BIGINT, prohibit_send_bytes BIGINT, prohibit_all_bytes BIGINT) {WR};

-- The primary address has position 0.
CREATE TABLE proxy_address(
  address TEXT NOT NULL PRIMARY KEY, domain TEXT NOT NULL, spelling TEXT NOT NULL,
  recipient_id BIGINT NOT NULL, position BIGINT NOT NULL) {WR};
CREATE UNIQUE INDEX proxy_address_recipient ON proxy_address(recipient_id, position);
CREATE INDEX proxy_address_domain ON proxy_address(domain);

CREATE TABLE credential(
  recipient_id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, changed_at BIGINT NOT NULL,
  password_hash TEXT NOT NULL, scram_salt {B} NOT NULL, scram_iterations BIGINT NOT NULL,
  scram_stored_key {B} NOT NULL, scram_server_key {B} NOT NULL) {WR};

-- Keys that this organization made for itself, by name.
CREATE TABLE secret(name TEXT NOT NULL PRIMARY KEY, value {B} NOT NULL) {WR};
