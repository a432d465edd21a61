"""A settings file that says what can be set."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import Meta

from .settings import SECTIONS, written


def example(**given: object) -> str:
    """A commented settings file; `given` are settings to write out, as `server_hostname="mail.example.com"`."""
    text = ["# Settings of Penfold.  What is commented out is the default.  Sizes: KB, MB, GB; durations: s, m, h, d."]
    for section, kind in SECTIONS.items():
        text += ["", f"# {kind.__doc__}", f"[{section}]"]
        for field in msgspec.structs.fields(kind):
            text += _example_lines(field, given.get(f"{section}_{field.name}"))
    return "\n".join(text) + "\n"


def _example_lines(field: Any, given: object) -> Iterator[str]:
    parts = get_args(field.type) if get_origin(field.type) is Annotated else ()
    if about := " ".join(part.description for part in parts if isinstance(part, Meta) and part.description):
        yield f"# {about}"
    value = field.default if given is None else given
    is_active = given is not None
    yield f"{'' if is_active else '#'}{field.name} = {written(value)}"


EXAMPLE: Final = example()
