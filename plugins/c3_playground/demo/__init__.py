"""`c3 demo`: the method at work on the playground."""
