"""What making a lake is asked, what of, and in which stages."""
