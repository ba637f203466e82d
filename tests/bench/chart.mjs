// The chart of the benchmark: how much of the floor each target reaches, workload by workload.
// Holds: plain SVG that reads on light and dark ground, with the numbers written beside the bars and as text for screen readers.
// Must never: show what was not measured.

const width = 860;
const labelWidth = 300;
const barWidth = 400;
const barHeight = 12;
const rowHeight = 46;
const top = 64;
const colours = { ours: "#0f6cbd", peer: "#c2571a" };
const names = { ours: "this server", peer: "peer" };

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const text = (x, y, content, more = "") => `<text x="${x}" y="${y}" ${more}>${escape(content)}</text>`;
const number = (value) => Math.round(value).toLocaleString("en");

function bar(target, y, { perSecond }, floor) {
  const share = (value) => Math.min(value / floor.perSecond.median, 1.15) * barWidth;
  const [length, least, greatest] = [perSecond.median, perSecond.least, perSecond.greatest].map(share);
  const middle = y + barHeight / 2;
  const told = `${number(perSecond.median)}/s, ${Math.floor((perSecond.median / floor.perSecond.median) * 100)} %`;
  return [
    `<rect x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" fill="${colours[target]}"/>`,
    `<line x1="${(labelWidth + least).toFixed(1)}" x2="${(labelWidth + greatest).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#808080" stroke-width="2"/>`,
    text((labelWidth + Math.max(length, greatest) + 8).toFixed(1), y + barHeight - 1, told),
  ].join("\n");
}

function row(workload, index) {
  const { floor, ...targets } = workload.targets;
  const y = top + index * rowHeight;
  const [title, detail] = [workload.title, [workload.revision, workload.spread].filter(Boolean).join(", ")];
  const bars = Object.keys(names).filter((name) => targets[name])
    .map((name, place) => bar(name, y + place * (barHeight + 3), targets[name], floor));
  return [text(labelWidth - 10, y + 11, title, 'text-anchor="end"'), text(labelWidth - 10, y + 26, detail, 'text-anchor="end" opacity="0.7"'), ...bars].join("\n");
}

/** The chart as the text of an SVG file. */
export function chart({ closed, date }) {
  const shown = closed.filter(({ targets }) => targets.floor && targets.ours);
  const height = top + shown.length * rowHeight + 20;
  const title = `Requests per second as shares of the floor, ${date}`;
  const legend = Object.keys(names).map((name, index) =>
    `<rect x="${labelWidth + index * 130}" y="34" width="12" height="12" fill="${colours[name]}"/>${text(labelWidth + 18 + index * 130, 45, names[name])}`);
  const whole = `<line x1="${labelWidth + barWidth}" x2="${labelWidth + barWidth}" y1="${top - 8}" y2="${height - 12}" stroke="#808080" stroke-dasharray="4 4"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="13" fill="#767676">
<title id="title">${escape(title)}</title>
${text(16, 24, title, 'font-size="16" font-weight="600"')}
${legend.join("\n")}
${text(labelWidth + barWidth - 4, top - 14, "floor", 'text-anchor="end"')}
${whole}
${shown.map(row).join("\n")}
</svg>
`;
}
