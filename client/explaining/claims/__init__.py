"""What a language model claims of texts: judged blind, tested, and reported."""
