-- Mailbox access keys (RFC 4467 2.2): the secret by which the URLs are known that a user has authorized in a folder.
CREATE TABLE access_key(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, user_id BIGINT NOT NULL, secret {B} NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, user_id)) {WR};
CREATE INDEX access_key_user ON access_key(user_id);
