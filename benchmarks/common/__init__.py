"""What several questions share: subjects' codes, reports, and what a run took."""
