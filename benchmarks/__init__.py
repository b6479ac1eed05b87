"""Instruments that measure this app beside the real Gateway and over growing data: ``python -m benchmarks --help``.

They run real servers in processes of their own, and share with the tests what starts those. No test asserts a time
that is measured here.
"""
