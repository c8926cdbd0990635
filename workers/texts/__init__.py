"""Models that read the text of a question or a document's dense embedding."""
