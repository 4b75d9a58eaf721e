"""What listeners are told: events, encoded once; filters that are polled and subscriptions that are pushed to."""
