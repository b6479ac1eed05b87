"""What a request must pass before the engine sees it; one small policy each.

A policy judges and says so by a value; which comes first and what is answered is ``pipeline``'s business alone.
"""
