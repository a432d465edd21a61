"""Everything the server says, as octets: responses, refusals, and the languages of what is for people."""
