// The end of a run as the terminal tells it: measures before and after, win rates, samples, the account.
import { byId, make, show, whenChanged } from './dom.js';
import { duration, percent, signed, words } from './format.js';

const SHARES = ['ruleSatisfied', 'wellFormed', 'endedFraction', 'unscoredFraction', 'accuracy'];
const MEASURES = {
  score: 'Score', accuracy: 'Pairs ranked right', ruleSatisfied: 'Rule satisfied', wellFormed: 'Well formed',
  responseLength: 'Response length', endedFraction: 'Ended by itself',
};
/** Summaries of earlier versions do not say what a stage gives. */
const POLICY_STAGES = ['sft', 'ppo', 'dpo'];
const givesPolicy = ({ stage, gives }) => (gives === undefined ? POLICY_STAGES.includes(stage) : gives === 'policy');

/** A proportion with its interval. */
const proportion = (p) =>
  `${percent(p.share)} (95 %: ${(100 * p.low).toFixed(1)} to ${(100 * p.high).toFixed(1)}, n = ${p.total})`;
const isProportion = (value) => Number.isFinite(value?.share);
const measure = (key, value) => (isProportion(value) ? percent(value.share) : SHARES.includes(key) ? percent(value) : signed(value));
const figure = (value) => (value === undefined || value === null ? '' : isProportion(value) ? proportion(value) : signed(value));

function table(caption, heads, rows, extent = '') {
  return make('div', { class: `scroll ${extent}` }, make('table', { class: 'figures' },
    make('caption', {}, caption),
    make('thead', {}, make('tr', {}, ...heads.map((head, i) => make('th', { scope: 'col', class: i > 0 ? 'number' : undefined }, head)))),
    make('tbody', {}, ...rows.map(([name, ...cells]) => make('tr', {}, make('th', { scope: 'row' }, name),
      ...cells.map((cell) => make('td', { class: 'number' }, cell)))))));
}

/** What a stage starts from, and is compared with: what the one before made of the policy. */
const startOf = (stages, stage) =>
  stages.slice(0, stages.indexOf(stage)).findLast(givesPolicy)?.stage;

/** A score that is no sum of named rewards is the reward model's. */
const title = (key, keys) =>
  key === 'score' && !keys.some((other) => other.startsWith('rewards.')) ? 'Score (reward model)' : MEASURES[key] ?? words(key);

function measured(stage, start) {
  const [before, after] = [stage.before?.metrics ?? {}, stage.after?.metrics ?? {}];
  const order = Object.keys(MEASURES);
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort((a, b) => (order.indexOf(a) + 1 || order.length + 1) - (order.indexOf(b) + 1 || order.length + 1));
  if (keys.length === 0) return [];
  const rates = Object.entries({ winRate: `Win rate against ${start ? words(start) : 'the start'}`, oracleWinRate: 'Win rate by the oracle' }).filter(([key]) => isProportion(stage[key]))
    .map(([key, name]) => make('p', {}, `${name}: `, make('b', {}, proportion(stage[key]))));
  return [make('div', {}, table('On held-out prompts', ['', start ? `after ${words(start)}` : 'before', `after ${words(stage.stage)}`],
    keys.map((key) => [title(key, keys), measure(key, before[key]), measure(key, after[key])])), ...rates)];
}

function samples(stage) {
  const replies = stage.before?.replies ?? [];
  if (replies.length === 0) return [];
  return [make('div', { class: 'wide' }, make('h3', {}, 'Replies before and after'), ...replies.map(({ prompt, reply }, i) =>
    make('dl', { class: 'sample' },
      make('dt', {}, 'prompt'), make('dd', {}, prompt),
      make('dt', {}, 'before'), make('dd', {}, reply),
      make('dt', {}, 'after'), make('dd', {}, stage.after?.replies?.[i]?.reply ?? '–'))))];
}

const best = ({ best: kept }) => (kept?.metric ? `${words(kept.metric)} ${signed(kept.value)} after step ${kept.step}` : '');

const account = ({ stage, account: books }) => [words(stage), signed(books?.issued), signed(books?.trained),
  Object.entries(books?.dropped ?? {}).map(([why, count]) => `${count} ${why}`).join(', ') || 'none'];

/** Shows a summary, or nothing where the run has none yet. */
export const drawSummary = whenChanged((summary) => {
  const stages = summary?.stages ?? [];
  show(byId('summary'), stages.length > 0);
  byId('summary-parts').replaceChildren(
    ...stages.flatMap((stage) => measured(stage, startOf(stages, stage))),
    table('Account of samples', ['', 'issued', 'trained', 'dropped'], stages.map(account)),
    table('Stages', ['', 'time', 'loss', 'held-out loss before', 'after', 'held-out accuracy', 'KL', 'best'], stages.map((stage) => [
      words(stage.stage) + (stage.stoppedEarly ? ' (stopped early)' : '') + (stage.cancelled ? ' (interrupted)' : ''), duration(stage.seconds), figure(stage.finalLoss),
      figure(stage.heldOutLossBefore), figure(stage.heldOutLossAfter), figure(stage.after?.accuracy ?? stage.accuracy), figure(stage.kl), best(stage)]), 'wide'),
    ...stages.flatMap(samples));
});
