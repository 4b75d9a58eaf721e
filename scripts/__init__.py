"""What makes the environment, lock files, example contracts and generated documents, and what checks the tree."""
