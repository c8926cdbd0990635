"""What makes a question quick: postings, segments, impacts, bitmaps, statistics, vectors."""
