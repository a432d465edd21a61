-- The organization's statements; parameters are named, columns listed.

-- name: take_number
UPDATE sequence SET next = next + 1 WHERE kind = :kind RETURNING next - 1

-- name: databases
SELECT database_id, name, mounted, warn_bytes, prohibit_send_bytes, prohibit_all_bytes, created_at
FROM mailbox_database ORDER BY database_id
-- name: insert_database
INSERT INTO mailbox_database(database_id, name, folded_name, mounted, created_at,
  warn_bytes, prohibit_send_bytes, prohibit_all_bytes)
VALUES (:database, :name, :folded, 1, :at, :warn, :prohibit_send, :prohibit_all)
-- name: set_mounted
UPDATE mailbox_database SET mounted = :mounted WHERE database_id = :database
-- name: set_database_quota
UPDATE mailbox_database SET warn_bytes = :warn, prohibit_send_bytes = :prohibit_send, prohibit_all_bytes = :prohibit_all
WHERE database_id = :database

-- name: domains
SELECT domain, is_default FROM accepted_domain ORDER BY domain
-- name: insert_domain
INSERT INTO accepted_domain(domain, is_default) VALUES (:domain, 0) ON CONFLICT(domain) DO NOTHING
-- name: set_default_domain
UPDATE accepted_domain SET is_default = CASE WHEN domain = :domain THEN 1 ELSE 0 END
-- name: domain_in_use
SELECT 1 FROM proxy_address WHERE domain = :domain LIMIT 1
-- name: delete_domain
DELETE FROM accepted_domain WHERE domain = :domain

-- name: by_id
SELECT r.recipient_id, r.alias, r.display_name, r.enabled, r.database_id, r.mailbox_id, r.use_database_quota,
  r.warn_bytes, r.prohibit_send_bytes, r.prohibit_all_bytes, r.created_at, r.may_impersonate, p.spelling
FROM recipient r JOIN proxy_address p ON p.recipient_id = r.recipient_id
WHERE r.recipient_id = :recipient ORDER BY p.position
-- name: by_alias
SELECT r.recipient_id, r.alias, r.display_name, r.enabled, r.database_id, r.mailbox_id, r.use_database_quota,
  r.warn_bytes, r.prohibit_send_bytes, r.prohibit_all_bytes, r.created_at, r.may_impersonate, p.spelling
FROM recipient r JOIN proxy_address p ON p.recipient_id = r.recipient_id
WHERE r.folded_alias = :folded ORDER BY p.position
-- name: by_mailbox
SELECT r.recipient_id, r.alias, r.display_name, r.enabled, r.database_id, r.mailbox_id, r.use_database_quota,
  r.warn_bytes, r.prohibit_send_bytes, r.prohibit_all_bytes, r.created_at, r.may_impersonate, p.spelling
FROM recipient r JOIN proxy_address p ON p.recipient_id = r.recipient_id
WHERE r.mailbox_id = :mailbox ORDER BY p.position
-- name: by_address
SELECT r.recipient_id, r.alias, r.display_name, r.enabled, r.database_id, r.mailbox_id, r.use_database_quota,
  r.warn_bytes, r.prohibit_send_bytes, r.prohibit_all_bytes, r.created_at, r.may_impersonate, p.spelling
FROM proxy_address a JOIN recipient r ON r.recipient_id = a.recipient_id
  JOIN proxy_address p ON p.recipient_id = r.recipient_id
WHERE a.address = :folded ORDER BY p.position
-- name: page
SELECT r.recipient_id, r.alias, r.display_name, r.enabled, r.database_id, r.mailbox_id, r.use_database_quota,
  r.warn_bytes, r.prohibit_send_bytes, r.prohibit_all_bytes, r.created_at, r.may_impersonate, p.spelling
FROM (SELECT recipient_id, folded_alias FROM recipient WHERE folded_alias > :after ORDER BY folded_alias LIMIT :limit) f
  JOIN recipient r ON r.recipient_id = f.recipient_id JOIN proxy_address p ON p.recipient_id = r.recipient_id
ORDER BY f.folded_alias, p.position
-- name: alias_owner
SELECT recipient_id FROM recipient WHERE folded_alias = :folded
-- name: address_owner
SELECT recipient_id FROM proxy_address WHERE address = :folded
-- name: insert_recipient
INSERT INTO recipient(recipient_id, alias, folded_alias, display_name, enabled, created_at, database_id, mailbox_id,
  use_database_quota, warn_bytes, prohibit_send_bytes, prohibit_all_bytes)
VALUES (:recipient, :alias, :folded, :display_name, :enabled, :at, :database, :mailbox,
  :use_database_quota, :warn, :prohibit_send, :prohibit_all)
-- name: update_recipient
UPDATE recipient SET alias = :alias, folded_alias = :folded, display_name = :display_name, enabled = :enabled,
  database_id = :database, mailbox_id = :mailbox, use_database_quota = :use_database_quota,
  warn_bytes = :warn, prohibit_send_bytes = :prohibit_send, prohibit_all_bytes = :prohibit_all,
  may_impersonate = :may_impersonate
WHERE recipient_id = :recipient
-- name: delete_recipient
DELETE FROM recipient WHERE recipient_id = :recipient
-- name: insert_address
INSERT INTO proxy_address(address, domain, spelling, recipient_id, position)
VALUES (:folded, :domain, :spelling, :recipient, :position)
-- name: delete_addresses
DELETE FROM proxy_address WHERE recipient_id = :recipient

