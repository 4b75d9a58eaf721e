"""JSON to the chain's values and back."""
