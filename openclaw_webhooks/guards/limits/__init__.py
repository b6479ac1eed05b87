"""The stores behind the two request limits: one interface (``base``), one module per scope over which it is exact."""
