"""Code that methods of several namespaces share."""
