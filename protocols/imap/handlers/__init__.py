"""What carries the commands out: a generator for each, which asks for work and says what comes of it."""
