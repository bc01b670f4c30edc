"""The Merkle tree against the recursive definition of RFC 6962 and the vectors of Certificate Transparency."""

from hashlib import sha256

import pytest

from metaqore_governance_core.compact_range import CompactRange
from metaqore_governance_core.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    ProofError,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    root_from_inclusion,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(131)
LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(max(SIZES))]


def mth(leaves):
    """MTH as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = power_below(len(leaves))
    return node_hash(mth(leaves[:split]), mth(leaves[split:]))


def path(index, leaves):
    """PATH as RFC 6962 section 2.1.1 writes it."""
    if len(leaves) == 1:
        return []
    split = power_below(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), mth(leaves[split:])]
    return [*path(index - split, leaves[split:]), mth(leaves[:split])]


def subproof(old, leaves, whole):
    """SUBPROOF as RFC 6962 section 2.1.2 writes it."""
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    split = power_below(len(leaves))
    if old <= split:
        return [*subproof(old, leaves[:split], whole), mth(leaves[split:])]
    return [*subproof(old - split, leaves[split:], False), mth(leaves[:split])]  # noqa: FBT003 - as the RFC has it


def power_below(size):
    power = 1
    while power * 2 < size:
        power *= 2
    return power


ROOTS = [mth(LEAVES[:size]) for size in range(len(LEAVES) + 1)]


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_the_recursive_one(size):
    assert root(LEAVES[:size]) == ROOTS[size]


def test_a_compact_range_has_every_root_on_its_way():
    growing = CompactRange()
    for size, leaf in enumerate(LEAVES):
        assert growing.root() == ROOTS[size]
        assert CompactRange(size, growing.hashes).root() == ROOTS[size]
        growing.append(leaf)
    with pytest.raises(ValueError, match="one-bit"):
        CompactRange(3, LEAVES[:1])


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proven_in_every_tree(size):
    tree = MerkleTree(LEAVES[:size])
    for index in range(size):
        proof = tree.inclusion_path(index)
        if size <= 40:
            assert list(proof) == path(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("size", SIZES)
def test_every_tree_is_proven_to_begin_with_every_older_one(size):
    for old in range(size + 1):
        proof = consistency_path(LEAVES[:size], old)
        if 0 < old < size <= 40:
            assert list(proof) == subproof(old, LEAVES[:size], True)  # noqa: FBT003 - as the RFC has it
        verify_consistency(old, size, ROOTS[old], ROOTS[size], proof)


def spoiled(proof):
    """The proof with one thing wrong, in every way."""
    for position in range(len(proof)):
        yield (*proof[:position], sha256(proof[position]).digest(), *proof[position + 1 :])
        yield (*proof[:position], *proof[position + 1 :])
        yield (*proof[:position], proof[position], *proof[position:])
    yield (*proof, EMPTY_ROOT)
    yield (EMPTY_ROOT, *proof)


@pytest.mark.parametrize("size", range(1, 20))
def test_a_wrong_inclusion_proof_fails(size):
    for index in range(size):
        proof = inclusion_path(LEAVES[:size], index)
        for wrong in spoiled(proof):
            with pytest.raises(ProofError):
                verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])
        for other in range(size):
            if other != index:
                with pytest.raises(ProofError):
                    verify_inclusion(LEAVES[index], other, size, proof, ROOTS[size])
        with pytest.raises(ProofError):
            verify_inclusion(leaf_hash(b"another"), index, size, proof, ROOTS[size])
        with pytest.raises(ProofError):
            verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


def test_no_byte_passes_from_a_leaf_to_its_path():
    """Hashed one behind the other they are the same, and would prove a leaf that nobody ever saw."""
    first, *rest = inclusion_path(LEAVES[:8], 2)
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(LEAVES[2] + first[:8], 2, 8, (first[8:], *rest), ROOTS[8])


@pytest.mark.parametrize("size", range(1, 20))
def test_a_wrong_consistency_proof_fails(size):
    for old in range(size + 1):
        proof = consistency_path(LEAVES[:size], old)
        for wrong in spoiled(proof):
            with pytest.raises(ProofError):
                verify_consistency(old, size, ROOTS[old], ROOTS[size], wrong)
        for old_root, new_root in ((leaf_hash(b"x"), ROOTS[size]), (ROOTS[old], leaf_hash(b"x"))):
            if old or old_root != ROOTS[old]:
                with pytest.raises(ProofError):
                    verify_consistency(old, size, old_root, new_root, proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 3)])
def test_a_leaf_outside_the_tree_is_refused(index, size):
    with pytest.raises(ProofError, match=r"RFC 6962 section 2.1.1"):
        inclusion_path(LEAVES[:size], index)
    with pytest.raises(ProofError, match=r"RFC 6962 section 2.1.1"):
        root_from_inclusion(LEAVES[0], index, size, [])


@pytest.mark.parametrize(("old", "size"), [(2, 1), (-1, 1), (1, 0)])
def test_a_tree_does_not_shrink(old, size):
    with pytest.raises(ProofError, match=r"RFC 6962 section 2.1.2"):
        consistency_path(LEAVES[:size], old)
    with pytest.raises(ProofError, match=r"RFC 6962 section 2.1.2"):
        verify_consistency(old, size, EMPTY_ROOT, EMPTY_ROOT, [])


# The reference data of the Certificate Transparency code base.
CT_LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_roots(size):
    assert root(CT_LEAVES[:size]).hex() == CT_ROOTS[size - 1]


def test_the_root_of_nothing():
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("index", "size", "expected"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_reference_inclusion_paths(index, size, expected):
    assert [node.hex() for node in inclusion_path(CT_LEAVES[:size], index)] == expected


@pytest.mark.parametrize(
    ("old", "size", "expected"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_reference_consistency_paths(old, size, expected):
    assert [node.hex() for node in consistency_path(CT_LEAVES[:size], old)] == expected
