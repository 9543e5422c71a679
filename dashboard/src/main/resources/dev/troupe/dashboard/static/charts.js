// The line charts. Chart.js draws; colours come from the style sheet, so both schemes fit.
import { make, setText, whenChanged } from './dom.js';
import { number, signed, words } from './format.js';

const REWARDS = 'rewards.';

/** What a score is the sum of, where that is more than one reward; parts of a reward are not among them. */
function rewards(series) {
  const names = Object.keys(series.metrics).filter((name) => name.startsWith(REWARDS));
  const whole = names.filter((name) => !names.some((other) => name.startsWith(`${other}.`)));
  return whole.length > 1 ? whole : [];
}

/** The cards in their order. A card without data is not shown; the rest goes under "More metrics". */
const CARDS = [
  { title: 'Score', metrics: ['score'], hint: 'mean per response' },
  { title: 'Rewards', metrics: rewards, hint: 'mean of each, without its weight', label: (name) => name.replace(REWARDS, '') },
  { title: 'Rule satisfied', metrics: ['ruleSatisfied', 'heldOutRuleSatisfied'], hint: 'share of the answers', percent: true },
  { title: 'Constant groups', metrics: ['constantGroups'], hint: 'teach nothing', percent: true },
  { title: 'Accuracy', metrics: ['accuracy'], hint: 'pairs ranked right', percent: true },
  { title: 'Loss', metrics: ['loss', 'policyLoss', 'valueLoss', 'heldOutLoss'] },
  { title: 'KL to the reference', metrics: ['kl'], hint: 'per response' },
  { title: 'Margin', metrics: ['margin'], hint: 'chosen over rejected' },
  { title: 'Response length', metrics: ['responseLength'], hint: 'tokens' },
  { title: 'Tokens per second', metrics: ['tokensPerSecond'] },
  { title: 'Rounds that answers are old', metrics: ['staleness'] },
  { title: 'Answers that wait to be learned from', metrics: ['answersWaiting'] },
  { title: 'Share of time', phases: true, hint: 'per step' },
];
const PHASES = ['generate', 'score', 'train', 'flip'];
const SMOOTH_FROM = 24;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (index) => css(`--series-${(index % 6) + 1}`);

function points(line, scale = 1) {
  return line.steps.map((x, i) => ({ x, y: line.values[i] === null ? null : line.values[i] * scale }));
}

/** Mean over the neighbours on both sides, so that it does not lag; gaps are left alone. */
function smooth(data) {
  const reach = Math.max(2, Math.round(data.length / 30));
  return data.map(({ x, y }, i) => {
    if (y === null) return { x, y };
    // The same reach on both sides, half of it at the ends.
    const side = Math.max(Math.ceil(reach / 2), Math.min(reach, i, data.length - 1 - i));
    const near = data.slice(Math.max(0, i - side), i + side + 1).filter((p) => p.y !== null);
    return { x, y: near.reduce((sum, p) => sum + p.y, 0) / near.length };
  });
}

function line(label, data, index, extra = {}) {
  return {
    label, data, borderColor: colour(index), backgroundColor: colour(index), borderWidth: 2,
    pointRadius: data.length === 1 ? 3 : 0, pointHoverRadius: 4, pointHitRadius: 8,
    // A step without a number is a gap; a line along the edge keeps its width.
    tension: 0.2, spanGaps: false, clip: 3, ...extra,
  };
}

const metricsOf = ({ metrics = [] }, series) => (typeof metrics === 'function' ? metrics(series) : metrics);

function metricDatasets(card, series) {
  // In PPO "loss" is policyLoss once more, less the entropy bonus.
  const scale = card.percent ? 100 : 1;
  const label = card.label ?? words;
  const present = metricsOf(card, series).filter((name) => series.metrics[name] && !(name === 'loss' && series.metrics.policyLoss));
  if (present.length === 1) {
    const data = points(series.metrics[present[0]], scale);
    const soft = colour(0) + '5c';
    if (data.length < SMOOTH_FROM) return [line(words(present[0]), data, 0)];
    return [
      line('smoothed', smooth(data), 0, { order: 0 }),
      line('value', data, 0, { borderColor: soft, backgroundColor: soft, borderWidth: 1.25, order: 1 }),
    ];
  }
  return present.map((name, i) => line(label(name), points(series.metrics[name], scale), i));
}