-- name: credential
SELECT version, password_hash, scram_salt, scram_iterations, scram_stored_key, scram_server_key,
  scram_sha1_stored_key, scram_sha1_server_key
FROM credential WHERE recipient_id = :recipient
-- name: put_credential
INSERT INTO credential(recipient_id, version, changed_at, password_hash,
  scram_salt, scram_iterations, scram_stored_key, scram_server_key, scram_sha1_stored_key, scram_sha1_server_key)
VALUES (:recipient, 1, :at, :password_hash, :salt, :iterations, :stored_key, :server_key, :sha1_stored_key, :sha1_server_key)
ON CONFLICT(recipient_id) DO UPDATE SET version = credential.version + 1, changed_at = excluded.changed_at,
  password_hash = excluded.password_hash, scram_salt = excluded.scram_salt,
  scram_iterations = excluded.scram_iterations, scram_stored_key = excluded.scram_stored_key,
  scram_server_key = excluded.scram_server_key, scram_sha1_stored_key = excluded.scram_sha1_stored_key,
  scram_sha1_server_key = excluded.scram_sha1_server_key
-- name: renew_credential
UPDATE credential SET password_hash = :password_hash, scram_salt = :salt, scram_iterations = :iterations,
  scram_stored_key = :stored_key, scram_server_key = :server_key,
  scram_sha1_stored_key = :sha1_stored_key, scram_sha1_server_key = :sha1_server_key
WHERE recipient_id = :recipient AND version = :version
-- name: delete_credential
DELETE FROM credential WHERE recipient_id = :recipient

-- name: secret
SELECT value FROM secret WHERE name = :name
-- name: insert_secret
INSERT INTO secret(name, value) VALUES (:name, :value) ON CONFLICT(name) DO NOTHING

-- name: groups
SELECT group_id, name, created_at FROM security_group WHERE folded_name > :after ORDER BY folded_name LIMIT :limit
-- name: group_by_id
SELECT group_id, name, created_at FROM security_group WHERE group_id = :group
-- name: group_named
SELECT group_id, name, created_at FROM security_group WHERE folded_name = :folded
-- name: insert_group
INSERT INTO security_group(group_id, name, folded_name, created_at) VALUES (:group, :name, :folded, :at)
-- name: delete_group
DELETE FROM security_group WHERE group_id = :group
-- name: members
SELECT member_id FROM group_member WHERE group_id = :group ORDER BY member_id
-- name: count_members
SELECT count(*) FROM group_member WHERE group_id = :group
-- name: insert_member
INSERT INTO group_member(group_id, member_id) VALUES (:group, :member) ON CONFLICT(group_id, member_id) DO NOTHING
-- name: delete_member
DELETE FROM group_member WHERE group_id = :group AND member_id = :member RETURNING member_id
-- name: delete_memberships
DELETE FROM group_member WHERE group_id = :trustee OR member_id = :trustee
-- name: groups_of
WITH RECURSIVE above(group_id) AS (
  SELECT group_id FROM group_member WHERE member_id = :member
  UNION SELECT m.group_id FROM above a JOIN group_member m ON m.member_id = a.group_id)
SELECT group_id FROM above
-- name: most_groups
WITH RECURSIVE below(id) AS (
  SELECT CAST(:member AS BIGINT)
  UNION SELECT m.member_id FROM below b JOIN group_member m ON m.group_id = b.id),
above(id, group_id) AS (
  SELECT b.id, m.group_id FROM below b JOIN group_member m ON m.member_id = b.id
  UNION SELECT a.id, m.group_id FROM above a JOIN group_member m ON m.member_id = a.group_id)
SELECT count(*) FROM above GROUP BY id ORDER BY 1 DESC LIMIT 1
-- name: mailboxes_of
WITH RECURSIVE below(id) AS (
  SELECT CAST(:trustee AS BIGINT)
  UNION SELECT m.member_id FROM below b JOIN group_member m ON m.group_id = b.id)
SELECT r.mailbox_id FROM below b JOIN recipient r ON r.recipient_id = b.id

-- name: accesses
SELECT trustee_id FROM full_access WHERE recipient_id = :recipient ORDER BY trustee_id
-- name: insert_access
INSERT INTO full_access(recipient_id, trustee_id) VALUES (:recipient, :trustee)
ON CONFLICT(recipient_id, trustee_id) DO NOTHING
-- name: delete_access
DELETE FROM full_access WHERE recipient_id = :recipient AND trustee_id = :trustee RETURNING trustee_id
-- name: delete_accesses
DELETE FROM full_access WHERE recipient_id = :trustee OR trustee_id = :trustee
-- name: accessible
WITH RECURSIVE above(id) AS (
  SELECT CAST(:user AS BIGINT)
  UNION SELECT m.group_id FROM above a JOIN group_member m ON m.member_id = a.id)
SELECT DISTINCT f.recipient_id FROM above a JOIN full_access f ON f.trustee_id = a.id

-- name: public_folders
SELECT mailbox_id, database_id FROM public_folders
-- name: insert_public_folders
INSERT INTO public_folders(only_one, mailbox_id, database_id) VALUES (1, :mailbox, :database)
