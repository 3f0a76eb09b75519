"""Relationships inferred from values and names alone."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.matching.relationships.detect import detect
from dataops_defs.matching.relationships.profiles import TableProfile
from tests.matching.relationships.made import Made

NUMBERS = range(1, 201)


def picked(values: range | list[str], rows: int, seed: int = 1) -> list[object]:
    chooser = random.Random(seed)
    return [chooser.choice(values) for _ in range(rows)]


def shop(orders_customer: str = "customer_id", customer_key: str = "customer_id") -> dict[str, dict[str, list[object]]]:
    return {
        "customers": {customer_key: list(NUMBERS), "name": [f"Name {n}" for n in NUMBERS]},
        "orders": {"order_id": list(range(1, 801)), orders_customer: picked(NUMBERS, 800)},
    }


class TestAColumnThatNamesATable:
    @pytest.mark.parametrize(
        ("column", "key"),
        [
            ("customer_id", "customer_id"),
            ("customer_id", "id"),
            ("CustomerID", "Id"),
            ("cust_no", "customer_no"),
            ("custkey", "custkey"),
            ("fk_customer", "pk_customer"),
            ("id_customer", "id"),
            ("billing_customer_id", "customer_id"),
            ("customer_id_old", "id"),
            ("buyer_id", "id"),
        ],
    )
    def test_is_found_however_it_is_written(self, column: str, key: str) -> None:
        found = Made(shop(column, key)).found()

        assert list(found) == [f"orders.{column} -> customers.{key}"]

    def test_is_not_found_where_its_values_are_not(self) -> None:
        tables = shop()
        tables["orders"]["customer_id"] = picked(range(5001, 5201), 800)

        assert Made(tables).found() == {}

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10_000), orphans=st.integers(0, 60))
    def test_is_less_sure_with_every_orphan(self, seed: int, orphans: int) -> None:
        """Confidence never rises when more rows have no parent."""
        confidences = []
        for share in (0, orphans, min(100, orphans + 30)):
            tables = shop()
            lost = [n + 300 if n % 100 < share else n for n in picked(NUMBERS, 800, seed)]
            tables["orders"]["customer_id"] = lost
            confidences.append(Made(tables).found(0).get("orders.customer_id -> customers.customer_id", 0.0))

        assert confidences == sorted(confidences, reverse=True)
        assert confidences[0] >= 0.9

    def test_that_is_empty_refers_to_nothing(self) -> None:
        tables = shop()
        tables["orders"]["customer_id"] = [None] * 800

        assert Made(tables).found(0.01) == {}


class TestNumbersInNames:
    def test_tell_tables_apart(self) -> None:
        star = {
            f"dim{n}": {f"dim{n}_id": list(NUMBERS), "title": [f"{n} {each}" for each in NUMBERS]} for n in (1, 2, 3)
        }
        facts = {"fact_id": list(range(1, 3001)), **{f"dim{n}_id": picked(NUMBERS, 3000, n) for n in (1, 2, 3)}}

        found = Made({**star, "facts": facts}).found()

        assert set(found) == {f"facts.dim{n}_id -> dim{n}.dim{n}_id" for n in (1, 2, 3)}
        assert min(found.values()) >= 0.95

    def test_tell_many_tables_apart(self) -> None:
        tables = {f"t{n}": {f"t{n}_id": list(NUMBERS), "v": [f"{n} {each}" for each in NUMBERS]} for n in range(30)}
        links = {"t_m_id": list(range(1, 1001)), "t3_id": picked(NUMBERS, 1000), "t14_id": picked(NUMBERS, 1000, 2)}

        found = Made({**tables, "t_m": links}).found()

        assert set(found) == {"t_m.t3_id -> t3.t3_id", "t_m.t14_id -> t14.t14_id"}

    def test_of_a_column_may_say_which(self) -> None:
        tables = {
            "addresses": {"address_id": list(NUMBERS), "street": [f"S {n}" for n in NUMBERS]},
            "orders": {
                "order_id": list(range(1, 801)),
                "address1_id": picked(NUMBERS, 800),
                "address_id_2": picked(NUMBERS, 800, 2),
            },
        }

        assert set(Made(tables).found(0.8)) == {
            "orders.address1_id -> addresses.address_id",
            "orders.address_id_2 -> addresses.address_id",
        }

    def test_names_in_other_letters_are_read_too(self) -> None:
        tables = {
            "клиенты": {"клиент_id": list(NUMBERS), "имя": [f"N {n}" for n in NUMBERS]},
            "заказы": {"заказ_id": list(range(1, 801)), "клиент_id": picked(NUMBERS, 800)},
        }

        assert set(Made(tables).found(0.8)) == {"заказы.клиент_id -> клиенты.клиент_id"}


class TestATextInPlaceOfAKey:
    def sales(self, **more: list[object]) -> dict[str, dict[str, list[object]]]:
        names = [f"Product {n}" for n in NUMBERS]
        return {
            "products": {"product_id": list(NUMBERS), "product_name": names},
            "sales": {"sale_id": list(range(1, 801)), "product_name": picked(names, 800), **more},
        }

    def test_is_found_where_it_is_all_that_names_a_row(self) -> None:
        assert list(Made(self.sales()).found()) == ["sales.product_name -> products.product_name"]

    def test_is_a_copy_where_the_key_is_there_too(self) -> None:
        tables = self.sales(product_id=picked(NUMBERS, 800))

        assert list(Made(tables).found()) == ["sales.product_id -> products.product_id"]

    def test_is_none_where_names_repeat_or_are_missing(self) -> None:
        for change in (lambda name: name.replace("Product 1", "Product 2"), lambda name: f"Old {name}"):
            tables = self.sales()
            tables["products"]["product_name"] = [change(str(name)) for name in tables["products"]["product_name"]]

            assert Made(tables).found() == {}


class TestNumbersThatMerelyOverlap:
    def test_are_no_relationship(self) -> None:
        """1 to n is found in every key that counts from 1: the names must speak then."""
        tables = {
            "customers": {"customer_id": list(range(1, 301)), "age": picked(range(18, 90), 300)},
            "products": {"product_id": list(range(1, 101)), "stock": picked(range(1, 100), 100)},
            "invoices": {
                "invoice_id": list(range(1, 501)),
                "lines": picked(range(1, 12), 500),
                "weekday": picked(range(1, 8), 500),
                "batch": picked(range(1, 101), 500),
            },
        }

        assert Made(tables).found(0.15) == {}

    def test_are_none_to_themselves_when_the_parent_is_not_among_the_tables(self) -> None:
        orders = {"orders": {"order_id": list(range(1, 801)), "customer_id": picked(NUMBERS, 800)}}

        assert Made(orders).found() == {}


class TestAParent:
    def test_is_one_only_and_the_one_whose_name_fits(self) -> None:
        tables = {
            "film": {"film_id": list(range(1, 101)), "title": [f"Film {n}" for n in range(100)]},
            "film_text": {"film_id": list(range(1, 101)), "words": [f"w {n}" for n in range(100)]},
            "rental": {"rental_id": list(range(1, 501)), "film_id": picked(range(1, 101), 500)},
        }

        found = Made(tables).found()

        assert "rental.film_id -> film.film_id" in found
        assert [each for each in found if each.startswith("rental.")] == ["rental.film_id -> film.film_id"]
        assert "film.film_id -> film_text.film_id" not in found

    def test_never_refers_back(self) -> None:
        codes = [f"{random.Random(n).getrandbits(60):015x}" for n in range(200)]

        found = Made({"t1": {"c1": codes}, "t2": {"c1": codes[::-1]}}).found(0)

        assert len(found) == 1

    def test_may_be_the_same_table(self) -> None:
        staff = {
            "employees": {
                "employee_id": list(range(1, 101)),
                "name": [f"N {n}" for n in range(100)],
                "manager_id": [None, *picked(range(1, 30), 99)],
            }
        }

        assert list(Made(staff).found()) == ["employees.manager_id -> employees.employee_id"]

    def test_is_found_by_its_values_where_names_say_nothing(self) -> None:
        codes = [f"{random.Random(n).getrandbits(60):015x}" for n in range(200)]
        tables = {"t1": {"c1": codes, "c2": picked(range(9), 200)}, "t2": {"c1": picked(codes, 900)}}

        named = {"parts": {"part": codes}, "stock": {"part": picked(codes, 900)}}
        assert 0.5 <= Made(tables).found()["t2.c1 -> t1.c1"] <= Made(named).found()["stock.part -> parts.part"]

    def test_does_not_need_all_values_to_be_looked_at(self) -> None:
        tables = {
            "customers": {"customer_id": list(range(1, 20_001))},
            "orders": {"order_id": list(range(1, 3001)), "customer_id": picked(range(1, 20_001), 3000)},
            "vips": {"vip_id": list(range(1, 41)), "customer_id": picked(range(1, 20_001), 40)},
        }

        made = Made(tables, size=300)

        assert set(made.found(0.8)) == {
            "orders.customer_id -> customers.customer_id",
            "vips.customer_id -> customers.customer_id",
        }


class TestACompositeKey:
    HOURS = [(station, hour) for station in ("north", "south", "west") for hour in range(100)]

    def weather(self) -> dict[str, dict[str, list[object]]]:
        chosen = picked(list(range(300)), 900)  # type: ignore[arg-type]
        return {
            "weather": {
                "station": [station for station, _ in self.HOURS],
                "hour": [hour for _, hour in self.HOURS],
                "wind": picked(range(40), 300),
            },
            "trips": {
                "trip_id": list(range(1, 901)),
                "station": [self.HOURS[place][0] for place in chosen],  # type: ignore[call-overload]
                "hour": [self.HOURS[place][1] for place in chosen],  # type: ignore[call-overload]
            },
        }

    def test_is_found_as_one(self) -> None:
        assert list(Made(self.weather()).found(0.8)) == ["trips.station,hour -> weather.station,hour"]

    @pytest.mark.parametrize(
        ("table", "first", "second"), [("countries", "code", "region"), ("dept", "no", "unit_code")]
    )
    def test_is_found_where_its_columns_are_called_after_the_table(self, table: str, first: str, second: str) -> None:
        stations, hours = zip(*self.HOURS, strict=True)
        one = table.removesuffix("ries") + "ry" if table.endswith("ries") else table
        tables: dict[str, dict[str, list[object]]] = {
            table: {first: list(stations), second: list(hours), "label": ["same"] * 300},
            "cities": {
                "id": list(range(900)),
                f"{one}_{first}": list(stations * 3),
                f"{one}_{second}": list(hours * 3),
            },
        }

        found = f"cities.{one}_{first},{one}_{second} -> {table}.{first},{second}"
        assert Made(tables).found(0.8).keys() == {found}

    def test_is_not_found_where_the_pairs_are_others(self) -> None:
        """Every station and every hour is there, but never together."""
        stations = ("north", "south", "west")
        pairs = [(station, hour, (place + hour) % 3) for place, station in enumerate(stations) for hour in range(99)]
        seen, unseen = ([pair for pair in pairs if (pair[2] == 0) is wanted] for wanted in (False, True))
        tables = {
            name: {"station": [station for station, _, _ in rows], "hour": [hour for _, hour, _ in rows]}
            for name, rows in (("weather", seen), ("trips", unseen * 3))
        }

        assert "trips.station,hour -> weather.station,hour" not in Made(tables).found(0)

    def test_is_less_sure_with_orphans(self) -> None:
        tables = self.weather()
        pair = "trips.station,hour -> weather.station,hour"
        sure = Made(tables).found(0)[pair]
        tables["trips"]["hour"] = [hour + 100 if n % 4 == 0 else hour for n, hour in enumerate(tables["trips"]["hour"])]  # type: ignore[operator]

        assert Made(tables).found(0)[pair] < sure


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(["customers", "orders", "regions", "products", "east", "west", "moves"]))
def test_the_order_of_tables_changes_nothing(order: list[str]) -> None:
    codes = [f"{random.Random(n).getrandbits(40):010x}" for n in range(100)]
    tables = shop() | {
        "regions": {"region_id": list(range(1, 6)), "name": ["a", "b", "c", "d", "e"]},
        "products": {"product_id": list(range(1, 61)), "region_id": picked(range(1, 6), 60)},
        # Two that are as likely as each other.
        "east": {"code": codes},
        "west": {"code": codes},
        "moves": {"code": picked(codes, 500)},
    }
    made = Made(tables)
    by_name: dict[str, TableProfile] = {each.name: each for each in made.profiles()}

    assert detect([by_name[name] for name in order], made) == detect(made.profiles(), made)
