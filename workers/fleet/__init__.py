"""Who encodes what: the schedule, the driver, workers and their pools."""
