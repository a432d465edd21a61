-- Whose database it is: the one row is written when an organization first opens it.
CREATE TABLE organization(guid {B} NOT NULL PRIMARY KEY) {WR};
