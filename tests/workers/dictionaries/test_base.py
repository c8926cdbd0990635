from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from saelake.store.errors import DictionaryMismatch, ValueOverflow
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.inputs import FixedNorm, Subtract
from saelake.workers.dictionaries.nonlinearities import Nonlinearity, ReLU, TopK

D_IN, D_SAE = 6, 40
Randn = Callable[..., Tensor]


def make(randn: Randn, nonlinearity: Nonlinearity | None = None) -> LoadedDictionary:
    return LoadedDictionary(
        architecture="topk",
        format="test",
        encoder=LinearEncoder(
            inputs=(Subtract(offset=randn(D_IN)),),
            W_enc=randn(D_IN, D_SAE),
            b_enc=randn(D_SAE),
            nonlinearity=nonlinearity or TopK(k=4),
        ),
        W_dec=randn(D_SAE, D_IN),
        hook_name="blocks.3.hook_resid_post",
    )


def test_it_knows_its_sizes(randn: Randn) -> None:
    dictionary = make(randn)
    assert (dictionary.d_in, dictionary.d_sae, dictionary.signed) == (D_IN, D_SAE, False)
    assert (dictionary.device.type, dictionary.dtype) == ("cpu", torch.float32)


@settings(deadline=None)  # the first call pays for torch's start
@given(n_tokens=st.integers(0, 30), chunk_bytes=st.integers(1, 2000))
def test_chunks_do_not_change_the_codes(n_tokens: int, chunk_bytes: int) -> None:
    draw = torch.Generator().manual_seed(n_tokens)
    dictionary = make(lambda *shape: torch.randn(*shape, generator=draw))
    x = torch.randn(n_tokens, D_IN, generator=draw)
    whole, chunked = dictionary.encode(x), dictionary.encode(x, chunk_bytes=chunk_bytes)
    assert whole.n_tokens == chunked.n_tokens == n_tokens
    assert torch.equal(whole.token, chunked.token)
    assert torch.equal(whole.feature, chunked.feature)
    torch.testing.assert_close(whole.value, chunked.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_activations_of_any_float_type_are_encoded_in_the_dictionary_s(
    randn: Randn, dtype: torch.dtype
) -> None:
    dictionary, x = make(randn), randn(5, D_IN).to(dtype)
    torch.testing.assert_close(dictionary.encode_dense(x), dictionary.encode_dense(x.float()))
    assert torch.equal(dictionary.encode(x).value, dictionary.encode(x.float()).value)


def test_activations_that_carry_gradients_are_encoded(randn: Randn) -> None:
    dictionary, x = make(randn), randn(5, D_IN)
    codes = dictionary.encode(x.clone().requires_grad_())
    assert torch.equal(codes.value, dictionary.encode(x).value)
    assert not codes.value.requires_grad


@pytest.mark.parametrize("shape", [(3, D_IN + 1), (D_IN,), (1, 3, D_IN)])
def test_activations_of_another_shape_are_refused(randn: Randn, shape: tuple[int, ...]) -> None:
    with pytest.raises(DictionaryMismatch, match=r"encodes \(n_tokens, 6\).*hook_resid_post"):
        make(randn).encode(torch.zeros(shape))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("method", ["encode", "encode_dense"])
def test_an_activation_that_is_not_finite_is_refused(randn: Randn, bad: float, method: str) -> None:
    x = randn(9, D_IN)
    x[4, 1] = x[7, 0] = bad
    with pytest.raises(ValueOverflow, match="activation of token 4") as caught:
        getattr(make(randn), method)(x)
    assert caught.value.data == {"what": "the activation", "token": "4"}


@pytest.mark.parametrize("nonlinearity", [TopK(k=4), ReLU()], ids=lambda n: n.kind)
@pytest.mark.parametrize("chunk_bytes", [1, 2**20])
def test_a_code_that_overflows_is_refused(
    randn: Randn, nonlinearity: Nonlinearity, chunk_bytes: int
) -> None:
    x = randn(9, D_IN)
    x[5] = 3e38
    dictionary = make(randn, nonlinearity)
    with pytest.raises(ValueOverflow, match="the code of token 5"):
        dictionary.encode(x, chunk_bytes=chunk_bytes)
    with pytest.raises(ValueOverflow, match="the code of token 5"):
        dictionary.encode_dense(x)


def test_a_zero_activation_that_has_no_norm_to_fix_is_refused(randn: Randn) -> None:
    dictionary = make(randn)
    encoder = LinearEncoder(
        inputs=(FixedNorm(),), W_enc=randn(D_IN, D_SAE), b_enc=None, nonlinearity=TopK(k=4)
    )
    x = randn(3, D_IN)
    x[1] = 0
    with pytest.raises(ValueOverflow, match="the code of token 1"):
        replace(dictionary, encoder=encoder).encode(x)


def test_half_precision_is_computed_in_float32_on_the_cpu(randn: Randn) -> None:
    dictionary = make(randn)
    assert dictionary.to("cpu", torch.float16) is dictionary
    assert dictionary.to("cpu", torch.bfloat16) is dictionary


def test_moving_keeps_the_codes_and_the_fingerprint(randn: Randn) -> None:
    dictionary, x = make(randn), randn(8, D_IN)
    moved = dictionary.to("cpu", torch.float64)
    assert moved.dtype == torch.float64
    torch.testing.assert_close(moved.encode_dense(x), dictionary.encode_dense(x))
    assert torch.equal(moved.encode(x).feature, dictionary.encode(x).feature)
    assert moved.fingerprint == dictionary.fingerprint
    assert replace(moved, name="renamed").fingerprint == dictionary.fingerprint


def test_the_fingerprint_is_of_what_decides_the_codes() -> None:
    def dictionary(k: int = 4, changed: str = "") -> LoadedDictionary:
        draw = torch.Generator().manual_seed(0)
        made = make(lambda *shape: torch.randn(*shape, generator=draw), TopK(k=k))
        if changed == "weight":
            assert isinstance(made.encoder, LinearEncoder)
            made.encoder.W_enc[3, 3] += 1e-3
        if changed == "decoder":
            assert made.W_dec is not None
            made.W_dec[0, 0] += 1e-3
        return made

    known = dictionary().fingerprint
    assert len(known) == 64
    assert dictionary().fingerprint == known
    assert replace(dictionary(), name="a", format="b", hook_name=None).fingerprint == known
    others = [dictionary(5), dictionary(changed="weight"), dictionary(changed="decoder")]
    assert len({known, *(other.fingerprint for other in others)}) == 4


def test_the_fingerprint_does_not_depend_on_the_layout_or_the_stored_type(randn: Randn) -> None:
    dictionary = make(randn)
    assert isinstance(dictionary.encoder, LinearEncoder)
    assert dictionary.W_dec is not None
    half = dictionary.W_dec.half()
    transposed = dictionary.encoder.W_enc.T.contiguous().T
    same = replace(dictionary, W_dec=half, encoder=replace(dictionary.encoder, W_enc=transposed))
    assert same.fingerprint == replace(dictionary, W_dec=half.float()).fingerprint


@pytest.mark.gpu
def test_an_accelerator_gives_the_codes_of_the_cpu(randn: Randn) -> None:
    dictionary, x = make(randn), randn(500, D_IN)
    expected, codes = dictionary.encode(x), dictionary.to("cuda").encode(x.cuda(), chunk_bytes=9999)
    assert torch.equal(codes.token.cpu(), expected.token)
    assert torch.equal(codes.feature.cpu(), expected.feature)
    torch.testing.assert_close(codes.value.cpu(), expected.value)
