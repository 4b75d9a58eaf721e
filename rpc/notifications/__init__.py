"""Notifications: events, encoded once, for polling filters and for subscriptions."""
