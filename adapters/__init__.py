"""Everything that touches the world: databases, files, sockets, clocks, the command line."""
