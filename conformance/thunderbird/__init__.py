"""Debian's Thunderbird without a screen, driven by Marionette: what a user does, and what the user is shown."""
