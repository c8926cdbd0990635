"""saelake: which tokens fire feature X, over a whole corpus, in milliseconds."""
