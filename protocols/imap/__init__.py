"""IMAP4rev2 and IMAP4rev1: octets to commands (fragments, grammar), commands to work and replies (session, do_*)."""
