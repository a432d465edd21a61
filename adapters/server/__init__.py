"""The composition root: what only a running server needs, and the one place that knows every adapter."""
