// The page: fetches the run's view whenever the server says that it has changed, and shows it.
import { Charts } from './charts.js';
import { byId, make, setText, show, whenChanged } from './dom.js';
import { bytes, duration, number, signed, time, words } from './format.js';
import * as rollout from './rollout.js';
import { drawSummary } from './summary.js';

const FIRST_ROWS = 12;
const QUIET_SECONDS = 90;

let view;
let clockOffset = 0;
let chosenStage; // undefined follows the run
let rows = FIRST_ROWS;
let online = true;

const charts = new Charts(byId('charts'), byId('more-charts'), byId('more'));

// ---- what changes with the run ----

function current() {
  return view.stages.findLast((stage) => stage.state !== 'pending') ?? view.stages[0];
}

function drawHead() {
  setText(byId('run-name'), view.run || 'A run about to start');
  document.title = `${view.run ? view.run + ' · ' : ''}Troupe`;
  const pill = byId('state');
  const state = online ? view.state : 'offline';
  setText(pill, state);
  pill.dataset.state = state;
  setText(byId('version'), `Troupe ${view.version}`.trim());
  show(byId('offline'), !online);
  drawClock();
}

function drawClock() {
  if (!view) return;
  const now = Date.now() + clockOffset;
  const running = view.state === 'running';
  setText(byId('elapsed'), view.startedMillis ? duration(((view.completedMillis || now) - view.startedMillis) / 1000) : '–');
  const left = running ? current()?.secondsLeft : undefined;
  show(byId('left-box'), running);
  // The estimate is from the newest event; count down from there.
  setText(byId('left'), left === undefined ? '–' : duration(Math.max(0, left - (now - view.timeMillis) / 1000)));
  drawOutcome(now);
}

function drawOutcome(now) {
  const banner = byId('outcome');
  const silent = (now - view.timeMillis) / 1000;
  const [kind, text] =
    view.state === 'failed' ? ['error', `The run failed. ${view.message}`]
      : view.state === 'recovering' ? ['warning', `Recovering, from the last checkpoint. ${view.message}`]
      : view.state === 'cancelled' ? ['warning', `The run was cancelled. ${view.message}`]
        : view.state === 'completed' ? ['success', `The run is complete. ${view.message}`]
          : view.state === 'running' && silent > QUIET_SECONDS && online
            ? ['warning', `Nothing heard of the run for ${duration(silent)}. It may be busy with a long step, or its process has ended.`]
            : ['', ''];
  banner.className = `banner ${kind}`;
  setText(banner, text.trim());
  show(banner, text !== '');
}

const drawStages = whenChanged(({ stages, chosen }) => {
  const marks = { completed: '✓', failed: '!', stopped: '■', running: '', pending: '' };
  byId('stages').replaceChildren(...stages.map((stage, i) => {
    const share = stage.state === 'completed' ? 1 : stage.totalSteps ? stage.step / stage.totalSteps : 0;
    const detail = stage.state === 'completed' ? `${stage.step} steps in ${duration(stage.seconds)}`
      : stage.totalSteps ? `step ${stage.step} of ${stage.totalSteps}` : stage.state === 'pending' ? 'to come' : stage.state;
    const fill = make('i');
    fill.style.width = `${Math.min(100, 100 * share)}%`;
    return make('li', { 'data-state': stage.state },
      make('button', {
        type: 'button', 'data-stage': stage.name, 'aria-pressed': String(stage.name === chosen),
        disabled: stage.state === 'pending', onclick: () => choose(stage.name),
      },
      make('span', { class: 'mark', 'aria-hidden': 'true' }, marks[stage.state] || String(i + 1)),
      make('span', { class: 'stage-name' }, words(stage.name)),
      make('span', { class: 'stage-detail' }, detail),
      make('span', {
        class: 'track', role: 'progressbar', 'aria-label': `${words(stage.name)} progress`,
        'aria-valuenow': String(Math.round(100 * share)), 'aria-valuemin': '0', 'aria-valuemax': '100',
      }, fill)));
  }));
});

const drawResults = whenChanged(({ name, results }) => {
  const entries = Object.entries(results);
  show(byId('results'), entries.length > 0);
  setText(byId('results-title'), `Results of ${words(name)}`);
  byId('results-list').replaceChildren(...entries.map(([key, value]) =>
    make('div', {}, make('dt', {}, words(key)), make('dd', {}, signed(value)))));
});

