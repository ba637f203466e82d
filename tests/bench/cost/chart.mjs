// The chart of the cost: dollars of one person and month over the number of persons, both axes logarithmic.
// Holds: plain SVG that reads on light and dark ground, with the numbers written at the ends of the curves.
// Must never: show what was not computed from measured counts.
const [width, height] = [860, 420];
const [left, right, top, bottom] = [80, 700, 60, 360];
const colours = { ours: "#0f6cbd", peer: "#c2571a" };
const called = { ours: "this server", peer: "peer" };

const text = (x, y, content, more = "") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${content}</text>`;
const dollars = (value) => `$${value < 0.01 ? value.toFixed(4) : value < 1 ? value.toFixed(3) : value.toFixed(2)}`;

/** Both curves; each is a list of `{ users, dollars }`. */
export function costChart(curves, date) {
  const points = Object.values(curves).flat();
  const range = (values) => [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))];
  const [userRange, dollarRange] = [range(points.map(({ users }) => users)), range(points.map((point) => point.dollars))];
  const place = (value, [from, to], begin, end) => begin + ((Math.log10(value) - from) / (to - from)) * (end - begin);
  const x = (users) => place(users, userRange, left, right);
  const y = (value) => place(value, dollarRange, bottom, top);
  const steps = ([from, to]) => Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
  const grid = [
    ...steps(userRange).map((users) => `<line x1="${x(users).toFixed(1)}" x2="${x(users).toFixed(1)}" y1="${top}" y2="${bottom}" stroke="#808080" stroke-opacity="0.3"/>` +
      text(x(users), bottom + 20, users.toLocaleString("en"), 'text-anchor="middle"')),
    ...steps(dollarRange).map((value) => `<line x1="${left}" x2="${right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#808080" stroke-opacity="0.3"/>` +
      text(left - 8, y(value) + 4, dollars(value), 'text-anchor="end"')),
  ];
  // Names that would lie over each other go apart.
  const ends = Object.entries(curves).map(([name, curve]) => ({ name, last: curve.at(-1) })).sort((one, other) => y(one.last.dollars) - y(other.last.dollars));
  let below = -Infinity;
  const labels = ends.map(({ name, last }) => {
    below = Math.max(y(last.dollars) + 4, below + 18);
    return text(right + 8, below, `${called[name]}, ${dollars(last.dollars)}`, `fill="${colours[name]}"`);
  });
  const lines = Object.entries(curves).map(([name, curve]) =>
    `<polyline fill="none" stroke="${colours[name]}" stroke-width="2.5" points="${curve.map((point) => `${x(point.users).toFixed(1)},${y(point.dollars).toFixed(1)}`).join(" ")}"/>`);
  const title = `Dollars of a person and month over the number of persons, ${date}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="13" fill="#767676">
<title id="title">${title}</title>
${text(16, 24, title, 'font-size="16" font-weight="600"')}
${grid.join("\n")}
${lines.join("\n")}
${labels.join("\n")}
${text((left + right) / 2, bottom + 44, "persons", 'text-anchor="middle"')}
</svg>
`;
}
