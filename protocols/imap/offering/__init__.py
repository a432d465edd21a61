"""Which capabilities a client is offered, by what is known of it."""