function phaseDatasets(series) {
  const names = Object.keys(series.phases).sort((a, b) => rank(a) - rank(b));
  if (names.length === 0) return [];
  const total = new Map();
  for (const name of names) {
    series.phases[name].steps.forEach((step, i) => {
      total.set(step, (total.get(step) ?? 0) + (series.phases[name].values[i] ?? 0));
    });
  }
  return names.map((name, i) => {
    const own = new Map(series.phases[name].steps.map((step, j) => [step, series.phases[name].values[j] ?? 0]));
    const data = [...total.keys()].sort((a, b) => a - b).map((x) => ({
      x, y: total.get(x) > 0 ? (100 * (own.get(x) ?? 0)) / total.get(x) : 0,
    }));
    return line(words(name), data, phaseColour(name, i), {
      fill: i === 0 ? 'origin' : '-1', borderWidth: 1, tension: 0,
      backgroundColor: colour(phaseColour(name, i)) + 'b8',
    });
  });
}

const rank = (name) => (PHASES.includes(name) ? PHASES.indexOf(name) : PHASES.length);
const phaseColour = (name, index) => (PHASES.includes(name) ? PHASES.indexOf(name) : index);

/** An axis label: as a number, without zeros that say nothing. */
const tick = (value) => signed(value).replace(/(\.\d*?)0+(?=$|[^\d])/, '$1').replace(/\.(?=$|[^\d])/, '');

function options(card) {
  const percent = card.percent || card.phases;
  const grid = { color: css('--grid'), drawTicks: false };
  const ticks = { color: css('--muted'), maxTicksLimit: 5, padding: 6, font: { size: 11 } };
  return {
    responsive: true, maintainAspectRatio: false, animation: false, normalized: true,
    interaction: { mode: 'index', intersect: false, axis: 'x' },
    scales: {
      x: { type: 'linear', grid: { display: false }, border: { color: css('--grid') }, ticks: { ...ticks, precision: 0, maxRotation: 0 } },
      y: {
        // A share ends at 100 %, whatever room its line has below.
        stacked: Boolean(card.phases), min: card.phases ? 0 : undefined, max: percent ? 100 : undefined,
        grid, border: { display: false }, grace: percent ? 0 : '4%',
        ticks: { ...ticks, callback: (value) => tick(value) + (percent ? ' %' : '') },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        backgroundColor: css('--tip'), titleColor: css('--tip-text'), bodyColor: css('--tip-text'), padding: 10,
        cornerRadius: 8, boxPadding: 4, usePointStyle: true, titleFont: { weight: '500' },
        callbacks: {
          title: (items) => `step ${items[0]?.parsed.x ?? ''}`,
          label: (item) => ` ${item.dataset.label}  ${signed(item.parsed.y)}${percent ? ' %' : ''}`,
        },
      },
    },
  };
}

/** One card: title, the newest value, a chart, and words for those who do not see it. */
class ChartCard {
  constructor(card) {
    this.card = card;
    this.value = make('span', { class: 'value' });
    this.legend = make('ul', { class: 'keys' });
    this.canvas = make('canvas', { role: 'img' });
    this.element = make('section', { class: 'card chart' },
      make('header', {},
        make('h3', {}, card.title, card.hint ? make('small', {}, card.hint) : ''),
        this.value),
      make('div', { class: 'plot' }, this.canvas),
      this.legend);
    this.drawLegend = whenChanged((keys) => this.legend.replaceChildren(...keys.map(([label, tone, value]) => {
      const dot = make('i', { 'aria-hidden': 'true' });
      dot.style.background = tone;
      return make('li', {}, dot, `${label} `, make('b', {}, value));
    })));
  }

