"""What the names of folders mean: whose they are, how they are written, and which a pattern or filter means."""
