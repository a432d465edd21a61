-- What trustees may do in a folder (RFC 4314): 0 is anyone, other numbers are recipients'.  is_denied: what an
-- identifier with a minus sign takes away.  own_only: changing and removing is for messages that the user put there.
CREATE TABLE acl(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, trustee_id BIGINT NOT NULL, is_denied BIGINT NOT NULL,
  rights BIGINT NOT NULL, own_only BIGINT NOT NULL, PRIMARY KEY(mailbox_id, folder_id, trustee_id, is_denied)) {WR};
CREATE INDEX acl_trustee ON acl(trustee_id, mailbox_id);

-- \Seen of those who are not the mailbox's owner: ranges of UIDs, disjoint, each with the MODSEQ of its last change,
-- and for each user the last MODSEQ of all.  What is in no range is unseen and always was.
CREATE TABLE seen(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, user_id BIGINT NOT NULL, uid_low BIGINT NOT NULL,
  uid_high BIGINT NOT NULL, is_seen BIGINT NOT NULL, modseq BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, user_id, uid_low)) {WR};
CREATE TABLE reader(
  mailbox_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, user_id BIGINT NOT NULL, modseq BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, folder_id, user_id)) {WR};

-- folder.modseq is of the last change that all can see, prior_modseq of the one before it; last_modseq is the highest
-- that was ever given out, also for what only one reader sees.
ALTER TABLE folder ADD COLUMN last_modseq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE folder ADD COLUMN prior_modseq BIGINT NOT NULL DEFAULT 0;
UPDATE folder SET last_modseq = modseq, prior_modseq = modseq - 1;

-- RFC 8474 5.1: what a message was called in the mailbox that it was copied from; NULL: it came here by itself.
ALTER TABLE message ADD COLUMN email_id TEXT;

-- Who put a message into a folder that is not theirs; 0: the owner, or mail from outside.
ALTER TABLE entry ADD COLUMN author BIGINT NOT NULL DEFAULT 0;
