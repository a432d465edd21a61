"""IMAP4rev2 and IMAP4rev1: octets to commands (fragments, grammar), these to work and replies (session, handlers)."""
