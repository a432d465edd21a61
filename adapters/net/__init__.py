"""Listeners: octets between sockets and the protocols' sessions."""
