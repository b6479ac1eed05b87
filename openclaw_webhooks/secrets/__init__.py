"""SecretRefs: where a route's shared secret comes from, and its value at the moment of a request.

Knows neither Django nor HTTP. No value that passes through here is ever logged, kept in an error or shown by ``repr``.
"""
