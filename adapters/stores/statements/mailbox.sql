-- Every statement of a mailbox database, by name.  Parameters are named; columns are listed.

-- name: organization
SELECT guid FROM organization
-- name: set_organization
INSERT INTO organization(guid) VALUES (:guid)

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
-- name: delete_all_annotations
DELETE FROM annotation WHERE mailbox_id = :mailbox
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
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor, last_modseq, prior_modseq FROM folder WHERE mailbox_id = :mailbox
ORDER BY folder_id
-- name: folder
SELECT mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor, last_modseq, prior_modseq FROM folder WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: child
SELECT mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor, last_modseq, prior_modseq FROM folder WHERE mailbox_id = :mailbox AND parent_id = :parent AND name = :name
-- name: totals
SELECT COUNT(folder_id), COALESCE(SUM(n_exists), 0) FROM folder WHERE mailbox_id = :mailbox AND parent_id <> -1 AND selectable = 1
-- name: graveyard
SELECT mailbox_id, folder_id FROM folder WHERE parent_id = -1 ORDER BY mailbox_id, folder_id
-- name: insert_folder
INSERT INTO folder(mailbox_id, folder_id, parent_id, name, special_use, selectable, created_at, uidvalidity, uidnext, modseq,
  last_modseq, prior_modseq, recent_from, n_exists, n_unseen, n_deleted, n_bytes)
VALUES (:mailbox, :folder, :parent, :name, :special_use, :selectable, :at, :uidvalidity, :uidnext, :modseq, :modseq, 0, :recent_from,
  0, 0, 0, 0)
-- name: update_folder
UPDATE folder SET parent_id = :parent, name = :name, special_use = :special_use, selectable = :selectable,
  uidvalidity = :uidvalidity, recent_from = :recent_from WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_folder
DELETE FROM folder WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_keywords
DELETE FROM keyword WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_annotations
DELETE FROM annotation WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_access_keys
DELETE FROM access_key WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_acl
DELETE FROM acl WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_all_seen
DELETE FROM seen WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_readers
DELETE FROM reader WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: delete_tombstones
DELETE FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: count
UPDATE folder SET uidnext = uidnext + :uids, prior_modseq = modseq, modseq = last_modseq + 1, last_modseq = last_modseq + 1,
  n_exists = n_exists + :exists, n_unseen = n_unseen + :unseen, n_deleted = n_deleted + :deleted, n_bytes = n_bytes + :octets WHERE mailbox_id = :mailbox AND folder_id = :folder
RETURNING mailbox_id, folder_id, parent_id, name, special_use, selectable, uidvalidity, uidnext, modseq, recent_from,
  n_exists, n_unseen, n_deleted, n_bytes, tombstone_floor, last_modseq, prior_modseq

-- name: take_modseq
UPDATE folder SET last_modseq = last_modseq + 1 WHERE mailbox_id = :mailbox AND folder_id = :folder RETURNING last_modseq

-- name: grants
SELECT trustee_id, rights, is_denied, own_only FROM acl
WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY trustee_id, is_denied
-- name: all_grants
SELECT folder_id, trustee_id, rights, is_denied, own_only FROM acl WHERE mailbox_id = :mailbox
-- name: granted_to
SELECT DISTINCT mailbox_id FROM acl WHERE trustee_id = :trustee AND is_denied = 0
-- name: put_grant
INSERT INTO acl(mailbox_id, folder_id, trustee_id, is_denied, rights, own_only)
VALUES (:mailbox, :folder, :trustee, :is_denied, :rights, :own_only)
ON CONFLICT(mailbox_id, folder_id, trustee_id, is_denied) DO UPDATE SET rights = excluded.rights, own_only = excluded.own_only
-- name: delete_grant
DELETE FROM acl WHERE mailbox_id = :mailbox AND folder_id = :folder AND trustee_id = :trustee AND is_denied = :is_denied

-- name: annotations
SELECT name, value FROM annotation
WHERE mailbox_id = :mailbox AND user_id = :user AND folder_id = :folder AND name >= :first AND name < :until ORDER BY name
-- name: annotation_sizes
SELECT name, length(value) FROM annotation WHERE mailbox_id = :mailbox AND user_id = :user AND folder_id = :folder
-- name: annotation_usage
SELECT COUNT(name), COALESCE(SUM(length(name) + length(value)), 0) FROM annotation
WHERE mailbox_id = :mailbox AND user_id = :user
-- name: put_annotation
INSERT INTO annotation(mailbox_id, user_id, folder_id, name, value) VALUES (:mailbox, :user, :folder, :entry, :value)
ON CONFLICT(mailbox_id, user_id, folder_id, name) DO UPDATE SET value = excluded.value
-- name: delete_annotation
DELETE FROM annotation WHERE mailbox_id = :mailbox AND user_id = :user AND folder_id = :folder AND name = :entry
-- name: copy_annotations
INSERT INTO annotation(mailbox_id, user_id, folder_id, name, value)
SELECT mailbox_id, user_id, :target, name, value FROM annotation WHERE mailbox_id = :mailbox AND folder_id = :folder

-- name: access_key
SELECT secret FROM access_key WHERE mailbox_id = :mailbox AND folder_id = :folder AND user_id = :user
-- name: put_access_key
INSERT INTO access_key(mailbox_id, folder_id, user_id, secret) VALUES (:mailbox, :folder, :user, :secret)
ON CONFLICT(mailbox_id, folder_id, user_id) DO UPDATE SET secret = excluded.secret
-- name: drop_access_keys
DELETE FROM access_key WHERE user_id = :user

