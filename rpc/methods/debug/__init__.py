"""debug_*."""
