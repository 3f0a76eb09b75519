"use strict";
// The functions a transform may name; evaluates to an object of them. dataops_defs/domain/transform.py describes them
// for people. Each gives null for null.
(() => {
  const parse = JSON.parse, stringify = JSON.stringify;
  const toInt = parseInt, toFloat = parseFloat;
  const SystemDate = Date;

  function shown(value) {
    const words = typeof value === "string" ? stringify(value) : String(value);
    return words.length > 60 ? words.slice(0, 60) + "…" : words;
  }

  // ---- numbers

  // Whole numbers beyond 2^53 stay exact: they become BigInt.
  const exact = (text, number) =>
    Number.isFinite(number) && !Number.isSafeInteger(number) && /^[+-]?\d{16,4000}$/.test(text) ? BigInt(text.replace("+", "")) : number;

  // parseInt: base 10, leading white space ignored, "12 kg" is 12; null for null and for text without a number.
  function wholeNumber(value) {
    if (typeof value === "number") return Math.trunc(value);
    const number = toInt(value, 10);
    if (number !== number) return null;
    if (number <= 9007199254740991 && number >= -9007199254740991) return number;
    return exact(/^\s*([+-]?\d+)/.exec(value)[1], number);
  }

  // parseFloat: "12.5 kg" is 12.5; null for null and for text without a number.
  function decimal(value) {
    const number = toFloat(value);
    return number === number ? number : null;
  }

  // toNumber: all of the text has to be one number; "" and null are null, else a TypeError.
  function toNumber(value) {
    if (value === null || typeof value === "number") return value;
    if (typeof value === "boolean") return value ? 1 : 0;
    const text = typeof value === "string" ? value.trim() : "?";
    if (text === "") return null;
    const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
    if (number !== number) throw new TypeError(`${shown(value)} is no number`);
    return exact(text, number);
  }

  // toBoolean: the usual words in any case, 1 and 0; "" and null are null, else a TypeError.
  const WORDS = new Map([
    ...["true", "t", "yes", "y", "on", "1"].map((word) => [word, true]),
    ...["false", "f", "no", "n", "off", "0"].map((word) => [word, false]),
    ["", null],
  ]);
  function toBoolean(value) {
    if (value === null || typeof value === "boolean") return value;
    const found = WORDS.get(String(value).trim().toLowerCase());
    if (found === undefined) throw new TypeError(`${shown(value)} is neither true nor false`);
    return found;
  }

  // ---- text: null stays null

  const text = (value) => (typeof value === "string" ? value : typeof value === "object" ? stringify(value) : String(value));
  const toText = (value) => (value === null ? null : text(value));
  const trim = (value) => (typeof value === "string" ? value.trim() : value);
  const upper = (value) => (value === null ? null : text(value).toUpperCase());
  const lower = (value) => (value === null ? null : text(value).toLowerCase());
  const nullIfEmpty = (value) => (typeof value === "string" && value.trim() === "" ? null : value);
  const title = (value) =>
    value === null ? null : text(value).replace(/\p{L}[\p{L}\p{M}\p{N}'’]*/gu, (word) => {
      const [first] = word;
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    });

  // A number of a JSON text. 17 digits tell every double apart, so one that has more says more than a double keeps.
  function told(text, number) {
    if (!Number.isFinite(number)) throw new RangeError(`${shown(text)} is beyond the largest number`);
    const whole = exact(text, number);
    if (typeof whole === "bigint" || Number.isSafeInteger(number)) return whole;
    const digits = text.replace(/[eE].*$/, "").replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");
    return digits.length > 17 ? text : number;
  }

  // parseJSON: "" and null are null, values that are no text are taken as they are, ill-formed text is a SyntaxError.
  // Numbers that a double does not keep become BigInt, or text where they have a fraction.
  function parseJSON(value) {
    if (typeof value !== "string") return value;
    if (value.trim() === "") return null;
    if (!/[\d.]{16}|[eE]\+?\d{3}/.test(value)) return parse(value);
    return parse(value, (_, part, context) => (typeof part === "number" ? told(context.source, part) : part));
  }

  // ---- dates

  const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
  const CLOCK = String.raw`(?:(?:[T ]|, ?)\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?`;
  // What JavaScript reads itself, and alike: the usual forms, without going through all patterns.
  const ISO = /^\d{4}-\d\d-\d\d(?:T(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?Z?)?$/;
  const form = (day, order) => [new RegExp(`^${day}${CLOCK}$`, "i"), ...order];
  // Each: the pattern, and which group is the year, the month and the day.
  const FORMS = [
    form(String.raw`(\d{4})-(\d{2})-(\d{2})`, [1, 2, 3]),
    form(String.raw`(\d{4})/(\d{1,2})/(\d{1,2})`, [1, 2, 3]),
    form(String.raw`(\d{4})(\d{2})(\d{2})`, [1, 2, 3]),
    form(String.raw`(\d{1,2})/(\d{1,2})/(\d{4})`, [3, 1, 2]),
    form(String.raw`(\d{1,2})\.(\d{1,2})\.(\d{4})`, [3, 2, 1]),
    form(String.raw`(?:[a-z]{3,9}, )?(\d{1,2})[ -]([a-z]{3,9})\.?[ -](\d{4})`, [3, 2, 1]),
    form(String.raw`(?:[a-z]{3,9}, )?([a-z]{3,9})\.? (\d{1,2}),? (\d{4})`, [3, 1, 2]),
  ];

  const unreadable = (value) => new RangeError(`${shown(value)} is no date that can be read`);

  function monthNumber(word) {
    const full = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    const lower = word.toLowerCase();
    if (lower === "sept") return 9;
    return lower.length === 3 ? MONTHS.indexOf(lower) + 1 : full.indexOf(lower) + 1;
  }

  // Minutes east of UTC; "Z", "UTC", "GMT" and nothing are 0.
  const offset = (zone) =>
    zone && /\d/.test(zone) ? (zone[0] === "-" ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) : 0;

  function hourOfDay(hour, half) {
    if (!half) return hour <= 23 ? hour : NaN;
    return hour >= 1 && hour <= 12 ? (hour % 12) + (half[0].toLowerCase() === "p" ? 12 : 0) : NaN;
  }

  function readDate(value) {
    const written = value.trim();
    if (ISO.test(written)) {
      const date = new SystemDate(written);
      if (date.getUTCDate() === Number(written.slice(8, 10))) return date;
    }
    for (const [pattern, y, m, d] of FORMS) {
      const found = pattern.exec(written);
      if (found === null) continue;
      const year = Number(found[y]), day = Number(found[d]);
      const month = /^\d/.test(found[m]) ? Number(found[m]) : monthNumber(found[m]);
      const [hour, minute, second, fraction, half, zone] = found.slice(4);
      const hours = hourOfDay(Number(hour ?? 0), half);
      if (hours !== hours) throw unreadable(value);
      const date = new SystemDate(0);
      date.setUTCFullYear(year, month - 1, day);
      if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw unreadable(value);
      if (Number(minute ?? 0) > 59 || Number(second ?? 0) > 59 || Math.abs(offset(zone)) > 840) throw unreadable(value);
      const thousandths = Number((fraction ?? "").slice(0, 3).padEnd(3, "0"));
      date.setUTCHours(hours, Number(minute ?? 0) - offset(zone), Number(second ?? 0), thousandths);
      return date;
    }
    throw unreadable(value);
  }

  // parseDate, toISODateTime: ISO 8601 text in UTC. MM/DD/YYYY has the month first, DD.MM.YYYY the day. null and ""
  // are null; what cannot be read, or is no day of the calendar, is a RangeError.
  function parseDate(value) {
    if (value === null || value === "") return null;
    const date = typeof value === "string" ? readDate(value) : new SystemDate(typeof value === "number" || value instanceof SystemDate ? value : NaN);
    if (Number.isNaN(date.getTime())) throw unreadable(value);
    return date.toISOString();
  }

  // toISODate: the date in UTC.
  function toISODate(value) {
    const moment = parseDate(value);
    return moment === null ? null : moment.slice(0, moment.indexOf("T"));
  }

  return {
    __proto__: null,
    parseInt: wholeNumber, parseFloat: decimal, toNumber, toBoolean, toString: toText, trim, upper, lower, title,
    nullIfEmpty, parseJSON, parseDate, toISODateTime: parseDate, toISODate,
  };
})()
