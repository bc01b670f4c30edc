from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.service import receipt_token
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.receipts import Receipt, parse_token, token

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
NUMBERS = st.integers(0, 2**53 - 1)
NAMES = st.text(st.characters(codec="utf-8"), max_size=40)


@given(
    st.builds(
        Receipt,
        head=st.builds(GroupHead, NUMBERS, NUMBERS, NAMES, HEX, NUMBERS, NAMES),
        id=NAMES,
        leaf_hash=HEX,
        organization=NAMES,
        path=st.lists(HEX, max_size=4).map(tuple),
        sequence=NUMBERS,
        signature=HEX,
        task=NAMES,
        writer=NAMES,
    )
)
def test_the_fast_token_is_the_canonical_one(receipt):
    assert receipt_token.token(receipt) == token(receipt)
    assert parse_token(receipt_token.token(receipt)) == receipt
