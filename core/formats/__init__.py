"""The formats that the store keeps and indexes, one parser each."""
