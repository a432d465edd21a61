"""Sans-I/O protocols: grammars turn bytes into values, sessions turn values into work and replies."""
