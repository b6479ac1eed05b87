"""Settings and ``openclaw.json`` made into frozen values, or a list of problems. The one place that reads either."""
