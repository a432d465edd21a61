-- Conversations (RFC 8474 THREADID): which one a message belongs to, and by what later messages find it.  0: its own.
ALTER TABLE message ADD COLUMN thread_id BIGINT NOT NULL DEFAULT 0;
CREATE TABLE thread_key(
  mailbox_id BIGINT NOT NULL, thread_key {B} NOT NULL, thread_id BIGINT NOT NULL,
  PRIMARY KEY(mailbox_id, thread_key)) {WR};

-- Tombstones of this and lower MODSEQs may have been forgotten (RFC 7162 5.3).
ALTER TABLE folder ADD COLUMN tombstone_floor BIGINT NOT NULL DEFAULT 0;
