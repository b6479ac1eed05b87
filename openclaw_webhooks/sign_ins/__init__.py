"""Sign-ins to the admin: their limits, the addresses they come from, what was refused, and one password at a time."""
