"""Documents: import, numbering, filters, and which are deleted."""

from saelake.store.documents.documents import import_documents

__all__ = ["import_documents"]
