-- Keys for SCRAM-SHA-1, with the same salt and iterations.  NULL: the password has not been seen since there are any.
ALTER TABLE credential ADD COLUMN scram_sha1_stored_key {B};
ALTER TABLE credential ADD COLUMN scram_sha1_server_key {B};
