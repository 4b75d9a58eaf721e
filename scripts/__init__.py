"""Scripts for the environment, lock files, example contracts and generated documents, and checks of the tree."""
