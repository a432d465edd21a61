"""Messages into octets, on whatever thread: FETCH, the URLs that name parts, and what a client has missed."""
