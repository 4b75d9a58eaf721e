"""What a running module may ask of its host."""
