"""Named SQL statements, read once from the files beside this one."""

import re
from importlib.resources import files


def load(name: str) -> dict[str, str]:
    """The statements of NAME.sql by their names; a statement runs from its `-- name:` line to the next."""
    text = files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
    pieces = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {key: body.strip() for key, body in zip(pieces[1::2], pieces[2::2], strict=True)}
