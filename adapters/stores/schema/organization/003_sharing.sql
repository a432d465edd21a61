-- Groups and who is in them: recipients and groups, whose numbers are from one sequence, so that a trustee is a number.
CREATE TABLE security_group(
  group_id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, folded_name TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL) {WR};
CREATE TABLE group_member(
  group_id BIGINT NOT NULL, member_id BIGINT NOT NULL, PRIMARY KEY(group_id, member_id)) {WR};
CREATE INDEX group_member_member ON group_member(member_id, group_id);

-- Who acts in a mailbox as its owner would.
CREATE TABLE full_access(
  recipient_id BIGINT NOT NULL, trustee_id BIGINT NOT NULL, PRIMARY KEY(recipient_id, trustee_id)) {WR};
CREATE INDEX full_access_trustee ON full_access(trustee_id, recipient_id);

-- Whether somebody may sign in as any other recipient.
ALTER TABLE recipient ADD COLUMN may_impersonate BIGINT NOT NULL DEFAULT 0;

-- The mailbox of the folders that all share; one row at most.
CREATE TABLE public_folders(
  only_one BIGINT NOT NULL PRIMARY KEY, mailbox_id BIGINT NOT NULL, database_id BIGINT NOT NULL) {WR};
