"""A profile that speaks to nobody but the servers of a test, and asks its user nothing."""

import json
from pathlib import Path

PREFERENCES: dict[str, str | int | bool] = {
    "marionette.port": 0,  # any free one; Thunderbird writes it into PORT_FILE
    # What is not on this machine goes to a proxy that does not exist, whatever Thunderbird thinks of next; the switches
    # below only save it the trouble.
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.no_proxies_on": "127.0.0.1",
    "app.donation.eoy.version.viewed": 999,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    # Pages and questions at the first start, and what disturbs whoever runs the tests.
    "app.use_without_mail_account": True,
    "mail.biff.play_sound": False,
    "mail.biff.show_alert": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
}
PORT_FILE = "MarionetteActivePort"


def write(directory: Path) -> None:
    """Makes the profile."""
    directory.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    (directory / "user.js").write_text("".join(lines))
