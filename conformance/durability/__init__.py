"""What was acknowledged survives: shown by what a server writes, by faults, kills and images of crashes."""
