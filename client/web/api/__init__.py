"""Every question as JSON over HTTP."""
