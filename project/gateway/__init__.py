"""A real Gateway beside or around this server: ``make gateway-demo`` and ``make gateway-check``."""
