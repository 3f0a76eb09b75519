"""One file out of a multipart form whose body is in memory already. Source: RFC 7578, and RFC 2046, section 5.1."""

from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value

from dataops_defs.errors import Invalid

LONGEST_BOUNDARY = 70
MOST_PARTS = 20
MOST_HEADER_BYTES = 8_192


def file_of(content_type: str, body: bytes, field: str) -> bytes:
    """The content of the form's field of that name.

    Raises:
        Invalid: no boundary, a body that does not end as it should, too many parts, the field missing or there twice.
    """
    found = [content for name, content in _parts(content_type, body, field) if name == field]
    if len(found) != 1:
        raise Invalid.field(field, "is required: the file, as a field of the form" if not found else "is there twice")
    return found[0]


def boundary_of(content_type: str) -> str | None:
    """What stands between the parts of a form; None where there is no (sane) one, and for what is no form."""
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    boundary = parameter_of(content_type, "boundary", "content-type")
    return boundary if boundary and len(boundary) <= LONGEST_BOUNDARY and boundary.isascii() else None


def _parts(content_type: str, body: bytes, field: str) -> list[tuple[str | None, bytes]]:
    boundary = boundary_of(content_type)
    if boundary is None:
        raise Invalid.field(field, "cannot be found: the multipart form has no boundary")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), MOST_PARTS + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise Invalid.field(field, f"cannot be read: the form is cut off, or has more than {MOST_PARTS} parts")
    return [_part(part, field) for part in parts[:-1]]


def _part(part: bytes, field: str) -> tuple[str | None, bytes]:
    # After the boundary may come blanks, then the headers, an empty line, and the content.
    head, separator, content = part.lstrip(b" \t").partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"\r\n") or len(head) > MOST_HEADER_BYTES:
        raise Invalid.field(field, "cannot be read: a part of the form has no headers")
    headers = BytesHeaderParser().parsebytes(head[2:])
    return parameter_of(headers.get("content-disposition", ""), "name", "content-disposition"), content


def parameter_of(value: str, name: str, header: str) -> str | None:
    """A parameter of a header's value, such as ``name`` of a Content-Disposition; None where it has none."""
    message = Message()
    message[header] = value.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name, header=header)
    return None if found is None else collapse_rfc2231_value(found)
