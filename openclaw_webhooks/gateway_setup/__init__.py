"""Puts this package's plugin into a Gateway, and finds out what keeps the two from talking."""
