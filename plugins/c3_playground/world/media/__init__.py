"""Scenes as pictures, clips and sounds, and those as files."""
