"""What the conformance suites share: servers of our own and of others, clients, and the corpus."""
