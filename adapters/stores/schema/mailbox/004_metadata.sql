-- Annotations (RFC 5464).  folder_id 0: of the server, as the mailbox's owner sees it.  user_id 0: shared; other numbers are
-- of the recipients whose private ones they are.  Names are ASCII in lower case, and compared as octets.
CREATE TABLE annotation(
  mailbox_id BIGINT NOT NULL, user_id BIGINT NOT NULL, folder_id BIGINT NOT NULL, name {B} NOT NULL, value {B} NOT NULL,
  PRIMARY KEY(mailbox_id, user_id, folder_id, name));
CREATE INDEX annotation_folder ON annotation(mailbox_id, folder_id);
