"""Hostile transforms harm their own rows and nothing else."""

import logging
import os
import signal
from pathlib import Path

import pytest

from dataops_defs.adapters.javascript.engine import JavaScriptEngine, Limits
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import InvalidTransform

QUICK = Limits(seconds_per_row=0.1)
PEAK_MIB = 256

ENDLESS = [
    "(() => { while (true) {} })()",
    "[3, 2, 1].sort(() => { for (;;); })",
    "/^(a+)+$/.test('a'.repeat(40) + '!')",
    "/(.*)*x/.test('y'.repeat(60))",
    "({get a() { for (;;); }})",
    "({toJSON() { for (;;); }})",
    "(() => { throw {toString() { for (;;); }} })()",
    "(() => { try { for (;;); } catch { for (;;); } finally { for (;;); } })()",
    "`${(() => { for (;;); })()}`",
    "eval('for (;;);')",
    "new Proxy({}, {ownKeys() { for (;;); }})",
    "Array(1e9)",
    # Native code that the engine's own timer cannot cut.
    "'a'.repeat(2e7).indexOf('a'.repeat(1e7) + 'b')",
    "new Array(2e8).join('x')",
]
GREEDY = [
    "(() => { let a = []; for (;;) a.push(new Array(10000).fill(1)) })()",
    "(() => { let a = []; for (;;) a.push(new ArrayBuffer(1e7)) })()",
    "(() => { let s = 'xy'; for (;;) s = (s + s).toUpperCase() })()",
    "'x'.repeat(1e9)",
    "(function f() { return f() + 1 })()",
    "(() => { let o = {}, p = o; for (let i = 0; i < 1e5; i++) p = p.a = {}; return o })()",
    "Array.from({length: 3000}, () => 'x'.repeat(1e6))",
    "(() => { let a = 1; for (let i = 0; i < 99; i++) a = [a, a]; return a })()",
    "2n ** 200000000n",
]
FORBIDDEN = [
    "require('fs').readFileSync('/etc/passwd')",
    "std.loadFile('/etc/passwd') + os.getcwd()",
    "value.constructor.constructor('return process')().env",
    "new (class extends (() => {}).constructor {})('return process.env')()",
    "import('fs')",
    "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    "fetch('http://127.0.0.1/')",
]
POLLUTING = [
    "(Object.prototype.x = 1, value)",
    "(Array.prototype.push = () => 0, value)",
    "(JSON.parse = JSON.stringify = () => 'x', value)",
    "Object.defineProperty(String.prototype, 'isWellFormed', {value: () => true})",
    "(globalThis.leak ??= []).push(value)",
    "(trim = upper, value)",
    "Object.setPrototypeOf(Object.getPrototypeOf(function* () {}), {x: 1})",
    "Object.getPrototypeOf([].values()).next = () => 0",
    "row.v = 1",
    "row.constructor.constructor('return this')()",
]


def peak_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024


