// One rollout in a dialog: its tokens coloured by a column of choice, and all columns as a table.
import { byId, make, setText } from './dom.js';
import { signed, words } from './format.js';

const COLUMNS = [
  { key: 'advantages', label: 'Advantage', diverging: true },
  { key: 'rewards', label: 'Reward', diverging: true },
  { key: 'values', label: 'Value', diverging: true },
  { key: 'drift', label: 'Logprob − reference', diverging: true },
  { key: 'logprobs', label: 'Logprob' },
  { key: 'refLogprobs', label: 'Reference logprob' },
];
const TABLE = ['logprobs', 'refLogprobs', 'values', 'rewards', 'advantages'];

let current;

/** Line ends and blanks that would not be seen. */
const visible = (token) => token.replace(/\n/g, '↵\n').replace(/\t/g, '⇥\t');
const label = (key) => COLUMNS.find((column) => column.key === key).label;

/** The largest absolute value, or 1 when all are zero. */
function reach(values) {
  return Math.max(...values.filter((v) => v !== null).map(Math.abs), 0) || 1;
}

/** Sets an element's tone: −1 … 1 when diverging, else 0 … 1. */
function tint(element, value, column, limit) {
  const share = value === null || value === undefined ? 0 : Math.max(-1, Math.min(1, value / limit));
  element.dataset.tone = share < 0 && column.diverging ? 'low' : column.diverging ? 'high' : 'plain';
  element.style.setProperty('--weight', `${Math.round(100 * Math.abs(share) ** 0.8)}%`);
}

function paint() {
  const column = COLUMNS.find(({ key }) => key === byId('colour').value);
  const values = current[column.key];
  const limit = reach(values);
  for (const [i, token] of [...byId('rollout-tokens').children].entries()) {
    tint(token, values[i], column, limit);
    token.title = TABLE.filter((key) => current[key].length > i)
      .map((key) => `${label(key)} ${signed(current[key][i])}`).join('\n');
  }
  byId('legend').dataset.kind = column.diverging ? 'diverging' : 'plain';
  setText(byId('legend-low'), column.diverging ? signed(-limit) : '0');
  setText(byId('legend-high'), column.diverging ? signed(limit) : signed(-limit));
}

function fill(rollout) {
  current = {
    ...rollout,
    drift: rollout.logprobs.length === rollout.refLogprobs.length
      ? rollout.logprobs.map((v, i) => (v === null || rollout.refLogprobs[i] === null ? null : v - rollout.refLogprobs[i]))
      : [],
  };
  setText(byId('rollout-title'), `${words(rollout.stage)}, step ${rollout.step}`);
  const facts = [['Score', signed(rollout.score)], ['Tokens', String(rollout.tokens.length)],
    ['Finish', rollout.finish], ['Adapter', `v${rollout.adapterVersion}`], ['Prompt', rollout.promptId]];
  byId('rollout-facts').replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) =>
    make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  setText(byId('rollout-prompt'), rollout.prompt);
  byId('rollout-tokens').replaceChildren(...rollout.tokens.map((token, i) =>
    make('span', { class: 'token', 'data-index': i }, visible(token) || '∅')));
  const present = COLUMNS.filter(({ key }) => current[key].length > 0);
  const chosen = byId('colour').value;
  byId('colour').replaceChildren(...present.map(({ key, label: text }) => make('option', { value: key }, text)));
  if (present.some(({ key }) => key === chosen)) byId('colour').value = chosen;
  const table = TABLE.filter((key) => current[key].length > 0);
  const limits = Object.fromEntries(table.map((key) => [key, reach(current[key])]));
  byId('token-table').tHead.replaceChildren(make('tr', {}, make('th', { scope: 'col', class: 'number' }, '#'),
    make('th', { scope: 'col' }, 'Token'), ...table.map((key) => make('th', { scope: 'col', class: 'number' }, label(key)))));
  byId('token-table').tBodies[0].replaceChildren(...rollout.tokens.map((token, i) => make('tr', {},
    make('td', { class: 'number faint' }, String(i + 1)),
    make('th', { scope: 'row' }, make('code', {}, visible(token).trimEnd() === '' ? token.replace(/ /g, '␣').replace(/\n/g, '↵') : visible(token))),
    ...table.map((key) => {
      const cell = make('td', { class: 'number tinted' }, signed(current[key][i]));
      tint(cell, current[key][i], COLUMNS.find((column) => column.key === key), limits[key]);
      return cell;
    }))));
  if (present.length > 0) paint();
  byId('legend').hidden = present.length === 0;
}

export async function open(id) {
  const response = await fetch(`/api/rollouts/${id}`);
  if (!response.ok) return;
  fill(await response.json());
  byId('rollout').showModal();
  byId('rollout').querySelector('.dialog-body').scrollTop = 0;
}

export function start() {
  const dialog = byId('rollout');
  byId('colour').addEventListener('change', paint);
  byId('rollout-close').addEventListener('click', () => dialog.close());
  // A click beside the dialog closes it.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
}
