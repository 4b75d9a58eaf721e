"""What clients make the node hold in memory, and how it is given back."""
