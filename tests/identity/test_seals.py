"""Refresh tokens and links: what is not exactly ours opens nothing."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.identity.application.ports import TokenKind
from bailiwick.identity.infrastructure.key_ring import KeyRing
from bailiwick.identity.infrastructure.seals import HmacSeals

ID = UUID("018f0000-0000-7000-8000-000000000001")
SEALS = HmacSeals(KeyRing("a secret key that is long enough 1234"))
SEED = SEALS.new_seed()
TOKEN = SEALS.seal(TokenKind.REFRESH, ID, SEED, 7)


def opens(
    token: str, kind: TokenKind = TokenKind.REFRESH, seals: HmacSeals = SEALS, seed: str = SEED
) -> bool:
    sealed = seals.read(kind, token)
    return sealed is not None and seals.genuine(sealed, seed)


@given(st.uuids(), st.integers(0, 2**32 - 1), st.sampled_from(TokenKind))
def test_a_token_gives_back_what_was_sealed(id: UUID, generation: int, kind: TokenKind) -> None:
    token = SEALS.seal(kind, id, SEED, generation)
    sealed = SEALS.read(kind, token)
    assert sealed is not None
    assert (sealed.id, sealed.generation, sealed.kind) == (id, generation, kind)
    assert SEALS.genuine(sealed, SEED)


def test_the_same_generation_always_has_the_same_token_and_no_other_has() -> None:
    assert SEALS.seal(TokenKind.REFRESH, ID, SEED, 7) == TOKEN
    assert SEALS.seal(TokenKind.REFRESH, ID, SEED, 8) != TOKEN


def test_a_token_needs_both_the_seed_and_the_key() -> None:
    assert opens(TOKEN)
    assert not opens(TOKEN, seed=SEALS.new_seed())
    assert not opens(TOKEN, seals=HmacSeals(KeyRing("another secret key that is long too")))


def test_a_seed_has_256_bits() -> None:
    assert len(bytes.fromhex(SEALS.new_seed())) == 32
    assert SEALS.new_seed() != SEALS.new_seed()


def test_tokens_outlive_a_change_of_the_secret_key_while_the_old_one_is_kept() -> None:
    new = "a new secret key that is long enough!"
    assert opens(TOKEN, seals=HmacSeals(KeyRing(new, ["a secret key that is long enough 1234"])))
    assert not opens(TOKEN, seals=HmacSeals(KeyRing(new)))


@pytest.mark.parametrize("kind", [TokenKind.RESET, TokenKind.VERIFY])
def test_a_token_of_one_kind_is_never_one_of_another(kind: TokenKind) -> None:
    assert SEALS.read(kind, TOKEN) is None
    assert not opens(SEALS.seal(kind, ID, SEED, 7))


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABCDabcd0189-_"))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    forged = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert opens(forged) == (forged == TOKEN)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        TOKEN.replace("_", "/"),
        f" {TOKEN}",
        "é" * 72,
        "\0" * 72,
        "*" * 72,
    ],
    ids=range(10),
)
def test_what_has_another_form_is_no_token(token: str) -> None:
    assert opens(token) == (token == TOKEN)


@given(st.text(max_size=100))
def test_any_text_gets_an_answer(text: str) -> None:
    assert SEALS.read(TokenKind.REFRESH, text) is None


def test_a_token_and_the_key_ring_say_nothing_of_their_secrets() -> None:
    assert "secret" not in repr(KeyRing("the secret", ["older secret"])).replace("secret_key", "")
    sealed = SEALS.read(TokenKind.REFRESH, TOKEN)
    assert sealed is not None
    assert "proof" not in repr(sealed)
