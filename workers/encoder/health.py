"""Whether a model's values can be used at all: one that yields only NaN stops an encode."""

from dataclasses import dataclass

from saelake.store.errors import ModelError

# Documents of which not one has finite values, before all that follow are given up.
FIRST_DOCUMENTS = 16


@dataclass(slots=True, kw_only=True)
class Health:
    """Counts documents until one is encoded.

    A single document may be out of a model's range; a run of which the first ones all are would
    record each of a million documents as failed.

    Attributes:
        model: the name of the model.
        dtype: what it computes in, as `--dtype` calls it.
    """

    model: str
    dtype: str
    n_failed: int = 0
    is_proven: bool = False

    def add(self, *, n_encoded: int, failed: list[str]) -> None:
        """Count the documents of a page, and why some of them failed.

        Raises:
            ModelError: the first `FIRST_DOCUMENTS` documents failed, and none was encoded.
        """
        self.n_failed += len(failed)
        self.is_proven = self.is_proven or n_encoded > 0
        if self.is_proven or self.n_failed < FIRST_DOCUMENTS:
            return
        raise ModelError(
            f"None of the first {self.n_failed} documents can be encoded: {failed[-1]}. "
            f"{self.model} runs in {self.dtype}: {self._remedy()}",
            model=self.model,
            dtype=self.dtype,
        )

    def _remedy(self) -> str:
        if self.dtype == "float16":
            return "its numbers may be too large for that; use --dtype bfloat16 or --dtype float32."
        return "check its weights and the dictionary's, and that they belong together."
