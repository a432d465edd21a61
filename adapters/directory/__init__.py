"""The directory: which recipient has an address, and who may sign in."""
