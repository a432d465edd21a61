"""The bytes of messages: how they are framed, spooled on their way in, and kept in pack files."""
