"""How costs grow: one file for each axis, whose `rows` measures all its sizes."""
