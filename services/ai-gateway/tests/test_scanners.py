"""What every scanner finds, and what it leaves alone. Secrets are put together here, so that none stands in a file."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.adapters.scanner_checksums import TooManyCandidatesError
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.adapters.scanner_rules import RULES
from metaqore_ai_gateway.domain.chat import SEPARATOR

ALNUM = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2
FULL_WIDTH = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}

CREDENTIALS = [
    pytest.param("aws_access_key", "AKIA" + "IOSFODNN7EXAMPLE", id="AWS access key id"),
    pytest.param("aws_access_key", "ASIA" + "IOSFODNN7EXAMPLE", id="AWS temporary key id"),
    pytest.param("github_token", "ghp_" + ALNUM[:36], id="GitHub token"),
    pytest.param("github_token", "github_pat_" + ALNUM[:22] + "_" + ALNUM[:59], id="GitHub fine-grained token"),
    pytest.param("slack_token", "xoxb-" + "123456789012-123456789012-" + ALNUM[:24], id="Slack bot token"),
    pytest.param("openai_key", "sk-" + ALNUM[:48], id="OpenAI key"),
    pytest.param("openai_key", "sk-proj-" + ALNUM[:64], id="OpenAI project key"),
    pytest.param("anthropic_key", "sk-ant-api03-" + ALNUM[:80], id="Anthropic key"),
    pytest.param("stripe_key", "sk_live_" + ALNUM[:24], id="Stripe live key"),
    pytest.param("google_api_key", "AIza" + ALNUM[:35], id="Google API key"),
    pytest.param("metaqore_key", "mq_" + ALNUM[:43], id="our own API key"),
    pytest.param("private_key", "-----BEGIN RSA " + "PRIVATE KEY-----", id="RSA private key"),
    pytest.param("private_key", "-----BEGIN " + "PRIVATE KEY-----", id="PKCS 8 private key"),
    pytest.param("private_key", "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----", id="PGP private key"),
    pytest.param("jwt", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + ALNUM[:43], id="JWT"),
]

PERSONAL = [
    pytest.param("email", "ada@example.com", id="email"),
    pytest.param("email", "ada.l+x@mail.example.co.uk", id="email with a tag"),
    pytest.param("email", "müller@bücher.example", id="email beyond ASCII"),
    pytest.param("card", "4111111111111111", id="Visa"),
    pytest.param("card", "4111 1111 1111 1111", id="card in groups"),
    pytest.param("card", "5555-5555-5555-4444", id="Mastercard with dashes"),
    pytest.param("card", "378282246310005", id="American Express"),
    pytest.param("card", "3782 822463 10005", id="American Express in groups"),
    pytest.param("card", "1 4111 1111 1111 1111 2031", id="card between other numbers"),
    pytest.param("card", "4111 1111 1111 1111 2nd", id="card before a word that begins with a digit"),
    pytest.param("card", "4111111111111111".translate(FULL_WIDTH), id="card in full-width digits"),
    pytest.param("card", "4111\u200b1111\u200b1111\u200b1111", id="card with zero-width spaces"),
    pytest.param("iban", "DE89370400440532013000", id="IBAN"),
    pytest.param("iban", "GB82 WEST 1234 5698 7654 32", id="IBAN in groups"),
    pytest.param("iban", "gb82west12345698765432", id="IBAN in lower case"),
    pytest.param("iban", "NO9386011117947", id="the shortest IBAN"),
]

HARMLESS = [
    pytest.param("", id="nothing"),
    pytest.param("The quick brown fox jumps over the lazy dog.", id="prose"),
    pytest.param("4111111111111112", id="card number that fails Luhn"),
    pytest.param("9999999999999995", id="Luhn holds but no issuer has it"),
    pytest.param("1234567890123", id="thirteen digits"),
    pytest.param("0.4111111111111111", id="decimal fraction"),
    pytest.param("order4111111111111111", id="digits inside a word"),
    pytest.param("DE88370400440532013000", id="IBAN that fails mod 97"),
    pytest.param("XX89370400440532013000", id="IBAN of no country"),
    pytest.param("a@b", id="no domain"),
    pytest.param("@decorator.method", id="decorator"),
    pytest.param("AKIA is the prefix of an access key", id="prefix alone"),
    pytest.param("sk-learn and task-force", id="words with sk-"),
    pytest.param("-----BEGIN PUBLIC KEY-----", id="public key"),
    pytest.param("550e8400-e29b-41d4-a716-446655440000", id="UUID"),
    pytest.param("2026-01-31T12:00:00.123456789Z", id="time"),
]


class ScannerContract:
    """Every scanner passes these: subclass it and give the `scanner` fixture."""

    @pytest.mark.parametrize(("name", "secret"), CREDENTIALS)
    @pytest.mark.parametrize("around", ["{}", "key={}\n", "_{}.", '"{}"', "é{}é", "日{}本"])
    def test_a_credential_is_found_wherever_it_stands(self, scanner, name, secret, around):
        findings = scanner.scan(around.format(secret))
        assert findings.counts == {f"credential.{name}": 1}
        assert findings.holds_credential

    @pytest.mark.parametrize(("name", "secret"), CREDENTIALS)
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
    def test_a_credential_in_a_wide_encoding_is_found(self, scanner, name, secret, encoding):
        wide = f"über $Env:TOKEN = '{secret}'\r\n".encode(encoding)
        assert scanner.scan(b"notes.ps1\0\0" + wide).counts == {f"credential.{name}": 1}

    def test_what_a_null_byte_parts_is_not_put_together(self, scanner):
        assert scanner.scan(b"\0".join([b"4111", b"1111", b"1111", b"1111"])).counts == {}
        assert scanner.scan(bytes(100)).counts == {}

    @pytest.mark.parametrize(("kind", "text"), PERSONAL)
    def test_personal_numbers_and_addresses_are_found(self, scanner, kind, text):
        assert scanner.scan(f"x {text}, y").counts == {kind: 1}

    @pytest.mark.parametrize("text", HARMLESS)
    def test_what_only_looks_like_it_is_left_alone(self, scanner, text):
        assert scanner.scan(text).counts == {}

    def test_each_finding_counts_once(self, scanner):
        text = "ada@example.com bob@example.com 4111111111111111 " + "AKIA" + "IOSFODNN7EXAMPLE"
        assert scanner.scan(text).counts == {"email": 2, "card": 1, "credential.aws_access_key": 1}

    def test_two_of_a_kind_side_by_side_count_as_two(self, scanner):
        key = "AKIA" + "IOSFODNN7EXAMPLE"
        assert scanner.scan(f"{key}\n{key}").counts == {"credential.aws_access_key": 2}

    @pytest.mark.parametrize(("_", "secret"), CREDENTIALS + PERSONAL)
    def test_nothing_is_found_across_two_texts(self, scanner, _, secret):
        middle = len(secret) // 2
        halves = {**scanner.scan(secret[:middle]).counts, **scanner.scan(secret[middle:]).counts}
        assert scanner.scan(secret[:middle] + SEPARATOR + secret[middle:]).counts == halves

    def test_a_finding_at_the_end_of_a_large_text_is_found(self, scanner):
        assert scanner.scan("lorem ipsum " * 100_000 + "ada@example.com").counts == {"email": 1}

    @pytest.mark.parametrize("raw", [b"\xff\xfe ada@example.com", b"\xc3 ada@example.com \xed\xa0\x80"])
    def test_bytes_that_are_not_utf8_are_scanned_too(self, scanner, raw):
        assert scanner.scan(raw).counts == {"email": 1}

    def test_threads_may_scan_at_once(self, scanner):
        text = "lorem ipsum " * 10_000 + "ada@example.com"
        found = []
        threads = [threading.Thread(target=lambda: found.append(scanner.scan(text).counts)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [{"email": 1}] * 8

    @pytest.mark.parametrize("before", range(0, 600, 7))
    def test_a_long_text_in_other_characters_is_read_alike_everywhere(self, scanner, before):
        text = "é" * before + " " + "4111111111111111".translate(FULL_WIDTH) + ", AKIA" + "IOSFODNN7EXAMPLE "
        assert scanner.scan(text).counts == {"card": 1, "credential.aws_access_key": 1}

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "piece",
        [
            ";base64,",
            ";base64,QUJD,",
            "a@",
            "a.",
            "@a.",
            "4",
            "4 ",
            "ab12",
            "AB12 ",
            "eyJ",
            "-----BEGIN ",
            "é",
            "\\",
            "%4",
            "\x1b[1",
            "\u0301\u0316",
        ],
    )
    def test_no_text_takes_more_than_a_moment(self, scanner, piece):
        text = piece * (2_000_000 // len(piece))
        with contextlib.suppress(TooManyCandidatesError):  # it may give up, which counts as CRITICAL
            scanner.scan(text)

    @pytest.mark.parametrize(("kind", "secret"), CREDENTIALS)
    @pytest.mark.parametrize(
        "before", [r"{\"k\": \"x\n", r"x\t", r"\u0022", "?token%3D", "%20"], ids=["\\n", "\\t", "\\u", "%3D", "%20"]
    )
    def test_an_escape_before_a_credential_hides_nothing(self, scanner, kind, secret, before):
        """Tool calls carry their arguments as JSON in a string, and addresses their parameters in percent escapes."""
        assert scanner.scan(f"{before}{secret} ").counts == {f"credential.{kind}": 1}

    @pytest.mark.parametrize(("kind", "text"), PERSONAL)
    @pytest.mark.parametrize("before", [r"Pay with:\n", r"a\\nb\\n", r"\t", r"\u0020", "%0A"])
    def test_nor_does_one_before_personal_data(self, scanner, kind, text, before):
        assert scanner.scan(f"{before}{text}, y").counts == {kind: 1}

    def test_an_address_within_an_address_is_found(self, scanner):
        assert scanner.scan("https://x.example/?to=ada%40example.com&n=1").counts == {"email": 1}

    @pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    def test_a_wide_text_of_which_little_is_ascii_is_scanned(self, scanner, mark):
        wide = ("\ufeff" + "日本語の文書" * 50 + " key = AKIA" + "IOSFODNN7EXAMPLE ").encode(mark)
        assert scanner.scan(b"notes.txt\0\0" + wide).counts == {"credential.aws_access_key": 1}

    @pytest.mark.parametrize(
        "hidden",
        [
            *(
                f"AKIA{character}IOSFODNN7EXAMPLE"
                for character in "\x01\x08\x7f\u034f\u061c\u180e\u202e\u2066\u3164\U000e0041"
            ),
            r"\u0041KIA" + "IOSFODNN7EXAMPLE",
            r"AKIA\u200bIOSFODNN7EXAMPLE",
            r"AKIA\u0000IOSFODNN7EXAMPLE",
            r"AKIA\ud800IOSFODNN7EXAMPLE",
            r"AK\\u0049AIOSFODNN7EXAMPLE",
            r"AK\\\\u0049AIOSFODNN7EXAMPLE",
            "%41KIA" + "IOSFODNN7EXAMPLE",
            "\x1b[1;32mAKIA" + "IOSFODNN7EXAMPLE\x1b[0m",
            "\x1b[01;31m\x1b[KAKIA\x1b[m\x1b[KIOSFODNN7EXAMPLE",
            r"\u001b[32mAKIA" + "IOSFODNN7EXAMPLE",
        ],
    )
    def test_what_no_reader_sees_hides_no_credential(self, scanner, hidden):
        assert scanner.scan(f"my {hidden} key").counts == {"credential.aws_access_key": 1}

    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-32-be"])
    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
    @pytest.mark.parametrize("cut", [0, 1, 2, 3])
    def test_a_text_that_is_attached_is_scanned(self, scanner, encoding, encode, cut):
        text = "größe\nto: ada@example.com\nkey=AKIA" + "IOSFODNN7EXAMPLE ???>>>" + "x" * cut
        url = f"data:text/plain;charset={encoding};BASE64,{encode(text.encode(encoding)).decode()}"
        found = scanner.scan(f"my file {url.rstrip('=')}{SEPARATOR}and that is all; write to bob@example.com").counts
        assert found == {"email": 2, "credential.aws_access_key": 1}

    def test_a_picture_that_is_attached_is_no_text(self, scanner):
        picture = hashlib.shake_128(b"").digest(200_000) + b"ada@example.com"
        assert scanner.scan(f"data:image/png;base64,{base64.b64encode(picture).decode()}").counts == {}


@pytest.fixture(scope="module")
def hyperscan_scanner():
    return HyperscanScanner()


class TestHyperscanScanner(ScannerContract):
    @pytest.fixture
    def scanner(self, hyperscan_scanner):
        return hyperscan_scanner

    @given(
        st.lists(st.sampled_from([*"aF07. -_@/\n\0é", *(one.values[1] for one in (*CREDENTIALS, *PERSONAL))])).map(
            "".join
        )
    )
    def test_no_trigger_keeps_a_rule_from_counting(self, hyperscan_scanner, text):
        raw = text.encode()
        found = hyperscan_scanner.scan(text).counts
        for rule in RULES:
            assert found.get(rule.kind, 0) >= rule.count(raw)
