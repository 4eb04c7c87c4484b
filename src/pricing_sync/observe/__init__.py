"""What is told of the engine's doings, and to whom: logs, metrics, Sentry."""
