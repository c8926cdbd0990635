"""What makes questions quick: postings, segments, impacts, levels, bitmaps, statistics, vectors."""
