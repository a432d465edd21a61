"""One message's whole way over real sockets."""
