"""Studies that settled a decision, frozen; each is named after its text in docs/decisions."""
