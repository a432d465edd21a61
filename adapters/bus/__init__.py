"""How the workers of one server speak with each other: frames on Unix sockets, one ordered stream for each pair."""
