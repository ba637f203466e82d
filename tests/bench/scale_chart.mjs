// The chart of growth: a small panel for each curve.
// Holds: plain SVG that reads on light and dark ground; sizes stand at equal distances with their numbers beneath, and
// every axis begins at zero.
// Must never: show what was not measured.

const panelWidth = 420;
const panelHeight = 230;
const plot = { left: 64, top: 62, width: 320, height: 120 };
const colours = ["#0f6cbd", "#c2571a", "#8a5cc2"];

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const text = (x, y, content, more = "") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escape(content)}</text>`;

/** The least of 1, 2, 5, 10, 20, 50 … that no value is above. */
export function axisEnd(values) {
  const greatest = Math.max(...values);
  for (let power = 10 ** Math.floor(Math.log10(greatest)); ; power *= 10) {
    const found = [1, 2, 5].map((step) => step * power).find((end) => end >= greatest);
    if (found !== undefined) return found;
  }
}

const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");

/** One panel: `labels` beneath the axis, `lines` of a name and a value for each label. */
function panel({ title, labels, lines }, place) {
  const [x0, y0] = [(place % 2) * panelWidth, 40 + Math.floor(place / 2) * panelHeight];
  const [left, bottom] = [x0 + plot.left, y0 + plot.top + plot.height];
  const end = axisEnd(lines.flatMap(({ values }) => values));
  const x = (index) => left + (labels.length === 1 ? 0 : (index / (labels.length - 1)) * plot.width);
  const y = (value) => bottom - (value / end) * plot.height;
  const grid = [0, end / 2, end].map((value) =>
    `<line x1="${left}" x2="${left + plot.width}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#808080" stroke-opacity="0.35"/>` +
    text(left - 8, y(value) + 4, short(value), 'text-anchor="end"'));
  const beneath = labels.map((label, index) => text(x(index), bottom + 18, label, 'text-anchor="middle"'));
  const drawn = lines.map(({ name, values }, index) => {
    const points = values.map((value, at) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const dots = points.map((point) => `<circle cx="${point.split(",")[0]}" cy="${point.split(",")[1]}" r="3" fill="${colours[index]}"/>`);
    const legend = `<rect x="${left + index * 120}" y="${y0 + 30}" width="10" height="10" fill="${colours[index]}"/>${text(left + 15 + index * 120, y0 + 39, name)}`;
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${colours[index]}" stroke-width="2"/>${dots.join("")}${legend}`;
  });
  return [text(x0 + 16, y0 + 18, title, 'font-weight="600"'), ...grid, ...beneath, ...drawn].join("\n");
}

const sizes = (points) => points.map(({ size }) => size.toLocaleString("en"));
const costs = (points) => [["tools/list", "list"], ["getEmails", "getEmails"]]
  .map(([name, kind]) => ({ name, values: points.map((point) => point[kind].cpuMs.median) }));
const delays = (points) => [["median", "p50"], ["p99", "p99"], ["largest", "max"]]
  .map(([name, key]) => ({ name, values: points.map(({ latencyMs }) => latencyMs[key]) }));

function panels({ ledger, sessions, people, streams }) {
  const when = ({ people: count, when: state }) => (state === "rested" ? "rested" : count.toLocaleString("en"));
  return [
    ledger && { title: "CPU of a request, ms, by entries in the ledger", labels: sizes(ledger.points), lines: costs(ledger.points) },
    sessions && { title: "CPU of a request, ms, by sessions of one user", labels: sizes(sessions.points), lines: costs(sessions.points) },
    people && {
      title: "Resident memory, MiB, by users so far", labels: people.points.map(when),
      lines: [{ name: "memory", values: people.points.map(({ memoryMiB }) => memoryMiB) }],
    },
    streams && { title: "From push to arrival, ms, by open streams", labels: sizes(streams.own), lines: delays(streams.own) },
  ].filter(Boolean);
}

/** The chart as the text of an SVG file. */
export function scaleChart(results) {
  const shown = panels(results);
  const height = 50 + Math.ceil(shown.length / 2) * panelHeight;
  const title = `What a request costs as everything grows, ${results.date}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${panelWidth * 2} ${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12" fill="#767676">
<title id="title">${escape(title)}</title>
${text(16, 24, title, 'font-size="16" font-weight="600"')}
${shown.map(panel).join("\n")}
</svg>
`;
}
