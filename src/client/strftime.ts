// Times as strftime writes them in the C locale, for the formats of `iothub sub -F` (`@Y-@m-@d`). Local time, as TZ says.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];

const CONVERSIONS: Readonly<Record<string, (time: Date) => string>> = {
  a: (time) => DAYS[time.getDay()].slice(0, 3),
  A: (time) => DAYS[time.getDay()],
  b: (time) => MONTHS[time.getMonth()].slice(0, 3),
  B: (time) => MONTHS[time.getMonth()],
  d: (time) => two(time.getDate()),
  D: (time) => written('m/d/y', time),
  e: (time) => String(time.getDate()).padStart(2, ' '),
  F: (time) => written('Y-m-d', time),
  H: (time) => two(time.getHours()),
  I: (time) => two(time.getHours() % 12 || 12),
  j: (time) => String(dayOfYear(time)).padStart(3, '0'),
  m: (time) => two(time.getMonth() + 1),
  M: (time) => two(time.getMinutes()),
  n: () => '\n',
  p: (time) => (time.getHours() < 12 ? 'AM' : 'PM'),
  R: (time) => written('H:M', time),
  s: (time) => String(Math.floor(time.getTime() / 1_000)),
  S: (time) => two(time.getSeconds()),
  t: () => '\t',
  T: (time) => written('H:M:S', time),
  u: (time) => String(time.getDay() || 7),
  w: (time) => String(time.getDay()),
  y: (time) => two(time.getFullYear() % 100),
  Y: (time) => String(time.getFullYear()),
  z: (time) => zone(time),
};

/** The letters there are. */
export const TIME_LETTERS: readonly string[] = Object.keys(CONVERSIONS);

/** What `%` and this letter stand for; one of TIME_LETTERS. */
export function timePart(letter: string, time: Date): string {
  return CONVERSIONS[letter](time);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function written(letters: string, time: Date): string {
  return letters.replaceAll(/[a-zA-Z]/g, (letter) => timePart(letter, time));
}

function dayOfYear(time: Date): number {
  const day = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return (day - Date.UTC(time.getFullYear(), 0, 0)) / 86_400_000;
}

function zone(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}