const ROLES = ['policy', 'critic', 'reward', 'reference'];
const place = (role) => (ROLES.includes(role) ? ROLES.indexOf(role) : ROLES.length);

const drawActors = whenChanged((actors) => {
  show(byId('actors').parentElement.querySelector('.nothing'), actors.length === 0);
  show(byId('actors'), actors.length > 0);
  byId('actors').tBodies[0].replaceChildren(...actors.map((actor) => {
    const memory = Object.entries(actor.memoryBytes);
    const total = memory.reduce((sum, [, count]) => sum + count, 0);
    return make('tr', {},
      make('th', { scope: 'row' }, words(actor.role)),
      make('td', { 'data-label': 'State' }, make('span', { class: 'pill', 'data-state': actor.state }, actor.state)),
      make('td', { 'data-label': 'Activity', class: 'wide' }, actor.activity || '–'),
      make('td', { 'data-label': 'Adapter', class: 'number' }, `v${actor.adapterVersion}`),
      make('td', {
        'data-label': 'Memory', class: 'number', title: memory.map(([purpose, count]) => `${purpose} ${bytes(count)}`).join('\n'),
      }, bytes(total)),
      make('td', { 'data-label': 'Node', class: 'faint wide' }, actor.node));
  }));
});

const drawMembers = whenChanged((members) => {
  show(byId('members').nextElementSibling, members.length === 0);
  byId('members').replaceChildren(...members.map((member) => make('li', {},
    make('span', { class: 'pill', 'data-state': member.status.toLowerCase() }, member.status.toLowerCase()),
    make('span', { class: 'grow' }, member.address, member.leader ? make('em', {}, ' leader') : '',
      make('small', {}, member.roles.join(', '))))));
});

// How often the run went on after a process was lost.
const drawRecoveries = whenChanged(({ run = 0, rollout = 0 }) => {
  const times = (count) => (count === 1 ? 'once' : `${count} times`);
  const said = [];
  if (run > 0) said.push(`Taken up again ${times(run)}, from a checkpoint.`);
  if (rollout > 0) said.push(`Went on ${times(rollout)} without a rollout worker.`);
  byId('recoveries').textContent = said.join(' ');
  show(byId('recoveries'), said.length > 0);
});

const drawNotices = whenChanged((notices) => {
  show(byId('notices').nextElementSibling, notices.length === 0);
  byId('notices').replaceChildren(...notices.slice(0, 50).map((notice) => make('li', {},
    make('span', { class: 'dot', 'data-severity': notice.severity, title: notice.severity },
      make('span', { class: 'hidden' }, notice.severity)),
    make('span', { class: 'grow' }, notice.text,
      make('small', {}, time(notice.timeMillis), notice.stage ? ` · ${words(notice.stage)}` : '')))));
});

/** A score that is no number comes last among the best, and first among the worst. */
const worth = ({ score }) => score ?? -Number.MAX_VALUE;

const drawRollouts = whenChanged(({ list, count, order, shown }) => {
  show(byId('rollouts-section'), list.length > 0);
  const sorted = order === 'newest' ? list
    : [...list].sort((a, b) => (order === 'best' ? worth(b) - worth(a) : worth(a) - worth(b)));
  const focused = document.activeElement?.dataset?.rollout;
  setText(byId('rollouts-title'), `Recent rollouts (${list.length}${count > list.length ? ` of ${number(count)}` : ''})`);
  byId('rollouts').tBodies[0].replaceChildren(...sorted.slice(0, shown).map((item) => {
    const open = () => rollout.open(item.id);
    return make('tr', { class: 'open', onclick: open },
      make('td', { 'data-label': 'Step', class: 'number' }, String(item.step)),
      make('td', { 'data-label': 'Prompt', class: 'wide' }, make('span', { class: 'clamp' }, item.prompt)),
      make('td', { 'data-label': 'Response', class: 'wide' },
        make('button', {
          type: 'button', class: 'clamp link', 'data-rollout': item.id,
          onclick: (event) => { event.stopPropagation(); open(); },
        }, item.response || '(empty)')),
      make('td', { 'data-label': 'Score', class: 'number', 'data-sign': item.score === null ? undefined : item.score < 0 ? 'low' : 'high' }, signed(item.score)),
      make('td', { 'data-label': 'Tokens', class: 'number' }, String(item.tokenCount)),
      make('td', { 'data-label': 'Finish', class: 'faint' }, item.finish.toLowerCase()));
  }));
  if (focused) document.querySelector(`[data-rollout="${CSS.escape(focused)}"]`)?.focus();
  show(byId('more-rollouts'), list.length > shown);
});

