"""Reports of the engine's work: logs, metrics, Sentry."""
