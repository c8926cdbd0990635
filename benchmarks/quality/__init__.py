"""How good answers are: retrieval, clusters and classifiers against labels that people gave."""
