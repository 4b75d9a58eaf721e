"""Memory that the node holds for clients, and its release."""
