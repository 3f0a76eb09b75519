"""Keys that a real warehouse declares, and what is inferred beside them."""

import pytest

from dataops_defs.domain.relationship import DetectionMethod, RelationshipType
from tests.adapters.profiles.conftest import Detect
from tests.scenes import World

LINES = """
CREATE TABLE order_lines (order_id int, line_no int, sku text, PRIMARY KEY (order_id, line_no));
INSERT INTO order_lines SELECT n / 3 + 1, n %% 3 + 1, 's' || n %% 20 FROM generate_series(0, 899) n;
"""


class TestAParentNeverRefersBack:
    """One row for one: by their values alone, either table could be the parent."""

    PERSONS = """
        CREATE TABLE person (person_id int PRIMARY KEY);
        CREATE TABLE person_ext (person_id int PRIMARY KEY, bio text);
        INSERT INTO person SELECT generate_series(1, 300);
        INSERT INTO person_ext SELECT person_id, 'x' FROM person;
    """
    GIFTS = f"""
        {LINES}
        CREATE TABLE gifts (order_id int, line_no int, gift text, PRIMARY KEY (order_id, line_no));
        INSERT INTO gifts SELECT order_id, line_no, 'x' FROM order_lines;
    """

    @pytest.mark.parametrize("checked", ["", " NOT VALID"])
    def test_by_one_column(self, world: World, found: Detect, checked: str) -> None:
        world.sql(self.PERSONS)
        world.sql(f"ALTER TABLE person_ext ADD FOREIGN KEY (person_id) REFERENCES person{checked}")

        assert list(found("person", "person_ext")) == ["person_ext.person_id -> person.person_id"]

    @pytest.mark.parametrize("checked", ["", " NOT VALID"])
    def test_by_several(self, world: World, found: Detect, checked: str) -> None:
        world.sql(self.GIFTS)
        world.sql(f"ALTER TABLE gifts ADD FOREIGN KEY (order_id, line_no) REFERENCES order_lines{checked}")

        together = [each for each in found("order_lines", "gifts") if "," in each]

        assert together == ["gifts.order_id,line_no -> order_lines.order_id,line_no"]

    def test_and_may_refer_elsewhere(self, world: World, found: Detect) -> None:
        world.sql(self.PERSONS)
        world.sql("CREATE TABLE person_party (person_party_id int PRIMARY KEY, person_id int UNIQUE)")
        world.sql("INSERT INTO person_party SELECT n, 301 - n FROM generate_series(1, 300) n")
        world.sql("ALTER TABLE person_ext ADD FOREIGN KEY (person_id) REFERENCES person")

        pairs = found("person", "person_ext", "person_party")

        assert "person_party.person_id -> person.person_id" in pairs
        assert "person_ext.person_id -> person.person_id" in pairs


class TestAPartition:
    DIMS = "CREATE TABLE dims (dim_id int PRIMARY KEY, label text); INSERT INTO dims SELECT generate_series(1, 50)"

    def test_inherits_what_its_table_enforces(self, world: World, found: Detect) -> None:
        world.sql(self.DIMS)
        world.sql("CREATE TABLE facts (day date, dim_id int REFERENCES dims) PARTITION BY RANGE (day)")
        world.sql("CREATE TABLE facts_24 PARTITION OF facts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')")
        world.sql("INSERT INTO facts SELECT '2024-01-01'::date + n, n %% 50 + 1 FROM generate_series(0, 300) n")

        key = found("dims", "facts_24")["facts_24.dim_id -> dims.dim_id"]

        assert (key.method, key.confidence) == (DetectionMethod.DECLARED, 1.0)

    def test_of_the_parent_is_not_what_the_key_names(self, world: World, found: Detect) -> None:
        """A row may refer to any of the partitions."""
        world.sql("CREATE TABLE dims (dim_id int PRIMARY KEY) PARTITION BY RANGE (dim_id)")
        world.sql("CREATE TABLE dims_1 PARTITION OF dims FOR VALUES FROM (1) TO (100)")
        world.sql("CREATE TABLE dims_2 PARTITION OF dims FOR VALUES FROM (100) TO (200)")
        world.sql("INSERT INTO dims SELECT generate_series(1, 199)")
        world.sql("CREATE TABLE facts (day date, dim_id int REFERENCES dims) PARTITION BY RANGE (day)")
        world.sql("CREATE TABLE facts_24 PARTITION OF facts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')")
        world.sql("INSERT INTO facts SELECT '2024-01-01'::date + n, n %% 199 + 1 FROM generate_series(0, 300) n")

        pairs = found("dims", "dims_1", "dims_2", "facts", "facts_24")

        assert [pair for pair, each in pairs.items() if each.method is DetectionMethod.DECLARED] == [
            "facts.dim_id -> dims.dim_id",
            "facts_24.dim_id -> dims.dim_id",
        ]


class TestAChildWhoseColumnsAreAKey:
    @pytest.mark.parametrize(
        "key", ["PRIMARY KEY (order_id, line_no)", "UNIQUE (line_no, order_id)", "UNIQUE (line_no)"]
    )
    def test_refers_once_however_few_its_rows(self, world: World, found: Detect, key: str) -> None:
        world.sql(LINES)
        world.sql(f"CREATE TABLE notes (order_id int, line_no int, {key}, "
                  "CONSTRAINT of_line FOREIGN KEY (order_id, line_no) REFERENCES order_lines)")  # fmt: skip
        world.sql("INSERT INTO notes VALUES (1, 1), (1, 2), (2, 3)")

        pair = found("order_lines", "notes")["notes.order_id,line_no -> order_lines.order_id,line_no"]

        assert pair.type is RelationshipType.ONE_TO_ONE

    def test_refers_often_where_none_is_unique(self, world: World, found: Detect) -> None:
        world.sql(LINES)
        world.sql("CREATE TABLE notes (note_id int PRIMARY KEY, order_id int, line_no int, "
                  "CONSTRAINT of_line FOREIGN KEY (order_id, line_no) REFERENCES order_lines)")  # fmt: skip
        world.sql("INSERT INTO notes VALUES (1, 1, 1), (2, 1, 2), (3, 2, 3)")

        pair = found("order_lines", "notes")["notes.order_id,line_no -> order_lines.order_id,line_no"]

        assert pair.type is RelationshipType.MANY_TO_ONE


class TestWhatIsClaimedOfFewValues:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ("(7)", "the only value of orders.person_id is in persons.person_id"),
            ("(8), (8)", "the only value of orders.person_id is not in persons.person_id"),
            ("(NULL)", "orders.person_id holds no value"),
        ],
    )
    def test_reads_well(self, world: World, found: Detect, values: str, said: str) -> None:
        world.sql("CREATE TABLE persons (person_id int PRIMARY KEY); INSERT INTO persons VALUES (7)")
        world.sql(f"CREATE TABLE orders (person_id int); INSERT INTO orders VALUES {values}")
        world.sql("ALTER TABLE orders ADD FOREIGN KEY (person_id) REFERENCES persons NOT VALID")

        assert said in found("persons", "orders")["orders.person_id -> persons.person_id"].evidence