function draw() {
  const stage = view.series?.stage;
  drawHead();
  drawStages({ stages: view.stages, chosen: stage });
  const drawable = view.series && (Object.keys(view.series.metrics).length > 0 || Object.keys(view.series.phases).length > 0);
  show(byId('empty'), view.state === 'waiting' || (view.state === 'running' && !drawable && view.rollouts.length === 0));
  show(byId('charts-section'), Boolean(drawable));
  if (drawable) {
    setText(byId('charts-title'), `${words(stage)} progress`);
    charts.draw(view.series);
  }
  const chosen = view.stages.find(({ name }) => name === stage);
  drawResults({ name: stage ?? '', results: chosen?.results ?? {} });
  drawSummary(view.summary);
  show(byId('people'), view.sequence > 0);
  show(byId('notices-section'), view.sequence > 0);
  drawActors([...view.actors].sort((a, b) => place(a.role) - place(b.role)));
  drawMembers(view.members);
  drawRecoveries(view.recoveries);
  drawNotices(view.notices);
  drawRolloutList();
  show(byId('configuration'), view.hasConfiguration);
}

function drawRolloutList() {
  drawRollouts({ list: view.rollouts, count: view.rolloutCount, order: byId('order').value, shown: rows });
}

// ---- what people do ----

function choose(name) {
  chosenStage = name === current()?.name && view.state === 'running' ? undefined : name;
  const focused = document.activeElement?.dataset?.stage;
  refresh().then(() => focused && document.querySelector(`[data-stage="${CSS.escape(focused)}"]`)?.focus());
}

// A click always shows the other scheme. Where that is the system's, it is followed again.
const systemScheme = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
const chosenScheme = () => document.documentElement.dataset.scheme ?? 'auto';
const shownScheme = () => document.documentElement.dataset.scheme ?? systemScheme();

/** auto, light or dark. */
function useScheme(scheme) {
  if (scheme === 'auto') delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = scheme;
  const other = shownScheme() === 'dark' ? 'light' : 'dark';
  const label = `Colours: ${shownScheme()}${scheme === 'auto' ? ', as the system' : ''}; switch to ${other}`;
  setText(byId('theme'), shownScheme() === 'dark' ? '☾' : '☀');
  byId('theme').setAttribute('aria-label', label);
  byId('theme').title = label;
  localStorage.setItem('scheme', scheme);
  charts.recolour();
}

function listen() {
  byId('theme').addEventListener('click', () => {
    const other = shownScheme() === 'dark' ? 'light' : 'dark';
    useScheme(other === systemScheme() ? 'auto' : other);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => useScheme(chosenScheme()));
  byId('order').addEventListener('change', drawRolloutList);
  byId('more-rollouts').addEventListener('click', () => { rows += 40; drawRolloutList(); });
  byId('configuration').addEventListener('toggle', async () => {
    setText(byId('configuration-text'), await (await fetch('/api/configuration')).text());
  });
}

// ---- news from the server ----

let fetching = false;
let again = false;

/** One fetch at a time; news that come meanwhile cause one more. */
async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    do {
      again = false;
      const query = chosenStage ? `?stage=${encodeURIComponent(chosenStage)}` : '';
      const response = await fetch(`/api/run${query}`);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      view = await response.json();
      clockOffset = view.serverMillis - Date.now();
      online = true;
      draw();
    } while (again);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // TypeError: the network
    goOffline();
  } finally {
    fetching = false;
  }
}

function goOffline() {
  online = false;
  if (view) drawHead();
  else { setText(byId('state'), 'offline'); byId('state').dataset.state = 'offline'; show(byId('offline'), true); }
}

function follow() {
  const events = new EventSource(`/api/events?after=${view?.sequence ?? 0}`);
  events.onmessage = refresh;
  events.onopen = refresh;
  // The browser tries again by itself.
  events.onerror = goOffline;
}

useScheme(['light', 'dark'].find((scheme) => scheme === localStorage.getItem('scheme')) ?? 'auto');
rollout.start();
listen();
setInterval(drawClock, 1000);
refresh().then(follow);
