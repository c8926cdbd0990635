"""Tables, postings, indexes and the queries over them."""
