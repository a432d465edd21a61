-- Every statement of a mailbox database, by name.  Parameters are named; columns are listed.

-- name: mailbox
SELECT mailbox_id, guid, used_bytes, used_count FROM mailbox WHERE mailbox_id = :mailbox
-- name: mailboxes
SELECT mailbox_id, guid, used_bytes, used_count FROM mailbox ORDER BY mailbox_id
-- name: insert_mailbox
INSERT INTO mailbox(mailbox_id, guid, created_at, next_folder_id, next_message_id, next_uidvalidity, used_bytes, used_count)
VALUES (:mailbox, :guid, :at, 1, 1, 1, 0, 0)
-- name: delete_mailbox
DELETE FROM mailbox WHERE mailbox_id = :mailbox
-- name: delete_subscriptions
DELETE FROM subscription WHERE mailbox_id = :mailbox
-- name: delete_deliveries
DELETE FROM delivery_seen WHERE mailbox_id = :mailbox
-- name: delete_threads
DELETE FROM thread_key WHERE mailbox_id = :mailbox
-- name: next_folder
UPDATE mailbox SET next_folder_id = next_folder_id + 1,
  next_uidvalidity = CASE WHEN next_uidvalidity < :uidvalidity THEN :uidvalidity ELSE next_uidvalidity END + 1
WHERE mailbox_id = :mailbox RETURNING next_folder_id - 1, next_uidvalidity - 1
-- name: take_messages
UPDATE mailbox SET next_message_id = next_message_id + :count, used_count = used_count + :count, used_bytes = used_bytes + :octets
WHERE mailbox_id = :mailbox RETURNING next_message_id - :count
-- name: add_usage
UPDATE mailbox SET used_count = used_count + :count, used_bytes = used_bytes + :octets WHERE mailbox_id = :mailbox

-- name: folders
SELECT mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor FROM folder WHERE mailbox_id = :mailbox
-- name: folder
SELECT mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor FROM folder WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: child
SELECT mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor FROM folder WHERE mailbox_id = :mailbox AND parent_id = :parent AND name = :name
-- name: graveyard
SELECT mailbox_id, folder_id FROM folder WHERE parent_id = -1 ORDER BY mailbox_id, folder_id
-- name: insert_folder
INSERT INTO folder(mailbox_id, folder_id, parent_id, name, special_use, selectable, created_at, uidvalidity, uidnext, modseq,
  recent_from, n_exists, n_unseen, n_deleted, n_bytes)
VALUES (:mailbox, :folder, :parent, :name, :special_use, :selectable, :at, :uidvalidity, :uidnext, :modseq, :recent_from, 0, 0, 0, 0)
-- name: update_folder
UPDATE folder SET parent_id = :parent, name = :name, special_use = :special_use, selectable = :selectable,
  uidvalidity = :uidvalidity, recent_from = :recent_from WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_folder
DELETE FROM folder WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_keywords
DELETE FROM keyword WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_tombstones
DELETE FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: count
UPDATE folder SET uidnext = uidnext + :uids, modseq = modseq + 1, n_exists = n_exists + :exists, n_unseen = n_unseen + :unseen,
  n_deleted = n_deleted + :deleted, n_bytes = n_bytes + :octets WHERE mailbox_id = :mailbox AND folder_id = :folder
RETURNING mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor

-- name: subscriptions
SELECT path FROM subscription WHERE mailbox_id = :mailbox
-- name: subscribe
INSERT INTO subscription(mailbox_id, path) VALUES (:mailbox, :path) ON CONFLICT DO NOTHING
-- name: unsubscribe
DELETE FROM subscription WHERE mailbox_id = :mailbox AND path = :path
-- name: keywords
SELECT name FROM keyword WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY bit
-- name: insert_keyword
INSERT INTO keyword(mailbox_id, folder_id, bit, name) VALUES (:mailbox, :folder, :bit, :name)

