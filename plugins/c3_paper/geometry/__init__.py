"""`c3 geometry`: measure paired embeddings of stores and of files."""
