import pytest

from saelake.store.errors import ModelError
from saelake.workers.encoder.health import FIRST_DOCUMENTS, Health


def health(dtype: str = "float32") -> Health:
    return Health(model="gpt2", dtype=dtype)


def test_it_gives_up_when_all_of_the_first_documents_failed() -> None:
    counted = health()
    counted.add(n_encoded=0, failed=["not finite"] * (FIRST_DOCUMENTS - 1))
    with pytest.raises(ModelError, match="None of the first 16 documents can be encoded: why") as e:
        counted.add(n_encoded=0, failed=["why"])
    assert e.value.data == {"model": "gpt2", "dtype": "float32"}


@pytest.mark.parametrize(("dtype", "remedy"), [("float16", "--dtype"), ("bfloat16", "weights")])
def test_the_remedy_is_of_the_dtype(dtype: str, remedy: str) -> None:
    with pytest.raises(ModelError, match=f"gpt2 runs in {dtype}: .*{remedy}"):
        health(dtype).add(n_encoded=0, failed=["why"] * 20)


def test_one_document_that_was_encoded_proves_the_model() -> None:
    counted = health()
    counted.add(n_encoded=1, failed=["why"] * 5)
    counted.add(n_encoded=0, failed=["why"] * 1000)
    assert counted.is_proven


def test_documents_without_tokens_prove_nothing() -> None:
    counted = health()
    counted.add(n_encoded=0, failed=[])
    assert not counted.is_proven
