"""The settings: one TOML file into frozen values, with every mistake in it reported at once, each with its line.

What is not here is in the organization database, and changed by commands: domains, recipients, quotas.
"""

from .example import (
    EXAMPLE,
    example,
)
from .kinds import (
    Alias,
    Application,
    Capability,
    Criteria,
    Duration,
    Endpoint,
    FilterName,
    HostName,
    Network,
    Size,
    Uri,
)
from .reading import (
    Problem,
    SettingsError,
    load,
    parse,
)
from .settings import (
    SECTIONS,
    Auth,
    ClientRule,
    Connections,
    Imap,
    Lmtp,
    Log,
    Metrics,
    OAuth,
    Server,
    Settings,
    SharedFilter,
    Smtp,
    Tls,
    UrlApplication,
    renewed,
)

__all__ = [
    "EXAMPLE",
    "SECTIONS",
    "Alias",
    "Application",
    "Auth",
    "Capability",
    "ClientRule",
    "Connections",
    "Criteria",
    "Duration",
    "Endpoint",
    "FilterName",
    "HostName",
    "Imap",
    "Lmtp",
    "Log",
    "Metrics",
    "Network",
    "OAuth",
    "Problem",
    "Server",
    "Settings",
    "SettingsError",
    "SharedFilter",
    "Size",
    "Smtp",
    "Tls",
    "Uri",
    "UrlApplication",
    "example",
    "load",
    "parse",
    "renewed",
]
