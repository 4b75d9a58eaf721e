"""The audit on contracts whose weaknesses are known."""