  draw(datasets, scale) {
    const unit = this.card.percent || this.card.phases ? ' %' : '';
    // The newest, be it a number or none.
    const last = (set) => set.data.at(-1)?.y ?? null;
    const shown = (set) => (last(set) === null ? signed(null) : signed(last(set)) + unit);
    const raw = datasets.find((set) => set.label === 'value') ?? datasets[0];
    const several = datasets.length > 1 && !datasets.some((set) => set.label === 'value');
    setText(this.value, several ? '' : shown(raw));
    this.drawLegend(several ? datasets.map((set) => [set.label, set.borderColor, shown(set)]) : []);
    this.canvas.setAttribute('aria-label', `${this.card.title} over steps; newest: `
      + (several ? datasets : [raw]).map((set) => `${several ? set.label + ' ' : ''}${shown(set)}`).join(', '));
    if (!this.chart) {
      this.chart = new Chart(this.canvas, { type: 'line', data: { datasets }, options: options(this.card) });
    }
    const chart = this.chart;
    const same = chart.data.datasets.length === datasets.length
      && chart.data.datasets.every((set, i) => set.label === datasets[i].label);
    if (same) datasets.forEach((set, i) => Object.assign(chart.data.datasets[i], set));
    else chart.data.datasets = datasets;
    chart.options.scales.x.min = scale.min;
    chart.options.scales.x.max = scale.max;
    chart.update();
  }

  recolour() {
    this.chart?.destroy();
    this.chart = undefined;
  }
}

/** All charts of the chosen stage. */
export class Charts {
  constructor(main, more, moreBox) {
    [this.main, this.more, this.moreBox] = [main, more, moreBox];
    this.cards = new Map();
    moreBox.addEventListener('toggle', () => this.last && this.draw(this.last));
  }

  draw(series) {
    this.last = series;
    const scale = extent(series);
    const main = [];
    const known = new Set(CARDS.flatMap((card) => metricsOf(card, series)));
    for (const card of CARDS) {
      const datasets = card.phases ? phaseDatasets(series) : metricDatasets(card, series);
      if (datasets.length > 0) main.push([this.card(card), datasets]);
    }
    const others = Object.keys(series.metrics)
      .filter((name) => !known.has(name) || (name === 'loss' && series.metrics.policyLoss));
    const more = others.map((name) => {
      const card = { title: words(name), metrics: [name], more: true };
      return [this.card(card), () => [line(card.title, points(series.metrics[name]), 0)]];
    });
    place(this.main, main.map(([card]) => card.element));
    place(this.more, more.map(([card]) => card.element));
    this.moreBox.hidden = more.length === 0;
    main.forEach(([card, datasets]) => card.draw(datasets, scale));
    // Hidden canvases have no size to draw in.
    if (this.moreBox.open) more.forEach(([card, datasets]) => card.draw(datasets(), scale));
  }

  card(card) {
    const key = `${card.more ? 'more ' : ''}${card.title}`;
    if (!this.cards.has(key)) this.cards.set(key, new ChartCard(card));
    return this.cards.get(key);
  }

  /** After a change of the colour scheme. */
  recolour() {
    this.cards.forEach((card) => card.recolour());
    if (this.last) this.draw(this.last);
  }
}

function extent(series) {
  let [min, max] = [Infinity, -Infinity];
  for (const { steps } of [...Object.values(series.metrics), ...Object.values(series.phases)]) {
    if (steps.length === 0) continue;
    min = Math.min(min, steps[0]);
    max = Math.max(max, steps[steps.length - 1]);
  }
  return min < max ? { min, max } : { min: min - 1, max: max + 1 };
}

function place(parent, elements) {
  if (parent.children.length === elements.length && elements.every((e, i) => parent.children[i] === e)) return;
  parent.replaceChildren(...elements);
}
