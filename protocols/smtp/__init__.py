"""SMTP and LMTP without I/O: grammar, replies, and the state of a conversation."""
