"""The canonical chain: its records on disk, how it moves, its snapshots, its checks, and the search for logs."""
