"""Grants on sources: who may see a source, and who may use it. The caller owns the transaction.

Without grants every token may do with a source what its role lets it do. Once there are any, the source is restricted
and stays so, also when the last token that was named is revoked, until its grants are set to none. Admins, and the
token that made a source, may always use it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, false, or_, select, true
from sqlalchemy.orm import Session

from dataops_defs.catalogue.access_rows import GrantRow
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import DatasetRow, EtlPipelineRow, MappingRow, PipelineRow, SourceRow, TokenRow
from dataops_defs.catalogue.tokens import Role
from dataops_defs.domain.pipeline import REFERENCE, NodeType
from dataops_defs.errors import FieldProblem, Forbidden, Invalid

NOT_TO_USE = "This takes the right to use a source; an admin, or the token that made the source, can grant it"


class Right(StrEnum):
    """What may be done with a source: ``use`` is to open its connection, and holds ``see``."""

    SEE = "see"
    USE = "use"


@dataclass(frozen=True)
class Holder:
    """Who asks: a token's id, and its role. No request is made without one; the platform's own work has none."""

    token_id: str | None
    role: Role


@dataclass(frozen=True)
class Grant:
    """A right for one token, by name, or for a role and those above it."""

    may: Right
    token: str | None = None
    role: str | None = None

    def as_json(self) -> dict[str, str]:
        """As it is written in a request."""
        named = {"token": self.token, "role": self.role, "may": str(self.may)}
        return {name: value for name, value in named.items() if value is not None}


class Grants:
    """All reads and writes of grants."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, source: SourceRow) -> list[Grant]:
        """The grants of a source, in the order they were given."""
        query = (
            select(GrantRow, TokenRow.name)
            .outerjoin(TokenRow, TokenRow.id == GrantRow.token_id)
            .where(GrantRow.source_id == source.id)
            .order_by(GrantRow.id)
        )
        return [Grant(Right(row.may), token, row.role) for row, token in self._session.execute(query)]

    def put(self, source: SourceRow, wanted: Sequence[Grant]) -> None:
        """Replace the grants of a source, locked before; none lift its restriction.

        Raises:
            Invalid: a token that does not exist, or a holder that is named twice.
        """
        tokens = self._tokens([each.token for each in wanted if each.token])
        problems, rows = [], {}
        for place, each in enumerate(wanted):
            token_id = tokens.get(each.token) if each.token else None
            if each.token and token_id is None:
                problems.append(FieldProblem(f"grants.{place}.token", f"there is no token '{each.token[:80]}'"))
            elif (token_id, each.role) in rows:
                problems.append(FieldProblem(f"grants.{place}", "names a holder that another one names too"))
            else:
                rows[token_id, each.role] = GrantRow(
                    source_id=source.id, token_id=token_id, role=each.role, may=str(each.may)
                )
        if problems:
            raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
        self._session.execute(delete(GrantRow).where(GrantRow.source_id == source.id))
        self._session.add_all(rows.values())
        source.restricted = bool(rows)
        self._session.flush()

    def may_manage(self, holder: Holder, source: SourceRow) -> bool:
        """Whether somebody may set a source's grants: an admin, and the token that made it."""
        made_it = holder.token_id is not None and holder.token_id == source.creator_id
        return holder.role >= Role.ADMIN or made_it

    def check_use(self, holder: Holder | None, sources: Iterable[str | None]) -> None:
        """Refuse to use sources; ids that are None or unknown do not count.

        Raises:
            Forbidden: one of them may not be used. Its name is not told: it may not be known.
        """
        ids = {each for each in sources if each is not None}
        if not ids or holder is None or holder.role >= Role.ADMIN:
            return
        query = select(SourceRow.id).where(SourceRow.id.in_(ids), ~granted(holder, Right.USE)).limit(1)
        if self._session.scalar(query) is not None:
            raise Forbidden(NOT_TO_USE)

    def _tokens(self, names: Collection[str]) -> Mapping[str, str]:
        """Ids of tokens, by what names them: their id or their name."""
        ids = {key: name for name in names if (key := as_uuid(name))}
        query = select(TokenRow.id, TokenRow.name).where(or_(TokenRow.name.in_(names), TokenRow.id.in_(ids)))
        found = self._session.execute(query).all()
        return {row.name: row.id for row in found} | {ids[row.id]: row.id for row in found if row.id in ids}


def granted(holder: Holder | None, right: Right) -> ColumnElement[bool]:
    """For a query: the sources that somebody may see, or use. The platform may use all of them."""
    if holder is None or holder.role >= Role.ADMIN:
        return true()
    roles = [each.name.lower() for each in Role if each <= holder.role]
    mine: ColumnElement[bool] = GrantRow.role.in_(roles)
    made_it: ColumnElement[bool] = false()
    if holder.token_id is not None:
        mine = or_(mine, GrantRow.token_id == holder.token_id)
        made_it = and_(SourceRow.creator_id.is_not(None), SourceRow.creator_id == holder.token_id)
    rights = [str(each) for each in Right if right is Right.SEE or each is Right.USE]
    exists = select(GrantRow.id).where(GrantRow.source_id == SourceRow.id, mine, GrantRow.may.in_(rights)).exists()
    return or_(~SourceRow.restricted, made_it, exists)


class Reads:
    """Which sources a definition reads: their ids, by the definition's. Each is one query, or two."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def datasets(self, ids: Collection[str]) -> set[str]:
        """Those of datasets."""
        return set(self._session.scalars(select(DatasetRow.source_id).where(DatasetRow.id.in_(_known(ids)))))

    def mappings(self, ids: Collection[str]) -> set[str]:
        """Those of the datasets that mappings read."""
        return set(self._session.scalars(self._of_mappings(ids)))

    def etl_pipelines(self, ids: Collection[str]) -> set[str]:
        """Those of ETL pipelines, which are known by name too."""
        known = or_(EtlPipelineRow.id.in_(_known(ids)), EtlPipelineRow.name.in_(ids))
        return {id for id in self._session.scalars(select(EtlPipelineRow.source_id).where(known)) if id}

    def pipelines(self, ids: Collection[str]) -> set[str]:
        """Those of the nodes of pipeline graphs."""
        graphs = self._session.scalars(select(PipelineRow.nodes).where(PipelineRow.id.in_(_known(ids))))
        return self.nodes([node for graph in graphs for node in graph])

    def nodes(self, given: Sequence[Mapping[str, Any]]) -> set[str]:
        """Those of the nodes of a graph, as it is stored."""
        of = {
            kind: [str(node["data"][reference]) for node in given if node["type"] == kind]
            for kind, reference in REFERENCE.items()
        }
        return _known(of[NodeType.SOURCE]) | self.datasets(of[NodeType.DATASET]) | self.mappings(of[NodeType.MAPPING])

    def rows(self, datasets: Collection[str], mappings: Collection[str]) -> set[str]:
        """Those whose rows are shown by what shows rows of datasets, and of what mappings read."""
        return self.datasets(datasets) | self.mappings(mappings)

    def _of_mappings(self, ids: Collection[str]) -> Select[str]:
        return select(DatasetRow.source_id).join(MappingRow).where(MappingRow.id.in_(_known(ids)))


def _known(ids: Collection[str]) -> set[str]:
    return {key for each in ids if (key := as_uuid(each))}
