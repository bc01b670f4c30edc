import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.python_ranges import allowed_where

TEXTS = [
    "a",
    "a ",
    "A_b.C",
    "a-",
    "a_",
    "-a",
    "a>=1",
    "a >=1 , <2.0",
    "a<2,>=1",
    "a>=1,,<2",
    "a>=1,",
    "a ==1.*",
    "a>=1.*",
    "a~=1",
    "a~=1.2",
    "a~=1.2.*",
    "a=1",
    "a===1",
    "a=>1",
    "a==1!2",
    "a==v1",
    "a==1.0a1",
    "a!=1.0+local",
    "a(>=1)",
    "a[b]>=1",
    "a>=1;os_name=='nt'",
    "a>=\u0663",
    "\u00e9>=1",
    "a>=1\n",
    "a\t>=1",
    "a @ https://example.org/a-1.0.tar.gz",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_allows_what_the_parser_of_pep_508_says(text):
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        with pytest.raises(MetaQoreError, match="This is no requirement"):
            allowed_where(text, "")
        return
    allowed, _ = allowed_where(text, "")
    assert allowed.name == canonicalize_name(wanted.name)
    if wanted.url is None:
        ranges = [SpecifierSet(str(wanted.specifier), prereleases=pre).to_range() for pre in (False, True)]
        assert [allowed.ranges.stable, allowed.ranges.any_version] == ranges
        assert allowed.ranges.holes == text.count("!=")


def test_packages_share_what_the_same_specifiers_allow():
    one, other = (allowed_where(f"{name}>=1.4,<3", "")[0] for name in ("first", "second"))
    assert one.ranges is other.ranges
