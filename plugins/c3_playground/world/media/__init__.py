"""Render scenes as pictures, clips and sounds, and write those as files."""
