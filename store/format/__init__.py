"""The bottom floor: schemas, values and lists; needs numpy and pyarrow alone."""
