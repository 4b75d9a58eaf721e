"""A module before it runs: its format, its rules, its price, and the form that meters itself."""
