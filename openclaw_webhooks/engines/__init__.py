"""Whatever stores flows and tasks. ``base`` is the contract; nothing above this package names an implementation."""