class TestARowThatTakesTooMuch:
    @pytest.mark.parametrize("expression", ENDLESS + GREEDY)
    def test_only_that_row_is_a_problem(self, expression, caplog):
        caplog.set_level(logging.CRITICAL)
        with JavaScriptEngine([Transform("p", "v", f"value === 2 ? {expression} : value")], QUICK) as engine:
            done = engine.run({"v": [0, 1, 2, 3, 4]}, 5)

            assert done.columns["p"] == [0, 1, None, 3, 4]
            assert [(problem.row, problem.property) for problem in done.problems] == [(2, "p")]
            assert engine.worker_pid is None or peak_mib(engine.worker_pid) <= PEAK_MIB

    def test_guilty_rows_in_a_large_batch_are_found_one_by_one(self):
        bomb = "'a'.repeat(2e7).indexOf('a'.repeat(1e7) + 'b')"
        values = list(range(5000))
        with JavaScriptEngine([Transform("p", "v", f"value % 2500 === 7 ? {bomb} : value")], QUICK) as engine:
            done = engine.run({"v": values}, len(values))

        assert [problem.row for problem in done.problems] == [7, 2507]
        assert [value for value in done.columns["p"] if value is not None] == [
            value for value in values if value % 2500 != 7
        ]

    def test_slow_rows_that_keep_within_the_limit_are_all_done(self, apply):
        done = apply("(() => { let n = 0; while (n < 2e5) n++; return value })()", list(range(60)), QUICK)

        assert done.columns["p"] == list(range(60))

    def test_other_properties_of_the_row_are_done(self):
        transforms = [Transform("bad", "v", "value ? (() => { for (;;); })() : 1"), Transform("good", "v", "value")]
        with JavaScriptEngine(transforms, QUICK) as engine:
            done = engine.run({"v": [0, 1, 0]}, 3)

        assert done.columns == {"bad": [1, None, 1], "good": [0, 1, 0]}

    def test_too_many_such_rows_stop_the_run_and_name_the_property(self, apply):
        limits = Limits(seconds_per_row=0.05, cut_rows=3)
        with pytest.raises(InvalidTransform, match=r"p: stopped after 4 rows .* took longer than 0.05 s"):
            apply("(() => { for (;;); })()", [1] * 10, limits)

    def test_memory_kept_by_promises_is_given_back(self, apply):
        keep = "(() => { const a = 'x'.repeat(2e7) + value; Promise.resolve().then(() => a.at(9)); return a.length })()"

        done = apply(keep, [1] * 6)

        assert done.columns["p"] == [20_000_001] * 6

    def test_a_long_column_of_long_results_fits(self, apply):
        done = apply("'x'.repeat(900000).length + value.repeat(900000)", ["y"] * 150)

        assert done.problems == []
        assert len(done.columns["p"]) == 150


class TestReachingOutside:
    @pytest.mark.parametrize("expression", FORBIDDEN)
    def test_there_is_nothing_to_reach(self, apply, expression):
        done = apply(expression, [1])

        assert done.columns["p"] == [None]
        assert len(done.problems) == 1

    def test_only_names_of_the_language_and_the_functions_exist(self, apply):
        (names,) = apply("Object.getOwnPropertyNames(globalThis)", [1]).columns["p"]

        assert not {"std", "os", "require", "process", "performance", "Atomics", "print"} & set(names)
        assert {"Date", "JSON", "trim", "parseDate"} <= set(names)


class TestPollution:
    @pytest.mark.parametrize("expression", POLLUTING)
    def test_it_reaches_neither_the_harness_nor_another_transform(self, expression):
        transforms = [
            Transform("bad", "v", expression),
            Transform("object", "v", "({a: [value]})"),
            Transform("named", "v", "trim"),
            Transform("row", "v", "row.v"),
            Transform("clean", "v", "({}).x === undefined && typeof leak === 'undefined'"),
        ]
        with JavaScriptEngine(transforms) as engine:
            for _ in range(2):
                done = engine.run({"v": [" a ", " b "]}, 2)

                assert done.columns["object"] == [{"a": [" a "]}, {"a": [" b "]}]
                assert done.columns["named"] == ["a", "b"]
                assert done.columns["row"] == [" a ", " b "]
                assert done.columns["clean"] == [True, True]
                assert {problem.property for problem in done.problems} <= {"bad"}

    def test_a_column_may_have_any_name(self):
        names = ["__proto__", "constructor", "toString", "a b", ""]
        transforms = [Transform(f"p{i}", name, f"row[{name!r}]") for i, name in enumerate(names)]
        with JavaScriptEngine(transforms) as engine:
            done = engine.run({name: [i] for i, name in enumerate(names)}, 1)

        assert done.problems == []
        assert list(done.columns.values()) == [[0], [1], [2], [3], [4]]


class TestLosingTheWorker:
    def test_a_killed_worker_is_replaced(self):
        with JavaScriptEngine([Transform("p", "v", "value + 1")]) as engine:
            engine.run({"v": [1]}, 1)
            first = engine.worker_pid
            os.kill(first, signal.SIGKILL)

            done = engine.run({"v": [1, 2]}, 2)

            assert done.columns["p"] == [2, 3]
            assert done.problems == []
            assert engine.worker_pid != first

    def test_a_worker_that_does_not_answer_is_replaced(self):
        with JavaScriptEngine([Transform("p", "v", "value + 1")], Limits(seconds_per_batch=0.5)) as engine:
            os.kill(engine.worker_pid, signal.SIGSTOP)

            assert engine.run({"v": [1, 2]}, 2).columns["p"] == [2, 3]
