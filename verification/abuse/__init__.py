"""What a client could send to make the node slow, large or silent."""
