"""The official fixtures, a recorded chain and recorded answers."""
