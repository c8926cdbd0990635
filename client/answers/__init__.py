"""What comes back: frozen values over Arrow tables, as text and as HTML."""
