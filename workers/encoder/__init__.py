"""From text to codes on one device; needs torch, transformers, numpy and pyarrow alone."""
