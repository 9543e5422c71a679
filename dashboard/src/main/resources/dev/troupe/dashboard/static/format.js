// Numbers, times and sizes as people read them.

/** Three to four significant digits; what was not measured, or is no number, is a dash. */
export function number(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e6) return (value / 1e6).toFixed(size >= 1e7 ? 1 : 2) + ' M';
  if (size >= 1e4) return (value / 1e3).toFixed(1) + ' k';
  if (size >= 100 || (Number.isInteger(value) && size >= 10)) return String(Math.round(value));
  if (Number.isInteger(value)) return String(value);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  if (size >= 1e-3) return value.toFixed(3);
  return value.toExponential(1).replace('e-', 'e−').replace(/^-/, '−');
}

/** As number, with a real minus. */
export const signed = (value) => number(value).replace(/^-/, '−');

/** A proportion of 1 in per cent. */
export const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–');

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h > 0) return `${h} h ${String(m).padStart(2, '0')} min`;
  if (m > 0) return `${m} min ${String(s).padStart(2, '0')} s`;
  return `${s} s`;
}

export function bytes(count) {
  if (!count) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(count) / 10), units.length - 1);
  const value = count / 2 ** (10 * power);
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

export const time = (millis) =>
  new Date(millis).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const NAMES = {
  sft: 'SFT', ppo: 'PPO', grpo: 'GRPO', dpo: 'DPO', kto: 'KTO', orpo: 'ORPO', reward: 'Reward model', kl: 'KL', approxKl: 'Approximate KL', eos: 'end of text',
};

/** A stage's or metric's name in words: tokensPerSecond as "Tokens per second". */
export function words(name) {
  if (NAMES[name]) return NAMES[name];
  const spaced = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/[-_.]/g, ' ').toLowerCase();
  return (spaced.charAt(0).toUpperCase() + spaced.slice(1)).replace(/\bkl\b/gi, 'KL');
}
