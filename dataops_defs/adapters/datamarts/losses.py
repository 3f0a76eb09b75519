"""What people gave to a table or view and another one cannot take over: where there is any, it is not replaced.

Most of it guards the rows or follows what is written, so that losing it without a word would be worse than a refusal.
"""

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation

_LOSSES = """
SELECT 'row level security' FROM pg_class WHERE oid = %(oid)s AND (relrowsecurity OR relforcerowsecurity)
UNION ALL SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = %(oid)s
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = %(oid)s AND rulename <> '_RETURN'
UNION ALL SELECT 'publication ' || p.pubname
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = %(oid)s
UNION ALL SELECT 'replica identity' FROM pg_class WHERE oid = %(oid)s AND relkind = 'r' AND relreplident <> 'd'
UNION ALL SELECT 'extended statistics ' || stxname FROM pg_statistic_ext WHERE stxrelid = %(oid)s
UNION ALL SELECT CASE contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' ELSE 'exclusion' END
    || ' constraint ' || conname FROM pg_constraint WHERE conrelid = %(oid)s AND contype IN ('c', 'f', 'x')
UNION ALL SELECT 'default of column ' || a.attname FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = %(oid)s
UNION ALL SELECT 'identity of column ' || attname FROM pg_attribute
    WHERE attrelid = %(oid)s AND attidentity <> '' AND NOT attisdropped
UNION ALL SELECT 'parent table ' || inhparent::regclass FROM pg_inherits WHERE inhrelid = %(oid)s
UNION ALL SELECT 'sequence ' || d.objid::regclass || ' (ALTER SEQUENCE … OWNED BY NONE lets it stay)'
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s
        AND d.deptype = 'a'
UNION ALL SELECT 'column ' || a.attname || ' (no refresh has made it: keep its values elsewhere, and drop it)'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' JOIN (
        SELECT outcome FROM dataops.ledger
        WHERE subject_kind = 'datamart' AND target = %(address)s AND outcome IS NOT NULL ORDER BY id DESC LIMIT 1
    ) AS last ON NOT last.outcome->'columns' @> jsonb_build_array(jsonb_build_object('name', a.attname))
    WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
"""


def losses_of(cursor: Cursor, relation: Relation) -> list[str]:
    """In words, by kind and name; empty where it can be replaced. Asked as the owner, who can see the ledger."""
    cursor.execute(_LOSSES, {"oid": relation.oid, "address": relation.address})
    return [told for (told,) in cursor.fetchall()]
