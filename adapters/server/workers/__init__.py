"""Several processes as one server: a supervisor that takes connections in, and workers that it gives them to."""
