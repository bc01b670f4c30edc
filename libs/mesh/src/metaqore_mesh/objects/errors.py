"""Why a store of objects refuses, or a body cannot be read, each with a stable code."""
# ruff: noqa: N818 - these name what has happened to the store, the object or the body

from __future__ import annotations

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class ObjectNameInvalid(MetaQoreError):
    """The name could not be one in every store."""

    def __init__(self) -> None:
        super().__init__(
            "object_name_invalid",
            "An object's name has parts of letters, digits, `_`, `.` and `-`, with a slash between them, and at most "
            "900 characters. Choose such a name.",
        )


class ObjectMissing(MetaQoreError):
    """No object has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "object_missing",
            f"The object {name} is not in the store: it was deleted, or the store was set back to an older copy. "
            "Restore it from a backup, or put it again.",
            kind=ErrorKind.NOT_FOUND,
        )


class ObjectTooLarge(MetaQoreError):
    """The stream is longer than the store takes; nothing of it was kept."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "object_too_large",
            f"The store takes objects of at most {limit_bytes} bytes. Put a smaller one, or several.",
            kind=ErrorKind.TOO_LARGE,
        )


class ObjectStoreFull(MetaQoreError):
    """There is no room for the object; nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__(
            "object_store_full",
            "The object store has no room left. Make room on its disk, then try again.",
            kind=ErrorKind.UNAVAILABLE,
            retryable=True,
        )


class ObjectStoreUnavailable(MetaQoreError):
    """The store did not do what it was asked; whether a put took effect is unknown, and putting again is safe."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "object_store_unavailable",
            f"The object store does not answer as it should ({cause}). Try again; where it lasts, look at the store.",
            kind=ErrorKind.UNAVAILABLE,
            retryable=True,
        )


class ObjectStoreDenied(MetaQoreError):
    """The store does not accept who asks."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "object_store_denied",
            f"The object store refuses this service's access to {what}. Check its key id, its secret, and that they "
            "may read, write, list and delete there.",
            kind=ErrorKind.UNAVAILABLE,
        )


class ObjectStoreMisconfigured(MetaQoreError):
    """The settings name no store that could be opened. The message says which to change."""

    def __init__(self, message: str) -> None:
        super().__init__("object_store_misconfigured", message, kind=ErrorKind.INVALID)


class BodyTooLarge(MetaQoreError):
    """The text is longer than a body may be; nothing of it was kept."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "body_too_large",
            f"A body may have at most {limit_bytes} bytes. Split it, or keep it elsewhere and put a reference.",
            kind=ErrorKind.TOO_LARGE,
        )


class BodyKeyRefused(MetaQoreError):
    """The wrapped key is not this body's: it was altered, belongs to another body, or to another organization."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "body_key_refused",
            f"The key kept for {name} does not open with this organization's key. Restore the row it is in, or the "
            "root key file that wrapped it.",
            kind=ErrorKind.INTERNAL,
        )


class BodyDamaged(MetaQoreError):
    """What the store holds is not what was put. Text that came before this error is unaltered, but not whole."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "body_damaged",
            f"The object {name} is not what was put: it was altered, cut or exchanged. Restore it from a backup.",
            kind=ErrorKind.INTERNAL,
        )
