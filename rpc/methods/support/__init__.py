"""What methods of several namespaces have in common."""
