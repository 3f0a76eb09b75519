"""What S3 and botocore refuse, in sentences that say what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from dataops_defs.domain.connections import S3Connection
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

_UNKNOWN_KEY = {"InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "InvalidSecurity"}
_EXPIRED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestExpired"}
_OTHER_REGION = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_CHANGED = {"PreconditionFailed", "412", "NoSuchKey", "InvalidRange", "416"}
_LATER_STATUS = 500


@contextmanager
def errors(given: S3Connection) -> Iterator[None]:
    """Botocore's errors as the platform's; nothing of the server's own words but its code gets through."""
    where = given.endpoint or "AWS"
    try:
        yield
    except ClientError as error:
        raise _refusal(error, given, where) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise SourceError(
            "There are no credentials: give accessKeyId and secretAccessKey, or run the platform with its own"
        ) from None
    except ParamValidationError:
        raise Invalid.field("connection.bucket", f"'{given.bucket[:100]}' cannot be the name of a bucket") from None
    except SSLError:
        raise SourceError(f"The certificate of {where} is not one that is trusted here") from None
    except (ConnectTimeoutError, EndpointConnectionError):
        raise SourceUnavailable(f"S3 at {where} cannot be reached; is its address right?") from None
    except ReadTimeoutError:
        raise SourceUnavailable(f"S3 at {where} did not answer in time") from None
    except InvalidRegionError:
        raise Invalid.field("connection.region", "is not the name of a region") from None
    except BotoCoreError as error:
        raise SourceUnavailable(f"S3 at {where} did not answer as S3 does ({type(error).__name__})") from None


def _refusal(error: ClientError, given: S3Connection, where: str) -> SourceError:
    code = str(error.response.get("Error", {}).get("Code", "error"))[:50]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    bucket = given.bucket
    if code in _UNKNOWN_KEY:
        return SourceError(f"S3 refused the credentials ({code}): is the access key right?")
    if code in _EXPIRED:
        return SourceError(f"S3 refused the credentials ({code}): give a new session token")
    if code == "NoSuchBucket" or (code == "404" and error.operation_name.startswith("List")):
        return SourceError(f"There is no bucket '{bucket}' at {where}")
    if code in _OTHER_REGION:
        return SourceError(f"Bucket '{bucket}' lies in another region{_region(error)}; name it in region")
    if code in _CHANGED:
        return SourceError("an object changed or was deleted while it was read; read it again")
    if code == "InvalidObjectState":
        return SourceError("an object lies in an archive; restore it first")
    if code in ("AccessDenied", "403", "AllAccessDisabled", "AccountProblem"):
        verb = "list" if error.operation_name.startswith("List") else "read"
        return SourceError(f"The credentials may not {verb} bucket '{bucket}' ({code})")
    if status >= _LATER_STATUS or code in ("SlowDown", "RequestTimeout", "429") or "Throttl" in code:
        return SourceUnavailable(f"S3 at {where} is too busy or broken ({code}); it was asked several times")
    return SourceError(f"S3 at {where} refused: {code}")


def _region(error: ClientError) -> str:
    found = error.response.get("Error", {}).get("Region") or error.response.get("ResponseMetadata", {}).get(
        "HTTPHeaders", {}
    ).get("x-amz-bucket-region")
    return f" ({str(found)[:30]})" if found else ""