-- name: seen
SELECT uid_low, uid_high, is_seen, modseq FROM seen
WHERE mailbox_id = :mailbox AND folder_id = :folder AND user_id = :user AND uid_low BETWEEN COALESCE((
    SELECT MAX(uid_low) FROM seen WHERE mailbox_id = :mailbox AND folder_id = :folder AND user_id = :user AND uid_low <= :low
  ), :low) AND :high ORDER BY uid_low
-- name: delete_seen
DELETE FROM seen WHERE mailbox_id = :mailbox AND folder_id = :folder AND user_id = :user AND uid_low = :low
-- name: insert_seen
INSERT INTO seen(mailbox_id, folder_id, user_id, uid_low, uid_high, is_seen, modseq)
VALUES (:mailbox, :folder, :user, :low, :high, :is_seen, :modseq)
-- name: reader
SELECT modseq FROM reader WHERE mailbox_id = :mailbox AND folder_id = :folder AND user_id = :user
-- name: put_reader
INSERT INTO reader(mailbox_id, folder_id, user_id, modseq) VALUES (:mailbox, :folder, :user, :modseq)
ON CONFLICT(mailbox_id, folder_id, user_id) DO UPDATE SET modseq = excluded.modseq
-- name: count_seen
SELECT COUNT(e.uid) FROM seen s JOIN entry e ON e.mailbox_id = s.mailbox_id AND e.folder_id = s.folder_id
  AND e.uid BETWEEN s.uid_low AND s.uid_high
WHERE s.mailbox_id = :mailbox AND s.folder_id = :folder AND s.user_id = :user AND s.is_seen = 1

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
  m.parts, m.utf8, m.hash, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END, m.email_id
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: summarized_items
SELECT e.uid, e.message_id, m.size, m.internal_at, m.internal_zone, e.saved_at, m.sent_at, m.prefix, m.envelope, m.structure,
  m.parts, m.utf8, m.hash, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END,
  m.email_id, m.summary
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: sizes
SELECT e.uid, m.size, m.internal_at, m.internal_zone
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: deleted_octets
SELECT COALESCE(SUM(m.size), 0)
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND (e.flags & :deleted) <> 0
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
SELECT e.uid, e.message_id, CASE WHEN m.thread_id = 0 THEN m.message_id ELSE m.thread_id END, m.email_id
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid
-- name: saved_dates
SELECT uid, saved_at FROM entry
WHERE mailbox_id = :mailbox AND folder_id = :folder AND uid BETWEEN :low AND :high ORDER BY uid
-- name: stored_entries
SELECT e.uid, e.message_id, e.flags, e.keywords, m.size, e.author
FROM entry e JOIN message m ON m.mailbox_id = e.mailbox_id AND m.message_id = e.message_id
WHERE e.mailbox_id = :mailbox AND e.folder_id = :folder AND e.uid BETWEEN :low AND :high ORDER BY e.uid LIMIT :limit
-- name: insert_entry
INSERT INTO entry(mailbox_id, folder_id, uid, message_id, modseq, flags, keywords, saved_at, author)
VALUES (:mailbox, :folder, :uid, :message, :modseq, :flags, :keywords, :saved_at, :author)
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
-- name: crowded_readers
SELECT mailbox_id, folder_id, user_id FROM seen GROUP BY mailbox_id, folder_id, user_id HAVING COUNT(uid_low) > :keep
-- name: count_tombstones
SELECT COUNT(modseq) FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder
-- name: tombstone_after
SELECT modseq FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder ORDER BY modseq, uid_low LIMIT 1 OFFSET :rows
-- name: forget_tombstones
DELETE FROM expunged WHERE mailbox_id = :mailbox AND folder_id = :folder AND modseq <= :floor
-- name: raise_floor
UPDATE folder SET tombstone_floor = :floor WHERE mailbox_id = :mailbox AND folder_id = :folder

-- name: insert_message
INSERT INTO message(mailbox_id, message_id, scope, hash, n_entries, size, internal_at, internal_zone, sent_at, prefix, envelope,
  structure, parts, summary, utf8, thread_id, email_id)
VALUES (:mailbox, :message, 0, :hash, :n_entries, :size, :internal_at, :internal_zone, :sent_at, :prefix, :envelope,
  :structure, :parts, :summary, :utf8, :thread, :email_id)
-- name: copy_message
INSERT INTO message(mailbox_id, message_id, scope, hash, n_entries, size, internal_at, internal_zone, sent_at, prefix, envelope,
  structure, parts, summary, utf8, thread_id, email_id)
SELECT :to, :new, scope, hash, 1, size, internal_at, internal_zone, sent_at, prefix, envelope, structure, parts, summary, utf8,
  :thread, COALESCE(email_id, :email_id)
FROM message WHERE mailbox_id = :mailbox AND message_id = :message
-- name: message_summary
SELECT summary FROM message WHERE mailbox_id = :mailbox AND message_id = :message
-- name: add_reference
UPDATE message SET n_entries = n_entries + 1 WHERE mailbox_id = :mailbox AND message_id = :message
-- name: drop_reference
UPDATE message SET n_entries = n_entries - 1 WHERE mailbox_id = :mailbox AND message_id = :message
-- name: delete_unreferenced
DELETE FROM message WHERE mailbox_id = :mailbox AND message_id = :message AND n_entries <= 0

-- name: blob
SELECT hash, size, stored_size, encoding, data, pack_id, pack_offset FROM blob WHERE scope = 0 AND hash = :hash
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
SELECT pack_id FROM pack WHERE live_bytes = 0
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
