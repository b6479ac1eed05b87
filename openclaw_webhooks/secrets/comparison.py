"""Compares what a caller presented with the secret that is expected, in constant time.

Source: contract.md section 2; RFC 9110 section 5.5 for header bytes.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

from openclaw_webhooks.values import WHITE_SPACE


def is_same_secret(presented: str, expected: str) -> bool:
    """Tell whether a header carried the expected secret.

    Digests are compared, so neither the content nor the length of the secret shows in the time taken. A secret beyond
    ASCII may arrive as UTF-8 (curl) or, where it can, as Latin-1 (``fetch`` and Node; what the Gateway accepts).

    Args:
        presented: The header's bytes decoded as Latin-1, trimmed; blank matches nothing.
        expected: The secret; blank is matched by nothing.
    """
    try:
        found = blake2b(presented.encode("latin-1")).digest()
    except UnicodeEncodeError:
        return False
    matches = [compare_digest(found, digest) for digest in _digest_forms(expected)]
    return bool(presented) and any(matches)


@lru_cache(maxsize=64)
def _digest_forms(secret: str) -> list[bytes]:
    """Return the digest of each form in which a header may carry the secret; kept for a quarter of the requests' work.

    What is kept tells no more than the secret does, which the resolver keeps beside it.
    """
    return [blake2b(form).digest() for form in _header_forms(secret)]


def _header_forms(secret: str) -> list[bytes]:
    forms = [secret.encode("utf-8", errors="surrogatepass")]
    if not secret.isascii() and max(secret) <= "\xff":
        forms.append(secret.encode("latin-1"))
    # A header is trimmed as Latin-1 text, which eats a last byte 0xA0 of a UTF-8 character such as "à".
    return [form.decode("latin-1").strip(WHITE_SPACE).encode("latin-1") for form in forms]
