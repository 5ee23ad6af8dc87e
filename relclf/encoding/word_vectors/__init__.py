"""Word vectors: where they are read from, and which vector a word gets."""
