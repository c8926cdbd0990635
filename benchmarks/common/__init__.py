"""What several questions share: codes like real ones, reports, and what a run took."""
