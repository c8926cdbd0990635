"""Language model servers: what is asked of them."""
