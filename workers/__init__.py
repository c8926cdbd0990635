"""From a corpus to codes: tokenise, run the model, encode, pack."""
