"use strict";
// The harness around the transforms of one mapping. Evaluates to start(functions, now, seed), which answers with
// harness(op, …); all results leave as JSON text.
// The platform's objects are frozen before any text of a user is compiled, so no expression can reach the harness,
// another row or another transform through them.
(() => {
  const parse = JSON.parse, stringify = JSON.stringify;
  const compile = Function, SystemDate = Date;
  const LONGEST_TEXT = 1000000, ANSWER_SIZE = 2000000, DEEPEST = 100, DIGITS = 4000;
  const LARGEST = 10n ** BigInt(DIGITS);
  const HALF_CHARACTER = "half of a surrogate pair is no text";
  const EXACT = Number.MAX_SAFE_INTEGER;
  const TOO_LONG = `the result is longer than ${LONGEST_TEXT} characters`;

  // ---- what comes out

  function shown(value) {
    const words = typeof value === "string" ? stringify(value) : String(value);
    return words.length > 60 ? words.slice(0, 60) + "…" : words;
  }

  function described(error) {
    try {
      const words = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${shown(error)}`;
      return words.slice(0, 300).toWellFormed();
    } catch {
      return "thrown: a value that cannot be shown";
    }
  }

  // The engine throws a bare null when there is no memory left even for the error.
  const outOfMemory = (error) =>
    error === null || (error instanceof InternalError && error.message === "out of memory");

  const Plain = Object.prototype;
  const NO_JSON = [Promise, Map, Set, WeakMap, WeakSet, RegExp, Error, ArrayBuffer, DataView];

  function refuse(value) {
    throw new TypeError(`the result is a ${value}, which is no JSON value`);
  }

  // Beyond 2^53 a number is no exact whole number any more, and must not look like one.
  function number(value) {
    const json = stringify(value);
    return (value > EXACT || value < -EXACT) && /^-?\d+$/.test(json) ? `${json}.0` : json;
  }

  // JSON text of a list, an object or a BigInt. Unlike JSON.stringify it keeps BigInt, and refuses what would be lost.
  function written(value, depth) {
    switch (typeof value) {
      case "string":
        if (!value.isWellFormed()) throw new TypeError(HALF_CHARACTER);
        return stringify(value);
      case "number":
        return number(value);
      case "boolean":
        return stringify(value);
      case "undefined":
        return "null";
      case "bigint":
        if (value >= LARGEST || value <= -LARGEST) throw new RangeError(`a whole number of more than ${DIGITS} digits`);
        return value.toString();
      case "object":
        return value === null ? "null" : compound(value, depth + 1);
      default:
        return refuse(typeof value);
    }
  }

  function compound(value, depth) {
    if (depth > DEEPEST) throw new RangeError(`the result refers to itself or is nested more than ${DEEPEST} levels deep`);
    if (typeof value.toJSON === "function") return written(value.toJSON(), depth);
    if (Array.isArray(value)) {
      const parts = [];
      for (let i = 0; i < value.length; i++) parts[i] = written(value[i], depth);
      return `[${parts.join(",")}]`;
    }
    if (Object.getPrototypeOf(value) !== Plain) for (const kind of NO_JSON) if (value instanceof kind) refuse(kind.name);
    const parts = [];
    for (const key of Object.keys(value)) {
      const part = value[key];
      if (part !== undefined) parts.push(`${written(key, depth)}:${written(part, depth)}`);
    }
    return `{${parts.join(",")}}`;
  }

  // ---- a fixed clock and fixed chance

  let chance = 0;

  function fixClock(now) {
    function Date(...parts) {
      if (new.target === undefined) return new SystemDate(now).toString();
      if (new.target !== Date) return Reflect.construct(SystemDate, parts.length ? parts : [now], new.target);
      if (parts.length === 1) return new SystemDate(parts[0]);
      return parts.length ? new SystemDate(...parts) : new SystemDate(now);
    }
    Date.prototype = SystemDate.prototype;
    Date.prototype.constructor = Date;
    Date.parse = SystemDate.parse;
    Date.UTC = SystemDate.UTC;
    Date.now = () => now;
    globalThis.Date = Date;
    Math.random = () => {
      chance = (chance + 0x6d2b79f5) | 0;
      let mixed = Math.imul(chance ^ (chance >>> 15), 1 | chance);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  // ---- freezing

  const HIDDEN = [function* () {}, async function () {}, async function* () {}, [][Symbol.iterator](), new Map().entries(), new Set().values(), ""[Symbol.iterator](), "".matchAll(/a/g), [].values().map((x) => x), Int8Array];
  const CLOCKS_AND_THREADS = ["performance", "queueMicrotask", "Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry"];

  function freezeAll(functions) {
    for (const name of CLOCKS_AND_THREADS) delete globalThis[name];
    // In expressions parseInt and parseFloat are JavaScript's own.
    for (const name of Object.keys(functions)) if (!Object.hasOwn(globalThis, name)) globalThis[name] = functions[name];
    const seen = new Set(), todo = [globalThis, ...HIDDEN];
    while (todo.length) {
      const thing = todo.pop();
      if (thing === null || (typeof thing !== "object" && typeof thing !== "function") || seen.has(thing)) continue;
      seen.add(thing);
      todo.push(Object.getPrototypeOf(thing));
      for (const key of Reflect.ownKeys(thing)) {
        const property = Object.getOwnPropertyDescriptor(thing, key);
        todo.push(property.value, property.get, property.set);
      }
      Object.freeze(thing);
    }
  }

  function freezeDeep(value) {
    if (typeof value !== "object" || value === null) return value;
    for (const key of Object.keys(value)) freezeDeep(value[key]);
    return Object.freeze(value);
  }

  // ---- the harness

  return (functions, now, seed) => {
    const transforms = [];
    let columns = null, rows = null, first = 0;
    let values = [], texts = [], problems = [], size = 0;

    function add(column, name, source) {
      if (name !== "") return transforms.push([column, functions[name]]);
      // Both have to compile: text that closes the bracket of one breaks the other.
      try {
        compile("value", "row", `"use strict";return [\n${source}\n]`);
      } catch (error) {
        if (error.message.endsWith(": ']'") && !source.includes("]")) throw new SyntaxError("the expression is not complete");
        throw error;
      }
      return transforms.push([column, compile("value", "row", `"use strict";return (\n${source}\n)`)]);
    }

    function load(message) {
      const batch = parse(message);
      columns = batch.columns;
      first = batch.first;
      rows = null;
      if (batch.names === null) return;
      const names = batch.names, nested = parse(message).columns;
      rows = [];
      for (let i = 0; i < batch.rows; i++) {
        const row = { __proto__: null };
        for (const name of names) row[name] = freezeDeep(nested[name][i]);
        rows[i] = Object.freeze(row);
      }
    }

    function put(result, i) {
      switch (typeof result) {
        case "string":
          if (result.length > LONGEST_TEXT) throw new RangeError(TOO_LONG);
          size += result.length;
          break;
        case "number":
          if (result > EXACT || result < -EXACT) return putText(number(result), i);
          break;
        case "boolean":
        case "undefined":
          break;
        default:
          if (result !== null) return putText(written(result, 0), i);
      }
      values.push(result);
    }

    function putText(json, i) {
      if (json.length > LONGEST_TEXT) throw new RangeError(TOO_LONG);
      size += json.length;
      texts.push([i, json]);
      values.push(null);
    }

    function refuseHalfCharacters(start) {
      for (let i = 0; i < values.length; i++) {
        if (typeof values[i] !== "string" || values[i].isWellFormed()) continue;
        values[i] = null;
        problems.push([start + i, `TypeError: ${HALF_CHARACTER}`]);
      }
    }

    let begun = 0;

    function answer(status) {
      let json = stringify(values);
      // JSON.stringify escapes only the halves of pairs this way.
      if (json.includes("\\ud")) {
        refuseHalfCharacters(begun);
        json = stringify(values);
      }
      // join() makes one flat text; long concatenations are ropes, which the Python side cannot take.
      const parts = [status, '{"values":', json, ',"texts":', stringify(texts), ',"problems":', stringify(problems), "}"];
      return parts.join("");
    }

    function run(index, start, stop) {
      values = [], texts = [], problems = [], size = 0, begun = start;
      const [name, transform] = transforms[index];
      const column = columns[name];
      for (let i = start; i < stop && size < ANSWER_SIZE; i++) {
        let value = column[i];
        // Each transform gets a copy of its own, so that sort() and push() stay its own affair.
        if (typeof value === "object" && value !== null) value = parse(stringify(value));
        chance = seed ^ (first + i);
        try {
          put(transform(value, rows === null ? undefined : rows[i]), i);
        } catch (error) {
          if (outOfMemory(error)) return answer("M");
          problems.push([i, described(error)]);
          values.push(null);
        }
      }
      return answer("=");
    }

    fixClock(now);
    freezeAll(functions);
    return (op, a, b, c) => {
      switch (op) {
        case "add": return void add(a, b, c);
        case "load": return void load(a);
        case "run": return run(a, b, c);
        default: return answer("T");
      }
    };
  };
})()
