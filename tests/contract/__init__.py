"""One suite over every engine: what a route may rely on, whatever stores its flows."""
