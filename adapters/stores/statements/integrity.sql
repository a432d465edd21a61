-- What an audit counts, and what a repair sets right.

-- name: counted
SELECT e.folder_id, COUNT(e.uid), SUM(CASE WHEN (e.flags & :seen) = 0 THEN 1 ELSE 0 END),
  SUM(CASE WHEN (e.flags & :deleted) <> 0 THEN 1 ELSE 0 END), COALESCE(SUM(m.size), 0),
  MAX(e.uid), MAX(e.modseq), MAX(e.keywords), COUNT(e.uid) - COUNT(m.message_id)
FROM entry e LEFT JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox GROUP BY e.folder_id
-- name: buried
SELECT folder_id, MAX(uid_high), MAX(modseq), MIN(modseq) FROM expunged WHERE mailbox_id = :mailbox GROUP BY folder_id
-- name: named
SELECT folder_id, COUNT(bit), MAX(bit) FROM keyword WHERE mailbox_id = :mailbox GROUP BY folder_id
-- name: named_wide
SELECT folder_id, MAX(bit) FROM entry_keyword WHERE mailbox_id = :mailbox GROUP BY folder_id
-- name: keyword_names
SELECT bit, name FROM keyword WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY bit
-- name: numbers
SELECT next_folder_id, next_message_id, next_uidvalidity FROM mailbox WHERE mailbox_id = :mailbox
-- name: highest_message
SELECT COALESCE(MAX(message_id), 0) FROM message WHERE mailbox_id = :mailbox
-- name: lost_messages
SELECT folder_id, uid, message_id FROM entry e WHERE mailbox_id = :mailbox AND NOT EXISTS (
  SELECT 1 FROM message m WHERE m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id) ORDER BY folder_id, uid
-- name: wrong_references
SELECT m.message_id, m.n_entries, COALESCE(n.entries, 0) FROM message m LEFT JOIN (
  SELECT message_id, COUNT(uid) AS entries FROM entry WHERE mailbox_id = :mailbox GROUP BY message_id
) n ON n.message_id = m.message_id
WHERE m.mailbox_id = :mailbox AND (m.n_entries <> COALESCE(n.entries, 0) OR m.n_entries <= 0) ORDER BY m.message_id
-- name: wrong_bodies
SELECT m.message_id, m.hash, m.size, LENGTH(m.prefix), b.size
FROM message m LEFT JOIN blob b ON b.scope = m.scope AND b.hash = m.hash
WHERE m.mailbox_id = :mailbox AND (b.size IS NULL OR b.size + LENGTH(m.prefix) <> m.size) ORDER BY m.message_id
-- name: resurrected
SELECT x.folder_id, x.modseq, x.uid_low, x.uid_high FROM expunged x WHERE x.mailbox_id = :mailbox AND EXISTS (
  SELECT 1 FROM entry e WHERE e.mailbox_id = x.mailbox_id AND e.folder_id = x.folder_id
    AND e.uid BETWEEN x.uid_low AND x.uid_high) ORDER BY x.folder_id, x.modseq, x.uid_low
-- name: access_keys
SELECT folder_id, user_id, length(secret) FROM access_key WHERE mailbox_id = :mailbox
-- name: readers
SELECT user_id, modseq FROM reader WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: blobs
SELECT hash, size, stored_size, encoding, NULL, pack_id, pack_offset FROM blob WHERE scope = 0 ORDER BY pack_id, pack_offset
-- name: count_blobs
SELECT COUNT(hash) FROM blob WHERE scope = 0
-- name: unnamed_bodies
SELECT hash FROM blob b WHERE scope = 0 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.scope = b.scope AND m.hash = b.hash)
-- name: filed
SELECT e.mailbox_id, e.folder_id, e.uid, m.size, m.internal_at, m.internal_zone, m.prefix, m.summary
FROM message m JOIN entry e ON e.mailbox_id = m.mailbox_id AND e.message_id = m.message_id
WHERE m.scope = 0 AND m.hash = :hash ORDER BY e.mailbox_id, e.folder_id, e.uid

-- name: set_numbers
UPDATE folder SET uidnext = :uidnext, modseq = :modseq, last_modseq = :last_modseq, prior_modseq = :prior_modseq,
  n_exists = :exists, n_unseen = :unseen, n_deleted = :deleted, n_bytes = :octets
WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: set_usage
UPDATE mailbox SET used_count = :count, used_bytes = :octets WHERE mailbox_id = :mailbox
-- name: raise_numbers
UPDATE mailbox SET next_folder_id = CASE WHEN next_folder_id < :folder THEN :folder ELSE next_folder_id END,
  next_message_id = CASE WHEN next_message_id < :message THEN :message ELSE next_message_id END,
  next_uidvalidity = CASE WHEN next_uidvalidity < :uidvalidity THEN :uidvalidity ELSE next_uidvalidity END
WHERE mailbox_id = :mailbox
-- name: resize_messages
UPDATE message SET size = LENGTH(prefix) + (
  SELECT b.size FROM blob b WHERE b.scope = message.scope AND b.hash = message.hash)
WHERE mailbox_id = :mailbox AND size <> (
  SELECT LENGTH(message.prefix) + b.size FROM blob b WHERE b.scope = message.scope AND b.hash = message.hash)
-- name: set_references
UPDATE message SET n_entries = :entries WHERE mailbox_id = :mailbox AND message_id = :message
-- name: delete_tombstone
DELETE FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder AND modseq = :modseq AND uid_low = :low
-- name: forget_old_tombstones
DELETE FROM expunged WHERE mailbox_id = :mailbox AND modseq <= (
  SELECT f.tombstone_floor FROM folder f WHERE f.mailbox_id = expunged.mailbox_id AND f.folder_id = expunged.folder_id)
-- name: drop_lost_access_keys
DELETE FROM access_key WHERE mailbox_id = :mailbox AND (LENGTH(secret) < :octets OR NOT EXISTS (
  SELECT 1 FROM folder f WHERE f.mailbox_id = access_key.mailbox_id AND f.folder_id = access_key.folder_id))
-- name: forget_body
DELETE FROM blob WHERE scope = 0 AND hash = :hash AND NOT EXISTS (
  SELECT 1 FROM message m WHERE m.scope = blob.scope AND m.hash = blob.hash)
-- name: forget_packs
DELETE FROM pack WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.pack_id = pack.pack_id)
-- name: recount_packs
INSERT INTO pack(pack_id, live_bytes, dead_bytes)
SELECT b.pack_id, SUM(b.stored_size), 0 FROM blob b WHERE b.pack_id IS NOT NULL GROUP BY b.pack_id
ON CONFLICT(pack_id) DO UPDATE SET live_bytes = excluded.live_bytes
