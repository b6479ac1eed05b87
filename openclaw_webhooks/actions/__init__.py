"""The thirteen actions: what a caller may ask for, checked and as typed values."""
