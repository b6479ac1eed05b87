"""The record of calls: what reached a route, what became of it, and for how long that is kept."""