-- name: entries
SELECT uid, flags, keywords, modseq FROM entry
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high ORDER BY uid
-- name: entry_keywords
SELECT uid, bit FROM entry_keyword
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high ORDER BY uid, bit
-- name: items
SELECT e.uid, e.message_id, m.size, m.internal_at, m.internal_zone, e.saved_at, m.sent_at, m.prefix, m.envelope, m.structure,
  m.parts, m.utf8, m.hash, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: summarized_items
SELECT e.uid, e.message_id, m.size, m.internal_at, m.internal_zone, e.saved_at, m.sent_at, m.prefix, m.envelope, m.structure,
  m.parts, m.utf8, m.hash, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END,
  m.summary
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: sizes
SELECT e.uid, m.size, m.internal_at, m.internal_zone
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: summaries
SELECT e.uid, m.summary
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: dates
SELECT e.uid, m.size, m.internal_at, m.sent_at
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: dated_summaries
SELECT e.uid, m.size, m.internal_at, m.sent_at, m.summary
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: objects
SELECT e.uid, e.message_id, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: saved_dates
SELECT uid, saved_at FROM entry
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high ORDER BY uid
-- name: stored_entries
SELECT e.uid, e.message_id, e.flags, e.keywords, m.size
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid LIMIT :limit
-- name: insert_entry
INSERT INTO entry(mailbox_id, folder_id, uid, message_id, modseq, flags, keywords, saved_at)
VALUES (:mailbox, :folder, :uid, :message, :modseq, :flags, :keywords, :saved_at)
-- name: insert_entry_keyword
INSERT INTO entry_keyword(mailbox_id, folder_id, uid, bit) VALUES (:mailbox, :folder, :uid, :bit) ON CONFLICT DO NOTHING
-- name: delete_entry_keyword
DELETE FROM entry_keyword WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid = :uid AND bit = :bit
-- name: delete_entry_keywords
DELETE FROM entry_keyword WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high
-- name: flag_candidates
SELECT uid, flags, keywords FROM entry
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high
  AND (flags <> (flags & :keep_flags | :add_flags) OR keywords <> (keywords & :keep_keywords | :add_keywords)) ORDER BY uid
-- name: change_flags
UPDATE entry SET flags = flags & :keep_flags | :add_flags, keywords = keywords & :keep_keywords | :add_keywords, modseq = :modseq
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high
  AND (flags <> (flags & :keep_flags | :add_flags) OR keywords <> (keywords & :keep_keywords | :add_keywords))
-- name: set_flags
UPDATE entry SET flags = :flags, keywords = :keywords, modseq = :modseq
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid = :uid
-- name: delete_entries
DELETE FROM entry WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high
-- name: insert_tombstone
INSERT INTO expunged(mailbox_id, folder_id, modseq, uid_low, uid_high) VALUES (:mailbox, :folder, :modseq, :low, :high)
-- name: vanished
SELECT uid_low, uid_high FROM expunged
WHERE mailbox_id = :mailbox AND folder_id = :folder AND modseq > :since ORDER BY modseq, uid_low
-- name: crowded_tombstones
SELECT mailbox_id, folder_id FROM expunged GROUP BY mailbox_id, folder_id HAVING COUNT(modseq) > :keep
-- name: count_tombstones
SELECT COUNT(modseq) FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: tombstone_after
SELECT modseq FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY modseq, uid_low LIMIT 1 OFFSET :rows
-- name: forget_tombstones
DELETE FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder AND modseq <= :floor
-- name: raise_floor
UPDATE folder SET tombstone_floor = :floor WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: tombstones
SELECT modseq, uid_low, uid_high FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY modseq, uid_low

-- name: insert_message
INSERT INTO message(mailbox_id, message_id, scope, hash, n_entries, size, internal_at, internal_zone, sent_at, prefix, envelope,
  structure, parts, summary, utf8, thread_id)
