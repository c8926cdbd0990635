"""Documents: import, numbering, filters, and which are deleted."""
