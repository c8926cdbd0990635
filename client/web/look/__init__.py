"""How answers look on a page: templates, shades, numbers and charts."""
