"""Idempotency keys: the same key with the same request repeats the first answer. Source: DECISIONS 25."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.models import IdempotencyRow
from dataops_defs.catalogue.sealing import CannotUnseal, Keyring, seal, unseal
from dataops_defs.errors import Conflict, Invalid, StillRunning

KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(seconds=15)


@dataclass(frozen=True)
class Answer:
    """An answer as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """The right to do a request's work, or the answer it had.

    An earlier holder, which never answered, may have made an execution: that one counts (`IdempotencyKeys.run_of`).
    """

    id: str
    answer: Answer | None = None


class IdempotencyKeys:
    """All reads and writes of idempotency keys; answers are sealed, for some hold a token."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

    def claim(self, actor: str, key: str, request_hash: str) -> Claim:
        """Take the key for this request, or find what the first request with it was answered.

        Raises:
            Invalid: the key was used for another request.
            StillRunning: the first request is at work; one whose server died is taken over 15 seconds later.
        """
        self.purge(now() - KEPT_FOR, actor=actor, key=key)
        made = self._session.scalar(
            insert(IdempotencyRow)
            .values(id=new_id(), actor=actor, key=key, request_hash=request_hash, headers={})
            .on_conflict_do_nothing()
            .returning(IdempotencyRow.id)
        )
        return Claim(made) if made else self._known(actor, key, request_hash)

    def _known(self, actor: str, key: str, request_hash: str) -> Claim:
        query = select(IdempotencyRow).where(IdempotencyRow.actor == actor, IdempotencyRow.key == key)
        row = self._session.scalar(query.with_for_update())
        if row is None:
            raise StillRunning("A request with this Idempotency-Key has just ended; send it again")
        if row.request_hash != request_hash:
            raise Invalid.field("Idempotency-Key", "was used for another request; take a new one")
        if row.status is not None:
            return Claim(row.id, self._answer(row, row.status))
        if row.updated_at > now() - LEASE:
            raise StillRunning("The first request with this Idempotency-Key is still at work")
        row.updated_at = now()
        return Claim(row.id)

    def _answer(self, row: IdempotencyRow, status: int) -> Answer:
        try:
            body = unseal(self._keyring, row.answer or b"", _context(row.id))
        except CannotUnseal:
            raise Conflict("The answer to this Idempotency-Key is no longer kept: the keys were rotated") from None
        return Answer(status, row.headers, body)

    def run_of(self, id: str) -> str | None:
        """The execution that a request with the key has made, if one has; nobody else makes one meanwhile.

        A holder that was silent for too long finds here what its successor has made.
        """
        return self._session.scalar(select(IdempotencyRow.run_id).where(IdempotencyRow.id == id).with_for_update())

    def note_run(self, id: str, run_id: str) -> None:
        """Note which execution the request made; in the transaction that makes it.

        Raises:
            StillRunning: another request with the key has made one, or the key is not this request's any more.
        """
        noted = self._session.execute(
            update(IdempotencyRow)
            .where(IdempotencyRow.id == id, IdempotencyRow.run_id.is_(None))
            .values(run_id=run_id)
            .returning(IdempotencyRow.id)
        )
        if noted.first() is None:
            raise StillRunning("Another request with this Idempotency-Key has taken it over; send it again")

    def keep(self, id: str, answer: Answer) -> None:
        """Keep the answer, for 24 hours; the first one counts."""
        sealed = seal(self._keyring, answer.body, _context(id))
        self._session.execute(
            update(IdempotencyRow)
            .where(IdempotencyRow.id == id, IdempotencyRow.status.is_(None))
            .values(status=answer.status, headers=dict(answer.headers), answer=sealed)
        )

    def renew(self, id: str) -> None:
        """The request is still at work: nobody takes it over for the next 15 seconds."""
        self._session.execute(update(IdempotencyRow).where(IdempotencyRow.id == id).values(updated_at=now()))

    def release(self, id: str) -> None:
        """Give the key back: nothing was done, so the request may be tried again with it.

        A key whose request has made an execution stays with that one; whoever repeats the request takes it over.
        """
        mine = IdempotencyRow.id == id
        self._session.execute(delete(IdempotencyRow).where(mine, IdempotencyRow.run_id.is_(None)))
        self._session.execute(update(IdempotencyRow).where(mine).values(updated_at=now() - LEASE))

    def purge(self, older_than: datetime, *, actor: str | None = None, key: str | None = None) -> int:
        """Forget keys older than that; returns their number."""
        query = delete(IdempotencyRow).where(IdempotencyRow.created_at < older_than)
        if actor is not None:
            query = query.where(IdempotencyRow.actor == actor, IdempotencyRow.key == key)
        gone = self._session.execute(query.returning(IdempotencyRow.id))
        return len(gone.all())


def _context(id: str) -> str:
    return f"idempotency:{id}:answer"