VALUES (:mailbox, :message, 0, :hash, :n_entries, :size, :internal_at, :internal_zone, :sent_at, :prefix, :envelope,
  :structure, :parts, :summary, :utf8, :thread)
-- name: add_reference
UPDATE message SET n_entries = n_entries + 1 WHERE mailbox_id = :mailbox AND message_id = :message
-- name: drop_reference
UPDATE message SET n_entries = n_entries - 1 WHERE mailbox_id = :mailbox AND message_id = :message
-- name: delete_unreferenced
DELETE FROM message WHERE mailbox_id = :mailbox AND message_id = :message AND n_entries <= 0
-- name: message_references
SELECT message_id, n_entries, size, hash, length(prefix) FROM message WHERE mailbox_id = :mailbox

-- name: blob
SELECT hash, size, stored_size, encoding, data, pack_id, pack_offset FROM blob WHERE scope = 0 AND hash = :hash
-- name: blobs
SELECT hash, size, stored_size, encoding, data, pack_id, pack_offset FROM blob WHERE scope = 0 ORDER BY pack_id, pack_offset
-- name: blob_known
SELECT 1 FROM blob WHERE scope = 0 AND hash = :hash
-- name: touch_blob
UPDATE blob SET created_at = :at WHERE scope = 0 AND hash = :hash
-- name: insert_blob
INSERT INTO blob(scope, hash, size, stored_size, encoding, location, pack_id, pack_offset, created_at, data)
VALUES (0, :hash, :size, :stored_size, :encoding, :location, :pack, :offset, :at, :data)
ON CONFLICT(scope, hash) DO UPDATE SET created_at = excluded.created_at
-- name: unnamed_blobs
SELECT hash, stored_size, pack_id FROM blob b WHERE scope = 0 AND created_at < :before
  AND NOT EXISTS (SELECT 1 FROM message m WHERE m.scope = 0 AND m.hash = b.hash) LIMIT :limit
-- name: delete_blob
DELETE FROM blob WHERE scope = 0 AND hash = :hash
-- name: pack_gains
INSERT INTO pack(pack_id, live_bytes, dead_bytes) VALUES (:pack, :octets, 0)
ON CONFLICT(pack_id) DO UPDATE SET live_bytes = pack.live_bytes + excluded.live_bytes
-- name: pack_loses
UPDATE pack SET live_bytes = live_bytes - :octets, dead_bytes = dead_bytes + :octets WHERE pack_id = :pack
-- name: dead_packs
SELECT pack_id FROM pack WHERE live_bytes = 0 AND pack_id < :newest
-- name: delete_pack
DELETE FROM pack WHERE pack_id = :pack
-- name: packs
SELECT pack_id, live_bytes, dead_bytes FROM pack ORDER BY pack_id

-- name: threads
SELECT thread_key, thread_id FROM thread_key
WHERE mailbox_id = :mailbox AND thread_key IN (:key0, :key1, :key2, :key3, :key4, :key5, :key6, :key7)
-- name: insert_thread
INSERT INTO thread_key(mailbox_id, thread_key, thread_id) VALUES (:mailbox, :key, :thread) ON CONFLICT DO NOTHING

-- name: delivery_known
SELECT 1 FROM delivery_seen WHERE mailbox_id = :mailbox AND token = :token AND expires_at >= :at
-- name: remember_delivery
INSERT INTO delivery_seen(mailbox_id, token, expires_at) VALUES (:mailbox, :token, :expires_at)
ON CONFLICT(mailbox_id, token) DO UPDATE SET expires_at = excluded.expires_at WHERE delivery_seen.expires_at < :at
RETURNING expires_at
-- name: expired_deliveries
SELECT mailbox_id, token FROM delivery_seen WHERE expires_at < :now ORDER BY expires_at LIMIT :limit
-- name: delete_delivery
DELETE FROM delivery_seen WHERE mailbox_id = :mailbox AND token = :token
